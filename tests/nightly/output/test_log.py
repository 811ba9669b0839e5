"""The log: one event a line, whatever is in it."""

import json
import logging
from datetime import UTC, date, datetime

from nightly.output.log import open_log
from nightly.output.progress import LogProgress
from nightly.record import PhaseRecord, RunRecord


def test_an_event_is_one_line_with_its_fields_and_those_bound_before(capsys):
    log = open_log("logfmt", verbose=False).bind(run=7)
    log.write(logging.WARNING, "problem", phase="2.5", scope=None, message='two\nlines, "quoted"')
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("time=20")
    assert line.endswith(r'level=warning event=problem run=7 phase=2.5 message="two\nlines, \"quoted\""')


def test_details_are_told_when_it_is_verbose(capsys):
    for verbose in (False, True):
        open_log("logfmt", verbose=verbose).write(logging.DEBUG, "step", done=1)
        assert ("event=step" in capsys.readouterr().err) == verbose


def test_json_lines_hold_the_same_and_no_secret(capsys):
    open_log("json", verbose=False, secrets=["hunter22"]).write(logging.ERROR, "problem", message="password hunter22")
    event = json.loads(capsys.readouterr().err)
    assert event.pop("time")
    assert event == {"level": "error", "event": "problem", "message": "password ***"}


def test_a_run_is_told_in_json_from_its_start_to_its_end(capsys):
    progress = LogProgress(open_log("json", verbose=False))
    phase = PhaseRecord("2", "P&L & Snapshots", "succeeded", 1.26)
    run = RunRecord(7, "run", {}, date(2024, 2, 15), [], datetime(2024, 2, 15, 23, tzinfo=UTC), "0.1.0")
    progress.started(run)
    progress.begin([phase])
    progress.end(phase)
    progress.finished(run)
    events = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [event["event"] for event in events] == ["run started", "phase started", "phase finished", "run finished"]
    assert (events[0]["trade_date"], events[2]["seconds"]) == ("2024-02-15", 1.3)
