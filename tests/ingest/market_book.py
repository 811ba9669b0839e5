"""A small book and small folders of market data for the tests of the loader."""

from datetime import date
from pathlib import Path
from uuid import UUID, uuid4

import psycopg
from psycopg import sql

from ingest.providers.files import FilesProvider


class Book:
    """One portfolio in the database, and lots that are put into it by hand."""

    def __init__(self, conn: psycopg.Connection, inception: str = "2020-01-02") -> None:
        self.conn = conn
        self.portfolio_id = uuid4()
        conn.execute(
            "insert into raw.portfolios (portfolio_id, name, inception_date, starting_equity, source)"
            " values (%s, %s, %s, 1000000, 'test')",
            [self.portfolio_id, str(self.portfolio_id), inception],
        )

    def lot(self, symbol: str, entry_date: str = "2020-01-02", **columns: object) -> UUID:
        """Insert a lot of 100 shares; `columns` are other columns of raw.positions."""
        row = {
            "position_id": uuid4(),
            "portfolio_id": self.portfolio_id,
            "symbol": symbol,
            "position_type": "LONG",
            "quantity": 100,
            "entry_price": 10,
            "entry_date": entry_date,
            "investment_class": "PUBLIC",
            "source": "test",
            **columns,
        }
        insert = sql.SQL("insert into raw.positions ({}) values ({})").format(
            sql.SQL(", ").join(map(sql.Identifier, row)), sql.SQL(", ").join(sql.Placeholder() * len(row))
        )
        self.conn.execute(insert, list(row.values()))
        return row["position_id"]

    def option(self, symbol: str, underlying: str, expiration: str, entry_date: str = "2020-01-02") -> UUID:
        """Insert a long call."""
        return self.lot(
            symbol,
            entry_date,
            investment_class="OPTIONS",
            position_type="LC",
            underlying_symbol=underlying,
            option_type="CALL",
            strike_price=10,
            expiration_date=expiration,
        )

    def close(self, position_id: UUID, trade_date: str, quantity: float) -> None:
        """Insert a partial close."""
        self.conn.execute(
            "insert into raw.position_realized_events"
            " (event_id, position_id, trade_date, sequence, quantity_closed, close_price, source)"
            " values (gen_random_uuid(), %s, %s, 1, %s, 10, 'test')",
            [position_id, trade_date, quantity],
        )

    def rolled_through(self, session: str) -> None:
        """Leave the database as the roll-forward does."""
        self.conn.execute(
            "insert into ops.roll_forward_state (portfolio_id, last_session) values (%s, %s)",
            [self.portfolio_id, session],
        )
        self.conn.execute("update ops.input_changes set rolled_at = now()")


def define_factors(conn: psycopg.Connection, *symbols: str) -> None:
    """Create the seed that names the factor ETFs."""
    conn.execute("create table analytics.factor_definitions (factor text, symbols text)")
    conn.cursor().executemany(
        "insert into analytics.factor_definitions values ('Momentum', %s)", [(symbol,) for symbol in symbols]
    )


def write_folder(folder: Path, **files: str) -> FilesProvider:
    """Write `stem=text` as CSV files, one row a line, and return the folder's provider."""
    folder.mkdir(exist_ok=True)
    for stem, text in files.items():
        (folder / f"{stem}.csv").write_text("\n".join(line.strip() for line in text.strip().splitlines()) + "\n")
    return FilesProvider(folder)


def day(text: str) -> date:
    """Read an ISO date."""
    return date.fromisoformat(text)
