"""One module a source: each turns its source's replies into the typed rows of `ingest.rows`."""
