"""Afterclose from the command line: `python run_nightly.py --help`."""

import gc
import importlib.util
import sys

if __name__ == "__main__":
    if importlib.util.find_spec("psycopg") is None:
        print(
            "error: Afterclose is not installed for this Python: `make install`, then .venv/bin/python", file=sys.stderr
        )
        sys.exit(2)
    from nightly.cli import main

    # dbt keeps hundreds of thousands of objects to the end. Searching them for garbage again and again takes a quarter
    # of a small night, and so does freeing them one by one at the end.
    gc.set_threshold(100_000, 50, 100)
    status = main()
    gc.freeze()
    sys.exit(status)
