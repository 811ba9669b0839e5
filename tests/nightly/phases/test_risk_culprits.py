"""Data that break the risk models cost the results of those whom they concern, and nobody else's."""

from uuid import UUID

import psycopg
import pytest

from nightly.output import summary
from nightly.phases.risk_culprits import Culprits, Search
from tests.nightly.small_nights import NEXT_SESSION, ROLLED_TO, Night
from tests.nightly.twins import difference, state

ETFS, OTHERS = ["IEF", "SPY"], [f"S{number:03}" for number in range(100)]
PORTFOLIOS = [UUID(int=number) for number in range(1, 201)]


class Models:
    """Fail for these portfolios and symbols, and for whoever of `holders` is computed with the symbol they hold."""

    def __init__(self, *broken: UUID | str, holders: dict[UUID, str] | None = None) -> None:
        self.broken, self.holders = set(broken), holders or {}
        self.kept: set[UUID] = set()
        self.attempts = 0

    def __call__(self, portfolio_ids, without, *, trial) -> None:
        self.attempts += 1
        present = {*portfolio_ids, *ETFS, *OTHERS}.difference(without)
        if self.broken & present or any(self.holders.get(each) in present for each in portfolio_ids):
            raise ZeroDivisionError
        if not trial:
            self.kept |= present & set(PORTFOLIOS)


@pytest.mark.parametrize(
    ("broken", "portfolios", "symbols"),
    [
        (["S042"], [], ["S042"]),
        (["SPY"], [], ["SPY"]),
        (["SPY", "S000", "S099"], [], ["SPY", "S000", "S099"]),
        ([PORTFOLIOS[7]], [PORTFOLIOS[7]], []),
        (["S042", PORTFOLIOS[7]], [PORTFOLIOS[7]], ["S042"]),
    ],
)
def test_those_that_break_a_model_are_found(broken, portfolios, symbols):
    models = Models(*broken)
    culprits = Search(ValueError(), models, [ETFS, OTHERS]).find(PORTFOLIOS)
    assert (list(culprits.portfolios), list(culprits.symbols)) == (portfolios, symbols)
    assert models.kept == set(PORTFOLIOS).difference(portfolios)
    assert models.attempts < 80


def test_a_symbol_that_breaks_too_many_portfolios_is_the_culprit_and_they_are_not():
    models = Models(holders=dict.fromkeys(PORTFOLIOS[::2], "S042"))
    culprits = Search(ValueError(), models, [ETFS, OTHERS]).find(PORTFOLIOS)
    assert culprits == Culprits(symbols={"S042": culprits.symbols["S042"]})


def test_what_fails_without_anybody_is_nobody_s():
    error = ValueError("the seeds")

    def fail(portfolio_ids, without, *, trial):
        raise KeyError

    with pytest.raises(ValueError, match="the seeds"):
        Search(error, fail, [ETFS, OTHERS]).find(PORTFOLIOS)


def test_a_database_that_goes_away_is_no_culprit():
    def fail(portfolio_ids, without, *, trial):
        raise psycopg.OperationalError("gone")

    with pytest.raises(psycopg.OperationalError):
        Search(ValueError(), fail, [ETFS, OTHERS]).find(PORTFOLIOS)


def refuse(night: Night, table: str, condition: str) -> None:
    """Let the database refuse these rows, until the trigger `refuse` is dropped."""
    night.execute(
        f"create function refuse() returns trigger language plpgsql as $$ begin if {condition} then"
        " raise 'no such number'; end if; return new; end $$;"
        f"create trigger refuse before insert on {table} for each row execute function refuse()"
    )


def of_the_day(night: Night, table: str, day: object) -> list[str]:
    """Whose rows there are."""
    portfolio = "(select name from raw.portfolios where portfolios.portfolio_id = results.portfolio_id)"
    whose = "symbol" if table.startswith("symbol") else portfolio
    return [
        name
        for (name,) in night.rows(
            f"select distinct {whose} from analytics.{table} as results where calculation_date = %s order by 1", day
        )
    ]


