"""dbt, run in this process, and what its data checks found."""
