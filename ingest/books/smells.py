"""A load's warnings about figures that are valid but hardly true, each with the figure and the cure.

Everything here queries the loaded data, in the same transaction; nothing is changed.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from statistics import median
from typing import Any
from uuid import UUID

import psycopg

from ingest.books.cells import plain
from ingest.books.csv_files import CsvFile, FileProblem
from ingest.books.entry_prices import find_odd_entries
from ingest.books.files import PortfolioFiles
from ingest.books.in_kind import find_contributions_in_kind
from ingest.books.layouts.positions import Statement
from ingest.books.lots import PositionFile
from ingest.books.transactions import BUYS, SELLS, TransactionFile
from ingest.symbols import parse_option_symbol

# A price is odd this far outside of its day's range.
_PRICE_TOLERANCE = Decimal("0.2")
# The price of a position list may lie this far from its session's close.
_CLOSE_TOLERANCE = Decimal("0.002")
# The tolerance between entries at their prices and an equity that was rounded.
_CASH_TOLERANCE = Decimal("0.001")
# A quantity is odd at this multiple of the rest of its portfolio, where that has at least so many others.
_QUANTITY_FACTOR = 100
_QUANTITIES_NEEDED = 4
# The largest holdings of a margin account, as a multiple of its equity.
_MARGIN = 2


def smells_of_transactions(
    conn: psycopg.Connection[Any], files: Sequence[TransactionFile], portfolio_ids: Mapping[str, UUID]
) -> list[FileProblem]:
    """Return the oddities in the lines of these files, by file and line."""
    (today,) = conn.execute("select current_date").fetchone() or (date.max,)
    found: list[FileProblem] = []
    trades = []
    quantities: dict[str, list[Decimal]] = {}
    for file in files:
        found += file.warnings
        for line in file.lines:
            if line.trade_date > today:
                found.append(FileProblem(line.file, line.number, "date", f"{line.trade_date} lies in the future"))
            if line.type in ("FEE", "TAX") and line.cash > 0:
                what = f"{plain(line.cash)} comes in by a {line.type}: write what it costs with a minus"
                found.append(FileProblem(line.file, line.number, "amount", what))
            if line.type not in BUYS | SELLS or not line.instrument or line.quantity is None:
                continue
            if not line.unit_price:
                what = f"{line.instrument.symbol} for nothing: give the price, or TRANSFER_IN what came without one"
                found.append(FileProblem(line.file, line.number, "price", what))
            if line.instrument.contract and line.quantity != int(line.quantity):
                what = f"{plain(line.quantity)} contracts of {line.instrument.symbol}: contracts are whole"
                found.append(FileProblem(line.file, line.number, "quantity", what))
            if not line.instrument.contract:
                quantities.setdefault(line.portfolio, []).append(line.quantity)
            trades.append((line.file, line.number, line.instrument.symbol, line.trade_date, line.unit_price))
    for file in files:
        for line in file.lines:
            others = quantities.get(line.portfolio, ())
            if line.type in BUYS | SELLS and line.instrument and not line.instrument.contract and line.quantity:
                found += _far_above_the_rest(line.file, line.number, "quantity", line.quantity, others)
    found += _odd_prices(conn, trades, "price")
    found += _unknown_symbols(conn, [(file, number, symbol) for file, number, symbol, *_ in trades], "symbol")
    found += _cash_below_zero(conn, files, portfolio_ids)
    return sorted(found, key=lambda problem: (problem.file, problem.line))


def smells_of_statement(conn: psycopg.Connection[Any], statements: Sequence[Statement]) -> list[FileProblem]:
    """Return the oddities in position lists, by file and line."""
    (today,) = conn.execute("select current_date").fetchone() or (date.max,)
    found: list[FileProblem] = []
    told: list[tuple] = []
    for statement in statements:
        found += statement.warnings
        shares = [abs(lot.quantity) for lot in statement.lots if not lot.instrument.contract]
        if statement.as_of and statement.as_of > today:
            found.append(FileProblem(statement.file, 1, "as-of", f"{statement.as_of} lies in the future"))
        for lot in statement.lots:
            symbol = lot.instrument.symbol
            told.append((statement.file, lot.line, symbol, statement.as_of, lot.price))
            if lot.instrument.contract and lot.quantity != int(lot.quantity):
                what = f"{plain(lot.quantity)} contracts of {symbol}: contracts are whole"
                found.append(FileProblem(statement.file, lot.line, "quantity", what))
            if not lot.instrument.contract:
                found += _far_above_the_rest(statement.file, lot.line, "quantity", lot.quantity, shares)
            if lot.unit_cost is not None and not lot.unit_cost:
                found.append(FileProblem(statement.file, lot.line, "cost", f"{symbol} has cost nothing, says the file"))
        for account, cash in statement.cash.items():
            if cash < 0:
                what = f"{account or 'the account'} owes {-cash:,.2f}: a margin loan, or a sign that is wrong?"
                found.append(FileProblem(statement.file, 1, "cash", what))
        found += _prices_of_another_hour(conn, statement)
    found += _odd_prices(conn, told, "price")
    found += _unknown_symbols(conn, [(file, line, symbol) for file, line, symbol, *_ in told], "symbol")
    return sorted(found, key=lambda problem: (problem.file, problem.line))


def _prices_of_another_hour(conn: psycopg.Connection[Any], statement: Statement) -> list[FileProblem]:
    """Lists whose prices are not the closes of their day: the difference would end up in their cash."""
    lots = [lot for lot in statement.lots if lot.price and not lot.instrument.contract]
    closes = dict(
        conn.execute(
            "select symbol, close from raw.market_data_cache where price_date = %s and symbol = any(%s)",
            [statement.as_of, [lot.instrument.symbol for lot in lots]],
        ).fetchall()
    )
    off = [
        (lot, close, lot.quantity * (close - lot.price))
        for lot in lots
        if lot.price
        and (close := closes.get(lot.instrument.symbol)) is not None
        and abs(close - lot.price) > _CLOSE_TOLERANCE * close
    ]
    if not off:
        return []
    lot, close, _ = off[0]
    what = f"{lot.instrument.symbol} is {plain(lot.price or Decimal(0))} in the list and closed at {plain(close)}"
    others = f" ({len(off)} of {len(lots)} prices differ)" if len(off) > 1 else ""
    missed = sum((difference for *_, difference in off), Decimal(0))
    cure = (
        f"{missed:,.2f} would be missing in cash: export it after the close, or pass the day of its prices by --as-of"
    )
    return [FileProblem(statement.file, lot.line, "price", f"{what}{others}: {cure}")]


def smells_of_lots(
    conn: psycopg.Connection[Any], files: PortfolioFiles, portfolio_ids: Mapping[str, UUID]
) -> list[FileProblem]:
    """Return the oddities in the lots, closes and equities of these files, by file and line."""
    (today,) = conn.execute("select current_date").fetchone() or (date.max,)
    positions = files.positions
    if any(lot.joins_on for lot in positions.lots):
        return []
    name = positions.csv.name
    found: list[FileProblem] = []
    told: list[tuple] = []
    shares: dict[str, list[Decimal]] = defaultdict(list)
    for lot in positions.lots:
        if lot.investment_class == "PUBLIC":
            shares[lot.portfolio].append(abs(lot.quantity))
    for lot in positions.lots:
        for column, day in (("Entry Date", lot.entry_date), ("Exit Date", lot.exit_date)):
            if day and day > today:
                found.append(FileProblem(name, lot.line, column, f"{day} lies in the future"))
        if not lot.entry_price and lot.investment_class != "PRIVATE":
            what = f"{lot.symbol} for nothing: its whole value will be a gain"
            found.append(FileProblem(name, lot.line, "Entry Price Per Share", what))
        if lot.contract and lot.quantity != int(lot.quantity):
            what = f"{plain(lot.quantity)} contracts of {lot.symbol}: contracts are whole"
            found.append(FileProblem(name, lot.line, "Quantity", what))
        if lot.investment_class == "PUBLIC":
            found += _far_above_the_rest(name, lot.line, "Quantity", lot.quantity, shares[lot.portfolio])
        if lot.investment_class != "PRIVATE":
            told.append((name, lot.line, lot.symbol, lot.entry_date, lot.entry_price))
    found += _odd_entry_prices(conn, positions, told, portfolio_ids)
    found += _unknown_symbols(conn, [(file, line, symbol) for file, line, symbol, *_ in told], "Symbol")
    found += _contributions_in_kind(conn, positions, portfolio_ids)
    if files.closes:
        for row in files.closes.rows:
            if row.cells["trade_date"] and row.cells["trade_date"] > today:
                what = f"{row.cells['trade_date']} lies in the future"
                found.append(FileProblem(files.closes.name, row.line, "trade_date", what))
        found += _closed_too_far(conn, files.closes, portfolio_ids)
    beyond = _costs_beyond_equity(conn, files, portfolio_ids)
    lines = {problem.line for problem in beyond}
    found += beyond
    found += [problem for problem in _cash_at_inception(conn, files, portfolio_ids) if problem.line not in lines]
    order = [file.name for file in (files.portfolios, positions.csv, *files.others)]
    return sorted(found, key=lambda problem: (order.index(problem.file), problem.line))


def _odd_entry_prices(
    conn: psycopg.Connection[Any], positions: PositionFile, told: Sequence[tuple], portfolio_ids: Mapping[str, UUID]
) -> list[FileProblem]:
    """Entry prices that do not fit their session, each once, with a later split where one explains it."""
    column = "Entry Price Per Share"
    lines = {(lot.portfolio, lot.symbol, lot.entry_date): lot.line for lot in positions.lots}
    odd = find_odd_entries(conn, sorted(portfolio_ids.values()))
    in_shares_of_later = {
        lines[key]: entry.message
        for entry in odd
        if entry.split and (key := (entry.portfolio, entry.symbol, entry.entry_date)) in lines
    }
    found = [FileProblem(positions.csv.name, line, column, message) for line, message in in_shares_of_later.items()]
    return found + [problem for problem in _odd_prices(conn, told, column) if problem.line not in in_shares_of_later]


def _contributions_in_kind(
    conn: psycopg.Connection[Any], positions: PositionFile, portfolio_ids: Mapping[str, UUID]
) -> list[FileProblem]:
    """Lots that are carried in and told as a contribution too."""
    lines = {(lot.portfolio, lot.symbol, lot.entry_date): lot.line for lot in positions.lots}
    return [
        FileProblem(positions.csv.name, lines.get(came.lot, 1), "Entry Date", came.message)
        for came in find_contributions_in_kind(conn, sorted(portfolio_ids.values()))
    ]


def _closed_too_far(
    conn: psycopg.Connection[Any], closes: CsvFile, portfolio_ids: Mapping[str, UUID]
) -> list[FileProblem]:
    """Closes of more shares than their lot has, in shares of today; the rest would be ignored."""
    rows = conn.execute(
        """
        select
            portfolios.name,
            lot.symbol,
            lot.entry_date,
            abs(lot.quantity),
            sum(event.quantity_closed),
            (
                select string_agg(other.entry_date::text, ', ' order by other.entry_date)
                from raw.positions as other
                where
                    other.portfolio_id = lot.portfolio_id
                    and other.symbol = lot.symbol
                    and other.position_id <> lot.position_id
                    and other.deleted_at is null
            )
        from raw.positions as lot
        inner join raw.portfolios using (portfolio_id)
        inner join raw.position_realized_events as event using (position_id)
        where
            portfolio_id = any(%s)
            and not exists (
                select 1 from raw.corporate_actions as split
                where split.symbol = lot.symbol and split.action_type <> 'DIVIDEND' and split.ex_date > lot.entry_date
            )
        group by portfolios.name, lot.portfolio_id, lot.position_id, lot.symbol, lot.entry_date, lot.quantity
        having sum(event.quantity_closed) > abs(lot.quantity) + 0.000001
        order by 1, 2, 3
        """,
        [sorted(portfolio_ids.values())],
    )
    found = []
    for name, symbol, entered, quantity, closed, others in rows:
        line = next(
            (
                row.line
                for row in closes.rows
                if row.cells["portfolio"] == name
                and row.cells["entry_date"] == entered
                and str(row.cells["symbol"]).upper() == symbol.upper()
            ),
            1,
        )
        what = f"{plain(closed)} are closed of the {plain(quantity)} {symbol} of {entered}: the rest is left out"
        cure = f"give the lots of {others} rows of their own" if others else "is a split missing, or a lot?"
        found.append(FileProblem(closes.name, line, "quantity_closed", f"{what}; {cure}"))
    return found


def _costs_beyond_equity(
    conn: psycopg.Connection[Any], files: PortfolioFiles, portfolio_ids: Mapping[str, UUID]
) -> list[FileProblem]:
    """Portfolios whose lots, held at the same time, cost more than equity, deposits and a margin loan can pay."""
    rows = conn.execute(
        """
        with moves as (
            select
                portfolio_id,
                entry_date as moved_on,
                quantity * entry_price * case investment_class when 'OPTIONS' then 100 else 1 end as cost
            from raw.positions
            where portfolio_id = any(%(ids)s) and deleted_at is null
            union all
            select
                portfolio_id,
                exit_date,
                -quantity * entry_price * case investment_class when 'OPTIONS' then 100 else 1 end
            from raw.positions
            where portfolio_id = any(%(ids)s) and deleted_at is null and exit_date is not null
            union all
            select
                portfolio_id,
                event.trade_date,
                -sign(quantity) * least(event.quantity_closed, abs(quantity)) * entry_price
                * case investment_class when 'OPTIONS' then 100 else 1 end
            from raw.positions
            inner join raw.position_realized_events as event using (position_id)
            where portfolio_id = any(%(ids)s) and deleted_at is null and exit_date is null
        ),

        peaks as (
            select distinct on (portfolio_id) portfolio_id, moved_on, cost
            from (
                select portfolio_id, moved_on, sum(sum(cost)) over (partition by portfolio_id order by moved_on) as cost
                from moves
                group by portfolio_id, moved_on
            ) as by_day
            order by portfolio_id, cost desc
        )

        select
            portfolios.name,
            peaks.moved_on,
            peaks.cost,
            portfolios.starting_equity
            + coalesce((
                select sum(amount) from raw.equity_changes as flow
                where flow.portfolio_id = peaks.portfolio_id and flow.change_type = 'CONTRIBUTION'
                and flow.change_date <= greatest(peaks.moved_on, portfolios.inception_date)
            ), 0)
        from peaks
        inner join raw.portfolios using (portfolio_id)
        order by portfolios.name
        """,
        {"ids": sorted(portfolio_ids.values())},
    ).fetchall()
    found = []
    for name, day, cost, money in rows:
        if cost <= _MARGIN * money:
            continue
        line = next((row.line for row in files.portfolios.rows if row.cells["name"] == name), 1)
        what = f"lots of {name!r} have cost {cost:,.2f} by {day}, and its equity and deposits are {money:,.2f}"
        cure = "starting_equity is cash and holdings at market; or is a price or quantity wrong?"
        found.append(FileProblem(files.portfolios.name, line, "starting_equity", f"{what}: {cure}"))
    return found


def _cash_at_inception(
    conn: psycopg.Connection[Any], files: PortfolioFiles, portfolio_ids: Mapping[str, UUID]
) -> list[FileProblem]:
    """Portfolios whose holdings at inception exceed their equity, where the lots have prices then."""
    rows = conn.execute(
        """
        with held as (
            select
                portfolio_id,
                sum(
                    lot.quantity * case lot.investment_class when 'OPTIONS' then 100 else 1 end
                    * case when lot.entry_date < portfolio.inception_date then bar.close else lot.entry_price end
                ) as value,
                bool_and(lot.entry_date >= portfolio.inception_date or bar.close is not null) as is_priced
            from raw.positions as lot
            inner join raw.portfolios as portfolio using (portfolio_id)
            left join lateral (
                select close from raw.market_data_cache as bar
                where
                    bar.symbol = lot.symbol
                    and bar.price_date < portfolio.inception_date
                    and bar.price_date >= portfolio.inception_date - 10
                order by bar.price_date desc
                limit 1
            ) as bar on lot.shares_as_of is null
            where
                portfolio_id = any(%(ids)s)
                and lot.deleted_at is null
                and lot.entry_date <= portfolio.inception_date
                and coalesce(lot.exit_date, lot.expiration_date, 'infinity') >= portfolio.inception_date
            group by portfolio_id
        )

        select
            portfolio.name,
            portfolio.inception_date,
            held.value,
            portfolio.starting_equity
            + coalesce((
                select sum(flow.amount) from raw.equity_changes as flow
                where
                    flow.portfolio_id = portfolio.portfolio_id
                    and flow.change_type = 'CONTRIBUTION'
                    and flow.change_date = portfolio.inception_date
            ), 0)
        from held
        inner join raw.portfolios as portfolio using (portfolio_id)
        where held.is_priced
        order by portfolio.name
        """,
        {"ids": sorted(portfolio_ids.values())},
    )
    found = []
    for name, day, value, money in rows.fetchall():
        if value <= money + max(Decimal(1), _CASH_TOLERANCE * money):
            continue
        line = next((row.line for row in files.portfolios.rows if row.cells["name"] == name), 1)
        what = f"{name!r} begins on {day} with {money:,.2f} and holds {value:,.2f}, so its cash is {money - value:,.2f}"
        cure = "starting_equity is cash and holdings at market; a margin loan is fine"
        found.append(FileProblem(files.portfolios.name, line, "starting_equity", f"{what}: {cure}"))
    return found


def _far_above_the_rest(
    file: str, number: int, column: str, quantity: Decimal, others: Sequence[Decimal]
) -> list[FileProblem]:
    if len(others) <= _QUANTITIES_NEEDED:
        return []
    usual = median(others)
    if usual <= 0 or abs(quantity) < _QUANTITY_FACTOR * usual or abs(quantity) < _QUANTITY_FACTOR:
        return []
    what = f"{plain(abs(quantity))} is more than {_QUANTITY_FACTOR} times the {plain(usual)} that is usual in this file"
    return [FileProblem(file, number, column, f"{what}: is it an amount, or is a decimal point missing?")]


def _odd_prices(conn: psycopg.Connection[Any], trades: Sequence[tuple], column: str) -> list[FileProblem]:
    """Prices more than a fifth outside of their session's low and high, where the session is known."""
    rows = conn.execute(
        """
        select told.file, told.line, told.symbol, told.price, bar.price_date,
            coalesce(bar.low, bar.close), coalesce(bar.high, bar.close)
        from unnest(%s::text[], %s::integer[], %s::text[], %s::date[], %s::numeric[])
            as told (file, line, symbol, traded_on, price)
        cross join lateral (
            select min(session_date) as session_date from raw.trading_sessions where session_date >= told.traded_on
        ) as session
        inner join raw.market_data_cache as bar
            on told.symbol = bar.symbol and session.session_date = bar.price_date
        where
            told.price > 0
            and (
                told.price > coalesce(bar.high, bar.close) * (1 + %s)
                or told.price < coalesce(bar.low, bar.close) * (1 - %s)
            )
        order by told.file, told.line
        """,
        [*([trade[place] for trade in trades] for place in range(5)), _PRICE_TOLERANCE, _PRICE_TOLERANCE],
    )
    return [
        FileProblem(
            file,
            line,
            column,
            f"{plain(price)} for {symbol} lies outside of {plain(low)} to {plain(high)} on {day}: correct it, or its"
            " date; for a day before a split, write the shares and the price of that day",
        )
        for file, line, symbol, price, day, low, high in rows
    ]


