"""The commands, one module each: their click options, and the call that does the work."""