def test_a_symbol_that_breaks_a_model_is_set_aside_and_taken_in_when_it_is_put_right(night: Night):
    expected = state(night)
    refuse(night, "analytics.symbol_volatility", "new.symbol = 'AAA'")
    run = night.run("analytics", trade_date=ROLLED_TO, force=True)
    (problem,) = run.errors
    assert (problem.phase, problem.scope) == ("3", "symbol AAA")
    assert problem.message.startswith("set aside, the others went on: RaiseException: no such number (")
    assert "correct its prices and actions" in problem.message
    assert f"--date {ROLLED_TO}" in (summary.rerun_command(run) or "")
    assert of_the_day(night, "symbol_volatility", ROLLED_TO) == ["BBB", "SPY"]
    assert of_the_day(night, "portfolio_risk_metrics", ROLLED_TO) == ["Growth", "Income"]
    marked = "select portfolio_id is null or name = 'Growth', stale_because from ops.risk_state"
    marked += " left join raw.portfolios using (portfolio_id) where stale_because is not null"
    assert night.rows(marked) == [(True, "computed without AAA")] * 2

    night.execute("drop trigger refuse on analytics.symbol_volatility")
    healed = night.run(phases=("3",), trade_date=NEXT_SESSION)
    assert healed.status == "succeeded"
    assert healed.phases[0].counts["healed"] == {str(ROLLED_TO): ["computed without AAA"]}
    assert difference(night, expected) == []


@pytest.mark.slow
def test_an_etf_that_breaks_a_model_is_set_aside(night: Night):
    """Everybody's results rest on it, and are computed again once it is put right."""
    expected = state(night)
    refuse(night, "analytics.symbol_market_betas", "new.symbol = 'SPY'")
    run = night.run("analytics", trade_date=ROLLED_TO, force=True)
    assert [problem.scope for problem in run.errors] == ["symbol SPY"]
    assert of_the_day(night, "symbol_market_betas", ROLLED_TO) == ["AAA", "BBB"]
    night.execute("drop trigger refuse on analytics.symbol_market_betas")
    assert night.run(phases=("3",), trade_date=NEXT_SESSION).status == "succeeded"
    assert difference(night, expected) == []


def test_a_portfolio_whose_performance_fails_is_set_aside(night: Night):
    expected = state(night)
    growth = "(select portfolio_id from raw.portfolios where name = 'Growth')"
    refuse(night, "analytics.portfolio_performance", f"new.portfolio_id = {growth}")
    run = night.run("analytics", trade_date=ROLLED_TO, force=True)
    assert [(problem.phase, problem.scope) for problem in run.errors] == [("3", "portfolio Growth")]
    assert of_the_day(night, "portfolio_performance", ROLLED_TO) == ["Growth", "Income"]
    assert night.rows(
        "select name from ops.risk_state join raw.portfolios using (portfolio_id) where performance_at is null"
    ) == [("Growth",)]
    night.execute("drop trigger refuse on analytics.portfolio_performance")
    assert night.run("analytics", trade_date=ROLLED_TO, portfolios=("Growth",)).status == "succeeded"
    assert difference(night, expected) == []


@pytest.mark.slow
@pytest.mark.parametrize("total_return", ["9999999999", "'NaN'", "-1"])
def test_absurd_returns_of_one_symbol_leave_the_others_results(night: Night, total_return: str):
    """Whatever arithmetic makes of them: numbers, nothing, or an exception."""
    of_bbb = "select * from analytics.symbol_volatility where symbol = 'BBB'"
    expected = night.rows(of_bbb)
    night.execute(f"update analytics.daily_returns set total_return = {total_return} where symbol = 'AAA'")
    run = night.run("analytics", trade_date=ROLLED_TO, force=True)
    assert {problem.scope for problem in run.errors} <= {"symbol AAA"}
    assert night.rows(of_bbb) == expected
    assert of_the_day(night, "portfolio_risk_metrics", ROLLED_TO) == ["Growth", "Income"]
