"""Where market data and fundamentals come from: the `chain` of sources, what each was asked, and what a run cost.

`fetch_state` says when a symbol is asked for again, `aliases` what a source calls it, `reach` where a source ends.
"""
