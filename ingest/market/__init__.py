"""Phase 1: which prices, actions and profiles are believed, and how they are stored.

- The way of a night: `collection` → `prices` (asks the sources in `turn`) → `replies` → `symbol_prices` → `store`.
- Prices: `row_rules` says which rows may be stored, `as_traded` undoes splits, `restated` and `refetch` judge whole
  histories, `moves` and `ratios` tell what size a split has.
- Splits, dividends and events: `claims` are what sources say, `evidence` what the closes say of them, `settlement` what
  is believed, `decisions` what people say, `known_events` what is well known.
- What was refused waits in `quarantine`. `profiles` and `fund_sectors` have rules of their own.
"""
