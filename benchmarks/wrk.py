"""The same load by `wrk`, where that is installed: a client that costs a fifth of ours, and so disturbs less."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

_CYCLE = """
local paths, place = {{ {paths} }}, 0
request = function()
  place = place % #paths + 1
  return wrk.format("GET", paths[place])
end
done = function(summary, latency)
  local errors = summary.errors
  local failed = errors.connect + errors.read + errors.write + errors.status + errors.timeout
  io.write(string.format("told %d %f %f %f %d\\n", summary.requests, summary.duration / 1e6,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3, failed))
end
"""


@dataclass(frozen=True)
class WrkLoad:
    """What wrk saw. It fills a pause with the answers that were due in it, so its p99 tells of every pause."""

    requests: int
    seconds: float
    p50_ms: float
    p99_ms: float
    errors: int


def run_wrk(url: str, paths: Sequence[str], *, connections: int, seconds: float, folder: Path) -> WrkLoad | None:
    """Ask for all paths in turn over connections that stay open; None where wrk is not installed."""
    if shutil.which("wrk") is None:
        return None
    script = folder / "cycle.lua"
    quoted = ", ".join(f"'{quote(path)}'" for path in paths)
    script.write_text(_CYCLE.format(paths=quoted))
    done = subprocess.run(
        ["wrk", "-t1", f"-c{connections}", f"-d{seconds:.0f}s", "-s", str(script), url],
        capture_output=True,
        text=True,
        check=True,
    )
    told = re.search(r"^told (\d+) ([\d.]+) ([\d.]+) ([\d.]+) (\d+)$", done.stdout, re.MULTILINE)
    if told is None:
        raise SystemExit(f"wrk: {done.stdout}{done.stderr}")
    requests, duration, p50, p99, errors = map(float, told.groups())
    return WrkLoad(int(requests), duration, p50, p99, int(errors))
