"""How results are laid out in rows: one function a table, from statistics to columns."""
