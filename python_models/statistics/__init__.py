"""The statistics: pure functions of arrays, without a database, a clock or settings."""
