"""The read API and the pages: what schema `analytics` holds, over HTTP. GET only, nothing is computed here."""
