"""What a page of the dashboard costs: CPU of rendering alone, of a whole request, of one that is kept, and of a 304.

    python -m benchmarks.pages [--positions 100] [--repeat 20]

Loads the sample and a book of so many positions into a database of its own in a temporary folder, rolls the sample's
last 20 sessions, and asks the application in process: what a client and a socket cost is not in it. Milliseconds are
medians of this process's CPU time; PostgreSQL's is not in them. Nothing is left behind.
"""

import argparse
import asyncio
import csv
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from api.app import Options, create_app
from ingest.books.portfolios import load_folder
from nightly import demo
from nightly.demo_database import demo_settings
from nightly.output.progress import Progress
from reports.notes import notes
from reports.pages.environment import SECTIONS, Book, Shell
from reports.pages.overview import render_overview
from reports.portfolios import read_portfolios
from reports.reading import read_page, read_view
from warehouse.database import Database, open_database
from warehouse.settings import load_settings

NAME = "Benchmark"
SYMBOLS = (
    *("AAPL", "AMD", "BAC", "BBY", "CVX", "DIA", "EEM", "EFA", "GE", "HD", "IEF", "JNJ", "JPM", "KO", "LLY", "LQD"),
    *("MRK", "MSFT", "MTUM", "PEP", "PFE", "PG", "QUAL", "RRC", "SPY", "TIP", "TLT", "UNH", "USMV", "VLUE", "WMT"),
    *("XLE", "XLF", "XLK"),
)


def make_book(database: Database, positions: int, folder: Path) -> None:
    """A portfolio of so many lots, the public ones first, each other one a private holding of its own."""
    rows: list[tuple[Any, ...]] = []
    for place in range(positions):
        symbol = SYMBOLS[place] if place < len(SYMBOLS) else f"Holding {place} LP"
        # public holdings get the largest quantities, so the matrix of correlations shows them
        kind, quantity = ("PUBLIC", 1_000 - place) if place < len(SYMBOLS) else ("PRIVATE", 1)
        rows.append((NAME, symbol, quantity, 50, date(2016, 6, 6), kind))
    tables = {
        "portfolios": [("name", "starting_equity", "inception_date"), (NAME, 2_000_000, "2015-01-02")],
        "positions": [
            ("portfolio", "Symbol", "Quantity", "Entry Price Per Share", "Entry Date", "Investment Class"),
            *rows,
        ],
    }
    folder.mkdir()
    for table, lines in tables.items():
        with (folder / f"{table}.csv").open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows(lines)
    with database.connect() as conn:
        load_folder(conn, folder)


def cpu(work: Callable[[], object], repeat: int) -> float:
    """Median milliseconds of CPU of a call, after a first one."""
    work()
    took: list[float] = []
    for _ in range(repeat):
        start = time.process_time()
        work()
        took.append((time.process_time() - start) * 1000)
    return statistics.median(took)


async def cpu_of_request(ask: Callable[[], Awaitable[object]], repeat: int) -> float:
    """Median milliseconds of CPU of a request, in tens: a single one is shorter than the clock is fine."""
    await ask()
    took: list[float] = []
    for _ in range(repeat):
        start = time.process_time()
        for _ in range(10):
            await ask()
        took.append((time.process_time() - start) * 100)
    return statistics.median(took)


async def request(app: Any, path: str, headers: dict[str, str] | None = None) -> tuple[int, dict[str, str], int]:
    """Ask the application in process: status, headers and bytes of the answer."""
    given = {"host": "127.0.0.1:8750", "accept": "text/html", **(headers or {})}
    address, _, query = path.partition("?")
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": address,
        "raw_path": address.encode(),
        "query_string": query.encode(),
        "headers": [(name.encode(), value.encode()) for name, value in given.items()],
        "server": ("127.0.0.1", 8750),
        "client": ("127.0.0.1", 1),
    }
    seen: dict[str, Any] = {"bytes": 0}

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            seen["status"] = message["status"]
            seen["headers"] = {name.decode(): value.decode() for name, value in message["headers"]}
        else:
            seen["bytes"] += len(message.get("body", b""))

    await app(scope, receive, send)
    return seen["status"], seen["headers"], seen["bytes"]


async def measure_requests(database: Database, portfolio_id: str, repeat: int) -> None:
    """Print a line for each page."""
    app = create_app(Options(database.url))
    print(f"\n{'page':<14} {'KiB':>6} {'uncached ms':>12} {'kept ms':>9} {'304 ms':>8}")
    async with app.router.lifespan_context(app):
        for section, title in (("/", "Portfolios"), *SECTIONS.items()):
            path = section if section == "/" else f"/portfolios/{portfolio_id}" + (f"/{section}" if section else "")
            status, headers, size = await request(app, path)
            if status != 200:
                raise SystemExit(f"{path}: {status}")
            new = iter(range(10**6))
            # nothing is kept for a query that nobody has asked before
            uncached = await cpu_of_request(lambda path=path, new=new: request(app, f"{path}?n={next(new)}"), repeat)
            kept = await cpu_of_request(lambda path=path: request(app, path), repeat * 5)
            tag = {"if-none-match": headers["etag"]}
            unchanged = await cpu_of_request(lambda path=path, tag=tag: request(app, path, tag), repeat * 5)
            print(f"{title:<14} {size / 1024:>6.0f} {uncached:>12.1f} {kept:>9.2f} {unchanged:>8.2f}")


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--positions", type=int, default=100)
    parser.add_argument("--repeat", type=int, default=20)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="afterclose-pages-") as folder:
        Path(folder).chmod(0o755)
        settings = demo_settings(load_settings()).model_copy(update={"home": Path(folder) / "home"})
        with open_database(settings, name=demo.DATABASE_NAME) as database:
            demo.load_sample(database, datetime.now(UTC))
            make_book(database, arguments.positions, Path(folder) / "book")
            run = demo.run_sample(database, settings, datetime.now(UTC), Progress())
            if run.errors:
                raise SystemExit(f"the night failed: {run.problems}")
            with database.connect() as conn:
                portfolio = next(each for each in read_portfolios(conn) if each.name == NAME)
                first, day = portfolio.first_session, portfolio.latest
                if first is None or day is None:
                    raise SystemExit(f"{NAME} has not been rolled")
                view = read_page(conn, portfolio, day)
                whole = read_view(conn, NAME)
                said = notes(view)
                book = Book(portfolio.portfolio_id, NAME, day, first, day, None, None, portfolio.benchmark)
                shell = Shell(book=book, section="")
                reading = cpu(lambda: read_page(conn, portfolio, day), arguments.repeat)
                rendering = cpu(lambda: render_overview(view, said, shell, "SI"), arguments.repeat)
                alone = cpu(lambda: render_overview(whole, said), arguments.repeat)
            sessions = len(view.history.days)
            print(f"{arguments.positions} positions, {sessions} sessions, {len(view.pairs)} pairs, CPU ms")
            print(f"reading {reading:.1f}, rendering {rendering:.1f}, the file of `show --html` {alone:.1f}")
            asyncio.run(measure_requests(database, str(portfolio.portfolio_id), arguments.repeat))


if __name__ == "__main__":
    main()
