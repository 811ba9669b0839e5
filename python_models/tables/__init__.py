"""The layout of results in rows: for each table a function from statistics to columns."""
