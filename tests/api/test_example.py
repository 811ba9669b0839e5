"""The script in docs that readers paste from: it runs as it stands, against a served database."""

import os
import subprocess
import sys

from tests.api.test_connections import listening
from warehouse.database import Database
from warehouse.project import PROJECT_ROOT


def test_the_example_runs_as_it_stands(sample: Database):
    with listening(sample) as port:
        # it compares what it reads over HTTP with what SQL gives
        environment = {"API_URL": f"http://127.0.0.1:{port}", "API_TOKEN": "", "DATABASE_URL": sample.url}
        done = subprocess.run(
            [sys.executable, "docs/reading_with_python.py"],
            cwd=PROJECT_ROOT,
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            timeout=120,
        )
    assert done.returncode == 0, done.stderr
    assert "378 sessions" in done.stdout
