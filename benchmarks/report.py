"""Results as tables for people, and two results beside each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.table import Table

_MEGABYTE = 1024 * 1024
_HEADINGS = (
    *("seconds", "start-up", "dbt", "own", "CPU python", "CPU postgres"),
    *("MB python", "MB postgres", "statements", "rows", "MB WAL", "MB growth"),
)
_COMPARED = {
    "seconds": lambda each: each["seconds"],
    "start-up": lambda each: each["parts"].get("start_up", 0.0),
    "dbt": lambda each: each["parts"].get("dbt", 0.0),
    "own": lambda each: each["parts"].get("own", 0.0),
    "CPU python": lambda each: sum(span["python_cpu"] for span in each["spans"]),
    "CPU postgres": lambda each: sum(span["postgres_cpu"] for span in each["spans"]),
    "MB python": lambda each: max(span["python_peak"] for span in each["spans"]) / _MEGABYTE,
    "MB postgres": lambda each: max(span["postgres_peak"] for span in each["spans"]) / _MEGABYTE,
    "statements": lambda each: each["statements"],
    "rows": lambda each: sum(each["rows"].values()),
    "MB WAL": lambda each: each["wal_bytes"] / _MEGABYTE,
    "MB growth": lambda each: each["growth_bytes"] / _MEGABYTE,
}


def results_table(results: Mapping[str, Any], *, with_spans: bool = True) -> Table:
    """A line for each scenario, and one for each of its spans."""
    table = _table(_title(results), ("", *_HEADINGS))
    for each in results["measurements"]:
        table.add_row(f"[bold]{each['scenario']}[/]", *map(_number, (cost(each) for cost in _COMPARED.values())))
        for span in each["spans"] if with_spans and len(each["spans"]) > 1 else ():
            table.add_row(
                f"  {span['name']}",
                *(_number(span["seconds"]), "", "", "", _number(span["python_cpu"]), _number(span["postgres_cpu"])),
                *(_number(span[peak] / _MEGABYTE) for peak in ("python_peak", "postgres_peak")),
                *(_number(span["statements"]), "", "", ""),
                style="dim",
            )
    return table


def yardstick_lines(results: Mapping[str, Any]) -> list[str]:
    """What the pandas loop took, how far its numbers are from the stored ones, and the ratio."""
    loop = results["yardstick"]
    if not loop:
        return []
    return [
        f"pandas loop over {loop['portfolios']:,} portfolios of the same night: {loop['seconds']:.1f} s of work,"
        f" {loop['measurement']['statements']:,} statements; {loop['compared']:,} of its numbers agree with the stored"
        f" ones within {loop['largest_difference']:.1e}",
        f"for all portfolios, the loop takes {loop['ratio_of_work']:.1f} times the night's time (start-up apart), and"
        f" {loop['ratio_of_statements']:.1f} times its statements",
    ]


def tables_table(results: Mapping[str, Any]) -> Table:
    """The largest tables at the end."""
    table = _table("the largest tables at the end", ("", "rows", "MB", "MB of indexes"))
    for name, of in results["tables"].items():
        sizes = (of["bytes"] / _MEGABYTE, of["index_bytes"] / _MEGABYTE)
        table.add_row(name, _number(of["rows"]), *map(_number, sizes))
    return table


def comparison_table(before: Mapping[str, Any], after: Mapping[str, Any]) -> Table:
    """Every scenario that both have: what it cost before and after, and how many times that is."""
    table = _table(f"{_title(before)}, then {_title(after)}", ("", "", *_HEADINGS))
    later = {each["scenario"]: each for each in after["measurements"]}
    for each in before["measurements"]:
        if each["scenario"] in later:
            old, new = ([cost(of) for cost in _COMPARED.values()] for of in (each, later[each["scenario"]]))
            table.add_row(f"[bold]{each['scenario']}[/]", "before", *map(_number, old))
            table.add_row("", "after", *map(_number, new))
            table.add_row("", "ratio", *(_ratio(*pair) for pair in zip(old, new, strict=True)), style="dim")
    return table


def _title(results: Mapping[str, Any]) -> str:
    size = results["size"]
    return (
        f"{size['portfolios']:,} portfolios × {size['positions']} positions over {size['symbols']:,} symbols"
        f" ({size['market']})"
    )


def _table(title: str, headings: Sequence[str]) -> Table:
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in headings:
        table.add_column(heading, justify="right" if heading in _HEADINGS or heading in ("MB of indexes",) else "left")
    return table


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:,.2f}" if abs(value) < 100 else f"{value:,.0f}"


def _ratio(before: float, after: float) -> str:
    return f"{after / before:.2f}" if before > 1e-9 else ""
