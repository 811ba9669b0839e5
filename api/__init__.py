"""The read API and the pages: schema `analytics` over HTTP. Everything is read; nothing is computed here."""
