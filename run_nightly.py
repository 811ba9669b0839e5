"""Afterclose from the command line: `python run_nightly.py --help`."""

import importlib.util
import sys

if __name__ == "__main__":
    if importlib.util.find_spec("psycopg") is None:
        print(
            "error: Afterclose is not installed for this Python: `make install`, then .venv/bin/python", file=sys.stderr
        )
        sys.exit(2)
    from nightly.cli import main

    sys.exit(main())
