import pytest
from click.testing import CliRunner

from nightly.commands.load import load
from warehouse.errors import Busy, UserError
from warehouse.locks import run_lock

POSITIONS = "Symbol,Quantity,Entry Price Per Share,Entry Date\nAAPL,100,$129.41,2021-01-04\n"


@pytest.fixture
def run(database, monkeypatch):
    """Run `load` with these arguments on the test's database."""
    monkeypatch.setenv("DATABASE_URL", database.url)
    return lambda *arguments: CliRunner().invoke(load, [str(argument) for argument in arguments])


@pytest.fixture
def book(tmp_path):
    folder = tmp_path / "my book"
    folder.mkdir()
    (folder / "portfolios.csv").write_text("name,starting_equity,inception_date\nGrowth,1000000,2021-01-04\n")
    (folder / "positions.csv").write_text("portfolio," + POSITIONS.replace("AAPL", "Growth,AAPL"))
    return folder


@pytest.fixture
def export(tmp_path):
    file = tmp_path / "export.csv"
    file.write_text(POSITIONS)
    return file


def test_a_folder(run, conn, book):
    first, second = run(book), run(book)
    assert (first.exit_code, first.stdout.splitlines()[0]) == (0, f"{book}: loaded")
    assert (second.exit_code, second.stdout.splitlines()[0]) == (0, f"{book}: nothing has changed")
    assert conn.execute("select symbol from raw.positions").fetchall() == [("AAPL",)]


@pytest.mark.parametrize("name", ["folder", "DIR"])
def test_a_folder_of_any_name(run, book, monkeypatch, name):
    monkeypatch.chdir(book.rename(book.with_name(name)).parent)
    assert run(name).exit_code == 0


def test_a_folder_named_like_the_command(run, book, monkeypatch):
    monkeypatch.chdir(book.rename(book.with_name("positions")).parent)
    assert run("./positions").exit_code == 0


def test_a_folder_that_is_refused(run, conn, book):
    (book / "positions.csv").write_text(f"portfolio,{POSITIONS}Growth,AAPL,1OO,1,tomorrow\n")
    (book / "capital_flows.csv").write_text("portfolio,date,type,amount\nGrowth,2021-01-05,GIFT,1\n")
    result = run(book)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.splitlines() == [
        "positions.csv:2: row: has 4 cells where the header has 5: each column needs its cell, empty or not",
        "positions.csv:3: Quantity: '1OO' is not a number: write it like 1234.50",
        "positions.csv:3: Entry Date: 'tomorrow' is not a date written YYYY-MM-DD",
        "capital_flows.csv:2: type: 'GIFT' is not one of CONTRIBUTION, WITHDRAWAL",
        "nothing was loaded: 4 problems in capital_flows.csv, positions.csv",
    ]
    assert conn.execute("select count(*) from raw.portfolios").fetchone() == (0,)


def test_a_position_file(run, conn, export):
    result = run("positions", export, "--portfolio", "Mine", "--equity", "$250,000.00")
    assert result.exit_code == 0
    assert conn.execute("select name, starting_equity::int, inception_date::text from raw.portfolios").fetchall() == [
        ("Mine", 250_000, "2021-01-04")
    ]


def test_a_position_file_with_an_inception(run, conn, export):
    result = run("positions", export, "--portfolio", "Mine", "--equity", "0", "--inception", "2022-01-03")
    assert result.exit_code == 0
    assert conn.execute("select inception_date::text from raw.portfolios").fetchall() == [("2022-01-03",)]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--equity", "1"], "Missing option '--portfolio'"),
        (["--portfolio", "Mine"], "Missing option '--equity'"),
        (["--portfolio", " ", "--equity", "1"], "Invalid value for '--portfolio': is empty"),
        (["--portfolio", "Mine", "--equity", "nan"], "Invalid value for '--equity': 'nan' is not a number"),
        (
            ["--portfolio", "Mine", "--equity=-1"],
            "Invalid value for '--equity': must not be negative: -1: leave out the minus",
        ),
        (
            ["--portfolio", "Mine", "--equity", "1", "--inception", "4 Jan"],
            "Invalid value for '--inception': '4 Jan' is not a date written YYYY-MM-DD",
        ),
    ],
)
def test_options_that_are_refused(export, arguments, said):
    result = CliRunner().invoke(load, ["positions", str(export), *arguments])
    assert result.exit_code == 2
    assert said in result.stderr


def test_a_position_file_that_is_not_there(run, tmp_path):
    result = run("positions", tmp_path / "no.csv", "--portfolio", "Mine", "--equity", "1")
    assert result.exit_code == 2
    assert result.stderr.splitlines()[0] == "no.csv:1: file: cannot be read: No such file or directory"


def test_no_folder(run, tmp_path):
    with pytest.raises(UserError, match="there is no folder"):
        raise run(tmp_path / "nowhere").exception


def test_one_run_at_a_time(run, conn, book):
    with run_lock(conn, "run 7"), pytest.raises(Busy, match="run 7"):
        raise run(book).exception


def test_the_help_names_every_file_and_column():
    from ingest.books.files import CLOSE_COLUMNS, FILES, FLOW_COLUMNS, MARK_COLUMNS, PORTFOLIO_COLUMNS, TAG_COLUMNS
    from ingest.books.lots import POSITION_COLUMNS

    said = CliRunner().invoke(load, ["--help"]).stdout
    columns = (*POSITION_COLUMNS, *PORTFOLIO_COLUMNS, *CLOSE_COLUMNS, *FLOW_COLUMNS, *MARK_COLUMNS, *TAG_COLUMNS)
    assert [name for name in (*FILES, *(column.name for column in columns)) if name not in said] == []
