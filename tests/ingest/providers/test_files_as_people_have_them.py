"""Folders and files that are nearly right: what is wrong with them is said."""

from datetime import date
from pathlib import Path

import pytest

from ingest.providers.base import Outcome, Want
from ingest.providers.files import FilesProvider

WANT = Want("AAA", date(2024, 1, 1), date(2024, 1, 31))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "symbol;date;close\nAAA;2024-01-05;100,5\n",
            "prices.csv: its columns are separated by semicolons: save it as",
        ),
        ("symbol\tdate\tclose\nAAA\t2024-01-05\t100.5\n", "prices.csv: its columns are separated by tabs: save it as"),
        (
            'symbol,date,close\nAAA,2024-01-05,"100,5"\n',
            "prices.csv:2: close: '100,5' is not a number: write decimals with a point",
        ),
        ("symbol,date,close\nAAA,05.01.2024,100.5\n", "prices.csv:2: date: '05.01.2024' is not a date (YYYY-MM-DD)"),
        ("symbol,date\nAAA,2024-01-05\n", "prices.csv: no column close (it has: symbol, date)"),
    ],
)
def test_a_file_written_another_way_is_refused_with_what_to_do(tmp_path: Path, text, said):
    (tmp_path / "prices.csv").write_text(text)
    provider = FilesProvider(tmp_path)
    answer = provider.probe()
    assert answer.outcome == Outcome.BAD_DATA
    assert answer.detail.startswith(said)
    reply = provider.fetch_prices([WANT])
    assert reply.bars == []
    assert reply.answers["AAA"].outcome == Outcome.BAD_DATA


def test_a_folder_without_any_of_the_files_says_what_it_has(tmp_path: Path):
    (tmp_path / "Prices 2024.xlsx").write_text("")
    answer = FilesProvider(tmp_path).probe()
    assert answer.outcome == Outcome.BAD_DATA
    assert answer.detail == "there is no prices.csv, actions.csv or profiles.csv; it has Prices 2024.xlsx"


def test_a_sound_folder_is_well_and_says_how_far_it_reaches(tmp_path: Path):
    (tmp_path / "prices.csv").write_text("symbol,date,close\nAAA,2024-01-05,100\nBBB,2024-02-01,1\nBBB,soon,1\n")
    provider = FilesProvider(tmp_path)
    assert provider.probe().outcome == Outcome.OK
    assert provider.last_day() == date(2024, 2, 1)
    assert FilesProvider(tmp_path / "none").last_day() is None
