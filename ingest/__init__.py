"""Loaders: everything that comes into schema `raw`, from files that people send and from market-data providers.

`universe` says which symbols are needed and for which sessions, `sources/` in which order they are asked and how often.
`providers/` turns replies into `rows`, `market/` and `fundamentals/` decide what is believed, `books/` reads people's
files.
"""
