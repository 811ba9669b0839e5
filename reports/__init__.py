"""One portfolio's risk on one page: read once, shown on a terminal, as HTML or as JSON."""
