"""Tiny dbt projects for the tests: a parse of the real one takes seconds."""

from collections.abc import Mapping
from pathlib import Path

PROJECT_FILE = """
name: tiny
version: "1.0"
profile: tiny
models:
  tiny:
    +materialized: table
"""
PROFILES = """
tiny:
  target: test
  outputs:
    test:
      type: postgres
      host: "{{ env_var('PGHOST') }}"
      port: "{{ env_var('PGPORT') | as_number }}"
      user: "{{ env_var('PGUSER') }}"
      password: "{{ env_var('PGPASSWORD', '') }}"
      dbname: "{{ env_var('PGDATABASE') }}"
      schema: analytics
      threads: 1
"""


def write_project(folder: Path, files: Mapping[str, str]) -> Path:
    """Write a dbt project with these files (path: content) into a folder that is there or not; returns the folder."""
    for path, content in {"dbt_project.yml": PROJECT_FILE, "profiles.yml": PROFILES, **files}.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(content)
    return folder
