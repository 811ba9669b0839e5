"""Loaders: everything that comes into schema `raw`, from files that people send and from market-data providers."""
