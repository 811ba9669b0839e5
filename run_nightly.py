"""Afterclose from the command line: `python run_nightly.py --help`."""

import gc
import sys

from nightly.cli import main

if __name__ == "__main__":
    # dbt keeps hundreds of thousands of objects to the end. Looking through them for garbage again and again takes a
    # quarter of a small night, and so does freeing them one by one at the end.
    gc.set_threshold(100_000, 50, 100)
    status = main()
    gc.freeze()
    sys.exit(status)