def _unknown_symbols(
    conn: psycopg.Connection[Any], told: Sequence[tuple[str, int, str]], column: str
) -> list[FileProblem]:
    """Symbols that no source has, after all were asked."""
    symbols = sorted({symbol for _, _, symbol in told})
    adjusted = _adjusted_options(conn, symbols)
    unknown = {
        symbol
        for (symbol,) in conn.execute(
            """
            select symbol
            from ops.fetch_state
            where symbol = any(%s) and kind = 'prices' and next_attempt_at is not null
            group by symbol
            having not exists (select 1 from raw.market_data_cache as bar where bar.symbol = fetch_state.symbol)
            """,
            [symbols],
        )
    }
    first: dict[str, tuple[str, int]] = {}
    for file, line, symbol in told:
        if symbol in unknown or symbol in adjusted:
            first.setdefault(symbol, (file, line))
    return [
        FileProblem(
            file,
            line,
            column,
            f"{symbol} looks like {adjusted[symbol]}'s adjusted options, which deliver something else than 100 shares,"
            f" and no price of that root is known: write {adjusted[symbol]} if the digit is a slip, or hold an adjusted"
            " option as PRIVATE with marks of your own"
            if symbol in adjusted
            else f"no source knows {symbol}: is it spelt as it trades, or has it been renamed?",
        )
        for symbol, (file, line) in first.items()
    ]


