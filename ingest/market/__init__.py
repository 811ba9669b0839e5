"""Phase 1: which prices, actions and profiles are believed, and how they are stored."""
