"""Where market data and fundamentals come from: the chain of sources, what each was asked, and what a run cost."""
