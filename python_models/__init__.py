"""The risk statistics: pure array functions, one module that reads and one that writes."""
