"""Files that people hand in: portfolios, positions, closes, flows and marks."""
