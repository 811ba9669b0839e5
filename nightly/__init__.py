"""The orchestrator: the command line, the phases of the night, running dbt, the ledger and the summary.

- `cli` → `commands/` → `night` (the order of phases) → `phases/`; `plan` is a backfill's dry run.
- Before the first phase: `context` (day, window and portfolios of a run), `prepare` (migrations, calendar, seeds),
  `readiness` (what has to hold), `seed_rules` (seeds that people edit), `run_connection` (one run at a time).
- After it: `record` and `ledger` (what is kept), `output/` (what is shown), `status` and `freshness` (what is asked).
"""