def _adjusted_options(conn: psycopg.Connection[Any], symbols: Sequence[str]) -> dict[str, str]:
    """Return the symbols whose root is like AAPL1 and has no price, where AAPL is held too or has one; with that name.

    After a split or merger the old contracts get a digit after their root.
    """
    options = ((symbol, parse_option_symbol(symbol)) for symbol in symbols)
    roots = {symbol: option.underlying_symbol if option else symbol for symbol, option in options}
    names = {root: root[:-1] for root in roots.values() if root[:-1].isalpha() and root[-1].isdigit()}
    if not names:
        return {}
    priced = {
        symbol
        for (symbol,) in conn.execute(
            "select distinct symbol from raw.market_data_cache where symbol = any(%s)",
            [[*names, *names.values()]],
        )
    }
    known = priced.union(roots.values())
    return {
        symbol: names[root]
        for symbol, root in roots.items()
        if root in names and root not in priced and names[root] in known
    }


def _cash_below_zero(
    conn: psycopg.Connection[Any], files: Sequence[TransactionFile], portfolio_ids: Mapping[str, UUID]
) -> list[FileProblem]:
    """Portfolios that spend more than they have: a deposit or the starting equity is missing."""
    rows = conn.execute(
        """
        with moved as (
            select portfolio_id, trade_date, sum(cash) as cash
            from raw.transactions
            where portfolio_id = any(%s)
            group by portfolio_id, trade_date
        ),

        balances as (
            select
                portfolios.name,
                moved.trade_date,
                portfolios.starting_equity
                + sum(moved.cash) over (partition by moved.portfolio_id order by moved.trade_date) as balance
            from moved
            inner join raw.portfolios using (portfolio_id)
        )

        select distinct on (name) name, trade_date, balance from balances where balance < -1 order by name, trade_date
        """,
        [sorted(portfolio_ids.values())],
    )
    first = {(line.portfolio, line.trade_date): line for file in reversed(files) for line in reversed(file.lines)}
    of_any_day = {line.portfolio: line for file in files for line in file.lines}
    return [
        FileProblem(
            first.get((name, day), of_any_day[name]).file,
            first.get((name, day), of_any_day[name]).number,
            "amount",
            f"cash of {name!r} is {balance:,.2f} after {day}: enter its deposits, or what it begins with by --equity;"
            " a margin loan is fine",
        )
        for name, day, balance in rows
    ]
