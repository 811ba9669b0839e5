"""Files that people hand in: portfolios, positions, closes, flows, marks and brokers' lines.

- A command each: `portfolios` (`load DIR`; `book_tables` is where its rows go), `load_transactions`, `load_broker`
  (position lists), `reconcile` (a list against what is stored), `corporate_actions`, `fund_sectors`.
- From a file to rows: `text` → `csv_files` → `cells`; `layouts/` for brokers; `instruments` says what a cell means.
- Rules: `files` and `lots` within a file, `book` between files, `transaction_files` for a line, `transactions` for its
  effect, `holdings` for the lines of a portfolio in order, `transaction_store` for lots and transactions side by side,
  `class_shares` for BRKB and BRK.B.
- Warnings: `smells` gathers them, with `smells_of_*`, `entry_prices` and `in_kind`.
"""
