"""What portfolios earned, against what, and where it came from: computed after the risk results that it rests on."""
