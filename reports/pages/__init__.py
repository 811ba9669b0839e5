"""The pages for a browser: pure functions from what was read to HTML."""
