"""Where this project lies, and which version of it this is."""

from __future__ import annotations

from pathlib import Path

PROJECT_ROOT = Path(__file__).resolve().parent.parent


def project_version() -> str:
    """The installed version, or `unknown` for a checkout that was never installed."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("afterclose")
    except PackageNotFoundError:
        return "unknown"
