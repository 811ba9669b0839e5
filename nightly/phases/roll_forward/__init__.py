"""Phases 2, 2.5 and 2.75: P&L, position values and sector tags, by the dbt models."""
