"""Which version of the project this is."""

from __future__ import annotations


def project_version() -> str:
    """The installed version, or `unknown` for a checkout that was never installed."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("afterclose")
    except PackageNotFoundError:
        return "unknown"
