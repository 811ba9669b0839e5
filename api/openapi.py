"""The description of the API in OpenAPI."""

from fastapi import FastAPI


def describe(app: FastAPI) -> None:
    """Serve it."""
