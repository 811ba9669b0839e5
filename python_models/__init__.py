"""The risk models: pure functions of arrays, one module that reads and one that writes."""
