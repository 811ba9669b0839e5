"""Schema `analytics` as people see it: one reader for each subject, and a terminal, pages and JSON that show it."""
