"""One module a command: click, and the call."""
