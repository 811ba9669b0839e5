"""A starting equity that leaves out what is carried in is pointed at, with both figures."""

from datetime import date
from pathlib import Path

import pytest

from ingest.books.portfolios import load_folder
from nightly.record import RunRecord
from tests.nightly.small_nights import Night

ROLLING = ("1", "2", "2.5", "2.75")
POSITIONS = "portfolio,Symbol,Quantity,Entry Price Per Share,Entry Date\n"


@pytest.fixture
def book(tmp_path: Path) -> Path:
    """BBB closes at 119 before inception: 500 shares carried in at 60 are worth 59,500 and cost 30,000."""
    (tmp_path / "portfolios.csv").write_text(
        "name,starting_equity,inception_date\n"
        "Cash alone,1000,2024-01-02\nAt cost,30000,2024-01-02\nWhole,60500,2024-01-02\nBought,1000,2024-01-02\n"
    )
    (tmp_path / "positions.csv").write_text(
        POSITIONS
        + "".join(f"{name},BBB,500,60,2023-12-04\n" for name in ("Cash alone", "At cost", "Whole"))
        + "Bought,BBB,500,60,2024-01-02\n"
    )
    return tmp_path


def warnings(run: RunRecord) -> dict[str, str]:
    return {problem.scope: problem.message for problem in run.warnings if "starting equity" in problem.scope}


def test_cash_below_zero_at_inception_is_told_with_both_figures(unrolled: Night, book: Path):
    with unrolled.database.connect() as conn:
        load_folder(conn, book)
    run = unrolled.run(trade_date=date(2024, 1, 3), phases=ROLLING)
    told = warnings(run)
    assert list(told) == ["At cost, starting equity", "Cash alone, starting equity"]
    assert told["Cash alone, starting equity"] == (
        "1,000.00 is less than the 59,500.00 that the lots carried in are worth at the close before 2024-01-02, which"
        " leaves a cash of -58,500.00: it must include them, at market; if 1,000.00 is the cash alone, load 60,500.00"
    )
    assert run.status == "succeeded"
    assert not warnings(unrolled.run(trade_date=date(2024, 1, 4), phases=ROLLING))
