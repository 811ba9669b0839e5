"""Random histories of transactions against a bookkeeper who counts cash, by each rule and every road."""

from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest.books.load_transactions import TransactionOptions, load_transactions
from tests.accounting_replay import ZERO
from tests.roll_forward.books import Warehouse, load_market
from tests.roll_forward.random_books import FIRST, LAST, _Maker
from tests.transaction_replay import Contract, Told, replay

RULES = ("fifo", "lifo", "hifo", "average", "named")
USD = Decimal("1e-5")
CENT = Decimal("0.01")


def make_history(maker: _Maker) -> list[Told]:
    """A deposit and anything that may follow it, in the order of its days."""
    random = maker.random
    begin = maker.day(FIRST, maker.known[len(maker.known) // 2])
    lines = [Told(begin, "DEPOSIT", amount=maker.money(20_000, 500_000))]
    symbols = random.sample(maker.symbols, 3)
    for _ in range(random.choice((3, 8, 20, 40))):
        day, symbol = maker.day(begin), random.choice(symbols)
        quantity = random.choice((Decimal(random.randrange(1, 200)), round(maker.money(1, 200) / 7, 4)))
        kind = random.choices(
            (
                "BUY",
                "SELL",
                "SHORT",
                "COVER",
                "INTEREST",
                "FEE",
                "DEPOSIT",
                "WITHDRAWAL",
                "TRANSFER_IN",
                "TRANSFER_OUT",
            ),
            (8, 7, 2, 2, 1, 1, 1, 1, 1, 1),
        )[0]
        if kind in ("INTEREST", "FEE", "DEPOSIT", "WITHDRAWAL"):
            lines.append(Told(day, kind, amount=maker.money(1, 900)))
            continue
        if kind.startswith("TRANSFER"):
            session = maker.calendar.on_or_after(day)
            if not any(priced <= session for priced in maker.prices[symbol]):
                continue
        fees = random.choice((ZERO, maker.money(0, 9))) if not kind.startswith("TRANSFER") else ZERO
        bought = [line.date for line in lines if line.type == "BUY" and line.symbol == symbol and line.date <= day]
        named = random.choice(bought) if kind == "SELL" and bought and random.random() < 0.7 else None
        since = maker.day(FIRST, day) if kind == "TRANSFER_IN" else named
        price = None if kind == "TRANSFER_OUT" else maker.money(5, 400)
        lines.append(Told(day, kind, symbol, quantity, price, fees=fees, lot=since))
    for _ in range(random.choice((0, 1, 3))):
        lines += make_option(maker, begin, random.choice(symbols))
    return sorted(lines, key=lambda line: line.date)


def make_option(maker: _Maker, begin: date, underlying: str) -> list[Told]:
    """The life of an option: bought or sold short, closed in part, and ended in any way, in time or told late."""
    random = maker.random
    opened = maker.day(begin)
    first = maker.calendar.on_or_after(opened)
    expires = max(opened + timedelta(days=random.randrange(50)), first)
    kind, strike = random.choice(("CALL", "PUT")), maker.money(5, 400)
    symbol = f"{underlying}{expires:%y%m%d}{kind[0]}{int(strike * 1000):08d}"
    if symbol not in maker.prices:
        maker.make_closes(symbol, random.uniform(1, 20), {})
    contract = Contract(underlying, kind, strike, expires)
    is_long, quantity = random.random() < 0.5, Decimal(random.randrange(1, 6))

    def line(day: date, kind: str, quantity: Decimal, price: Decimal | None) -> Told:
        return Told(
            day, kind, symbol, quantity, price, fees=random.choice((ZERO, maker.money(0, 5))), contract=contract
        )

    lines = [line(opened, "BUY" if is_long else "SHORT", quantity, maker.money(1, 20))]
    if quantity > 1 and random.random() < 0.5:
        lines.append(line(maker.day(opened, expires), "SELL" if is_long else "COVER", Decimal(1), maker.money(1, 20)))
        quantity -= 1
    # not before the last line of its life
    ends = maker.day(lines[-1].date, expires + timedelta(days=3)) if random.random() < 0.5 else expires
    how = random.choice(("left", "EXPIRE", "EXPIRE", "DELIVER", "DELIVER"))
    if how == "EXPIRE":
        lines.append(line(ends, how, quantity, random.choice((None, maker.money(1, 30)))))
    elif how == "DELIVER":
        lines.append(line(ends, "EXERCISE" if is_long else "ASSIGN", quantity, None))
    return lines


def as_csv(name: str, lines: list[Told]) -> str:
    """The lines as a file has them, without its header."""
    return "".join(
        f"{name},{line.date},{line.type},{line.symbol},{line.quantity or ''},"
        f"{'' if line.price is None else line.price},{line.amount or ''},{line.fees or ''},{line.lot or ''}\n"
        for line in lines
    )


class World:
    """A market, and histories by the names of their portfolios, each with its rule."""

    def __init__(self, seed: int, books: int, sessions: list[date]) -> None:
        self.maker = _Maker(Random(seed), sessions)  # noqa: S311
        self.maker.make_market(8)
        self.sessions = [session for session in sessions if session <= LAST]
        self.books = {f"{rule} {number}": (rule, make_history(self.maker)) for number in range(books) for rule in RULES}

    def load(self, conn: psycopg.Connection, folder: Path) -> None:
        """Load the market and each rule's histories as the command does."""
        load_market(conn, self.maker.prices, self.maker.actions)
        for rule in RULES:
            file = folder / f"{rule}.csv"
            file.write_text(
                "portfolio,date,type,symbol,quantity,price,amount,fees,lot\n"
                + "".join(as_csv(name, lines) for name, (by, lines) in self.books.items() if by == rule)
            )
            load_transactions(conn, [file], TransactionOptions(lots=rule))


@pytest.fixture(
    scope="module",
    params=[pytest.param((11, 6), id="30 books"), pytest.param((12, 40), id="200 books", marks=pytest.mark.slow)],
)
def rolled(request, copies, sessions: list[date], tmp_path_factory) -> Iterator[tuple[Warehouse, World, Path]]:
    """A world of random histories, rolled by one dbt run."""
    world, folder = World(*request.param, sessions), tmp_path_factory.mktemp("histories")
    with copies() as warehouse:
        with warehouse.database.connect() as conn:
            world.load(conn, folder)
        warehouse.roll()
        yield warehouse, world, folder


def test_every_session_ties_out_under_each_rule(rolled):
    warehouse, world, _ = rolled
    stored: dict[str, dict[date, tuple[Decimal, ...]]] = {}
    for name, day, *figures in warehouse.rows(
        """
        select name, snapshot_date, equity_balance, cash_value, net_exposure, daily_pnl, daily_realized_pnl,
            daily_dividend_income, daily_capital_flow
        from analytics.portfolio_snapshots inner join raw.portfolios using (portfolio_id)
        """
    ):
        stored.setdefault(name, {})[day] = tuple(figures)
    assert {line.type for _, lines in world.books.values() for line in lines} >= {"EXPIRE", "ASSIGN", "EXERCISE"}
    seen = {"realized": 0, "dividends": 0, "flows": 0}
    for name, (rule, lines) in world.books.items():
        symbols = {line.symbol for line in lines} | {line.contract.underlying for line in lines if line.contract}
        prices = {symbol: closes for symbol, closes in world.maker.prices.items() if symbol in symbols}
        actions = [action for action in world.maker.actions if action.symbol in symbols]
        balances = replay(lines, rule, ZERO, prices, actions, world.maker.calendar.sessions, LAST)
        assert sorted(stored[name]) == [balance.session for balance in balances], name
        for balance in balances:
            expected = (
                balance.equity,
                balance.cash,
                balance.market_value,
                balance.daily_pnl,
                balance.realized,
                balance.dividends,
                balance.flow,
            )
            figures = stored[name][balance.session]
            off = [pair for pair in zip(figures, expected, strict=True) if abs(pair[0] - pair[1]) > USD]
            assert not off, (name, balance.session, off)
            seen["realized"] += balance.realized != 0
            seen["dividends"] += balance.dividends != 0
            seen["flows"] += balance.flow != 0
    assert all(seen.values()), seen
    assert warehouse.rows("select from intermediate.ignored_inputs where input = 'transaction' limit 1")


def test_nights_and_late_lines_end_with_the_same_rows(rolled, copies, sessions: list[date]):
    """Histories that come in halves, late, and rolled night by night."""
    warehouse, world, folder = rolled
    if len(world.books) > 30:
        pytest.skip("the small world tells")
    content = warehouse.content()
    with warehouse.database.connect() as conn:
        for rule in RULES:
            whole = (folder / f"{rule}.csv").read_text().splitlines(keepends=True)
            half = folder / "half.csv"
            # every second line is loaded late, except for the first of each portfolio
            first = {line.split(",")[0]: line for line in reversed(whole[1:])}
            half.write_text(
                "".join([whole[0], *(line for at, line in enumerate(whole[1:]) if at % 2 or line in first.values())])
            )
            load_transactions(conn, [half], TransactionOptions())
    warehouse.roll()
    assert warehouse.content() != content
    with warehouse.database.connect() as conn:
        for rule in RULES:
            load_transactions(conn, [folder / f"{rule}.csv"], TransactionOptions())
    middle = world.sessions[len(world.sessions) // 2]
    warehouse.roll(start_date=str(world.sessions[5]), end_date=str(middle))
    warehouse.roll()
    assert warehouse.content() == content
    warehouse.rebuild()
    assert warehouse.content() == content


# ---------------------------------------------------------------------------------------------------------------------

line = st.tuples(
    st.sampled_from(("open", "close", "flip")),
    st.sampled_from((1, -1)),
    st.integers(1, 40),
    st.integers(1, 5),
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lines=st.lists(line, min_size=1, max_size=14), rule=st.sampled_from(RULES))
def test_what_is_taken_is_what_was_there(conn: psycopg.Connection, lines, rule):
    """Of each lot no more is taken than it has, of each line neither more nor less than it asks for and finds."""
    ids = [f"00000000-0000-0000-0000-{place:012d}" for place in range(len(lines))]
    rows = conn.execute(
        "select opening_id::text, closing_id::text, base_shares from intermediate.match_lots("
        "%s, %s::uuid[], %s::text[], %s::smallint[], %s::numeric[], %s::numeric[], %s::date[], %s::date[])",
        [
            rule,
            ids,
            [each[0] for each in lines],
            [each[1] for each in lines],
            [each[2] for each in lines],
            [each[3] for each in lines],
            [date(2024, 1, 1)] * len(lines),
            [None] * len(lines),
        ],
    ).fetchall()
    opened = {lot: shares for lot, by, shares in rows if by is None}
    taken = {lot: sum((s for at, by, s in rows if at == lot and by), ZERO) for lot in opened}
    assert all(taken[lot] <= opened[lot] for lot in opened)
    for place, (effect, _, quantity, _) in enumerate(lines):
        told = [(lot, by, shares) for lot, by, shares in rows if ids[place] in (by, lot if by is None else by)]
        if effect == "open":
            assert told == [(ids[place], None, quantity)]
        else:
            assert abs(sum(shares for _, _, shares in told) - quantity) < Decimal("1e-9")
    # under any rule, the total that is left is the same
    signed = sum((opened[lot] - taken[lot]) * lines[ids.index(lot)][1] for lot in opened)
    long = short = ZERO
    for effect, side, quantity, _ in lines:
        against = short if side > 0 else long
        closed = min(against, Decimal(quantity)) if effect != "open" else ZERO
        rest = quantity - closed if effect != "close" else ZERO
        long, short = (long + rest, short - closed) if side > 0 else (long - closed, short + rest)
    assert abs(signed - (long - short)) < Decimal("1e-9")
