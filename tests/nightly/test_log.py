"""The log: one event a line, whatever is in it."""

import json
import logging

from nightly.log import open_log


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
