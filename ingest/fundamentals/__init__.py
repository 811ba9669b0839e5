"""Phase 1.5: statements, estimates and earnings dates, when they are due."""
