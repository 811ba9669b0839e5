"""The risk models: statistics as pure functions of arrays, and what reads their inputs and writes their results.

- What is due: `run` plans a pass, `fingerprints` tell what has changed, `staleness` marks what rests on old inputs.
- Inputs: `read` (arrays of the database), `books` (positions, options at their delta), `inputs` (blocks that fit in
  memory), `definitions` (which factors, scenarios and weights are valid), `shocks` (of the scenarios on a session).
- The work: `compute` for a session, `units` for several, here or in `workers`; `write` stores it, `report` sums it up.
- Formulas are in `statistics/`, columns in `tables/`. `performance/` and `backtests` come after the risk results.
"""
