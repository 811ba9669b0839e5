"""Performance and attribution of portfolios against their benchmarks, computed after the risk results they need."""
