"""The pages for a browser: pure functions from the data to HTML."""
