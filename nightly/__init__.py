"""The orchestrator: the command line, the phases of the night, running dbt, the ledger and the summary."""
