"""The page of the batch's state: the results of nights, how far each table is, and the next commands."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from markupsafe import Markup

from reports import words
from reports.batch import Batch, TableFreshness
from reports.pages.environment import Shell, render
from reports.tables import Column, table

# the status of a run or a phase, and the style of its mark
_STATES = {"succeeded": "good", "failed": "bad", "interrupted": "bad", "running": ""}


def render_status(batch: Batch, shell: Shell, *, demo: bool = False) -> str:
    """The page as HTML."""
    status = batch.status
    runs: list[Mapping[str, Any]] = status["runs"]
    last = runs[0] if runs else None
    return render(
        "status.html.j2",
        shell,
        batch=batch,
        trade_date=batch.trade_date,
        last=last,
        state=_state(last) if last else None,
        next_commands=_next_commands(batch, demo),
        phases=_phases(last) if last else None,
        messages=last["messages"] if last else [],
        told=sum(last[kind] for kind in ("errors", "warnings")) if last else 0,
        runs=_runs(runs) if runs else None,
        tables=_tables(batch, _due(batch, demo)),
        missed=_missed(status["missed"]),
        quarantine=_quarantine(status["quarantine"]),
        decisions=_decisions(status["decisions"]),
        doubted=_doubted(status["doubted"]),
    )


def _next_commands(batch: Batch, demo: bool) -> list[tuple[str, str]]:
    """The next commands for an operator, with the reasons, the most urgent first; none where all is well."""
    status, on = batch.status, " --demo" if demo else ""
    runs = status["runs"]
    found: list[tuple[str, str]] = []
    if not runs and not demo:
        found.append(("Nothing has run yet", "python run_nightly.py backfill"))
    if runs and runs[0]["status"] in ("failed", "interrupted"):
        found.append(
            (f"The last run {_became(runs[0]['status'])}: what has been done is kept", "python run_nightly.py")
        )
    behind = [each for each in batch.tables if batch.trade_date and each.good_to and each.good_to < batch.trade_date]
    if behind and not demo and not found:
        first = min(each.good_to for each in behind if each.good_to)
        found.append((f"Tables end at {first}, and {batch.trade_date} has closed", "python run_nightly.py backfill"))
    if batch.stale and not demo:
        days = {each["day"] for each in batch.stale}
        command = f"python run_nightly.py analytics --date {max(days)}"
        found.append(
            (f"Risk of {words.count(len(batch.stale), 'portfolio')} stands on inputs that have changed", command)
        )
    if status["quarantine"]:
        rows = sum(each["rows"] for each in status["quarantine"])
        found.append(
            (f"{words.count(rows, 'row')} in quarantine wait for a decision", f"python run_nightly.py quarantine{on}")
        )
    if status["doubted"]:
        symbols = list(dict.fromkeys(each["symbol"] for each in status["doubted"]))
        found.append(
            (
                f"Events that speak against the prices: {words.and_more(symbols)}",
                f"python run_nightly.py actions list {symbols[0]}{on}",
            )
        )
    return found


def _became(status: str) -> str:
    return "failed" if status == "failed" else "was interrupted"


def _runs(runs: list[Mapping[str, Any]]) -> Markup:
    columns: list[Column[Mapping[str, Any]]] = [
        Column("run", "Run", lambda run: run["run_id"], str),
        Column("command", "Command", lambda run: run["command"], left=True),
        Column("trade_date", "Trade date", lambda run: run["trade_date"], str, left=True),
        Column("status", "Status", lambda run: run["status"], cell=_state, left=True),
        Column("started", "Started, UTC", lambda run: run["started_at"], _moment, left=True),
        Column("seconds", "Seconds", _seconds, lambda value: f"{value:,.1f}"),
        Column("errors", "Errors", lambda run: run["errors"], str),
        Column("warnings", "Warnings", lambda run: run["warnings"], str),
        Column("version", "Version", lambda run: run["version"], left=True),
    ]
    return table(columns, runs, label="The last runs")


def _phases(run: Mapping[str, Any]) -> Markup | None:
    if not run["phases"]:
        return None
    columns: list[Column[Mapping[str, Any]]] = [
        Column("phase", "Phase", lambda phase: phase["phase"], left=True),
        Column("name", "Name", lambda phase: phase["name"].replace("_", " "), left=True),
        Column("status", "Status", lambda phase: phase["status"], cell=_state, left=True),
        Column("seconds", "Seconds", lambda phase: phase["seconds"], lambda value: f"{value:,.1f}"),
    ]
    return table(columns, run["phases"], label="Phases of the last run")


def _due(batch: Batch, demo: bool) -> date | None:
    """The session that tables should have reached; for the demo, which ends in the past, that of its last run."""
    runs = batch.status["runs"]
    if demo and runs and runs[0]["trade_date"]:
        return date.fromisoformat(runs[0]["trade_date"])
    return batch.trade_date


def _tables(batch: Batch, due: date | None) -> Markup:
    def state(each: TableFreshness) -> Markup:
        if each.good_to is None:
            return Markup('<span class="flag bad">not for every portfolio</span>') if each.portfolios else Markup()
        if due and each.good_to < due:
            return Markup('<span class="flag">{} behind</span>').format(words.count((due - each.good_to).days, "day"))
        return Markup('<span class="flag good">up to date</span>')

    columns: list[Column[TableFreshness]] = [
        Column("table", "Table", lambda each: each.table, left=True),
        Column("good_to", "Good to", lambda each: each.good_to, str, left=True),
        Column("state", "", lambda each: None, cell=state, left=True),
        Column("behind", "Behind", lambda each: "" if each.behind is None else str(each.behind)),
    ]
    return table(columns, batch.tables, label="How far each table is")


def _missed(rows: list[Mapping[str, Any]]) -> Markup | None:
    columns: list[Column[Mapping[str, Any]]] = [
        Column("symbol", "Symbol", lambda row: row["symbol"], left=True),
        Column("source", "Source", lambda row: row["source"], left=True),
        Column("kind", "What", lambda row: row["kind"], left=True),
        Column("failures", "Failures in a row", lambda row: row["failures"], str),
        Column("success", "Last success, UTC", lambda row: row["last_success_at"], _moment, left=True),
        Column("next", "Asked again, UTC", lambda row: row["next_attempt_at"], _moment, left=True),
        Column("reason", "Reason", lambda row: row["reason"], left=True),
    ]
    return table(columns, rows, label="Missed symbols", style="texts") if rows else None


def _quarantine(rows: list[Mapping[str, Any]]) -> Markup | None:
    columns: list[Column[Mapping[str, Any]]] = [
        Column("reason", "Reason", lambda row: row["reason"], left=True),
        Column("relation", "Of", lambda row: row["relation"], left=True),
        Column("source", "Source", lambda row: row["source"], left=True),
        Column("rows", "Rows", lambda row: row["rows"], lambda value: f"{value:,}"),
        Column("symbols", "Symbols", lambda row: row["symbols"], str),
        Column("examples", "Such as", lambda row: ", ".join(row["examples"]), left=True),
        Column("seen", "Last seen, UTC", lambda row: row["last_seen"], _moment, left=True),
    ]
    return table(columns, rows, label="Quarantine by reason", style="texts names") if rows else None


def _decisions(rows: list[Mapping[str, Any]]) -> Markup | None:
    columns = _of_action()
    columns += [
        Column("decision", "Decision", lambda row: row["decision"], left=True),
        Column("by", "By", lambda row: row["decided_by"], left=True),
        Column("at", "When, UTC", lambda row: row["decided_at"], _moment, left=True),
        Column("because", "Why", lambda row: row["decided_because"] or "", left=True),
    ]
    return table(columns, rows, label="What people have decided", style="texts") if rows else None


def _doubted(rows: list[Mapping[str, Any]]) -> Markup | None:
    columns = _of_action()
    columns += [
        Column("source", "Source", lambda row: row["source"], left=True),
        Column("because", "Why not believed", lambda row: row["refused_because"], left=True),
    ]
    return table(columns, rows, label="Events that are not believed", style="texts") if rows else None


def _of_action() -> list[Column[Mapping[str, Any]]]:
    return [
        Column("symbol", "Symbol", lambda row: row["symbol"], left=True),
        Column("ex_date", "Ex-date", lambda row: row["ex_date"], str, left=True),
        Column("type", "Event", lambda row: row["action_type"].lower(), left=True),
        Column("value", "Value", lambda row: float(row["value"]), lambda value: f"{value:g}"),
    ]


def _state(row: Mapping[str, Any]) -> Markup:
    return Markup('<span class="flag {}">{}</span>').format(_STATES.get(row["status"], ""), row["status"])


def _moment(text: str) -> str:
    return text[:16].replace("T", " ")


def _seconds(run: Mapping[str, Any]) -> float | None:
    if not run["finished_at"]:
        return None
    return (datetime.fromisoformat(run["finished_at"]) - datetime.fromisoformat(run["started_at"])).total_seconds()
