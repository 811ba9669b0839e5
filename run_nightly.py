"""Afterclose from the command line: `python run_nightly.py --help`."""

import sys

from nightly.cli import main

if __name__ == "__main__":
    sys.exit(main())
