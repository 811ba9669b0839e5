import json

import pytest
from click.testing import CliRunner

from nightly.commands.actions import actions
from nightly.commands.load import load
from nightly.phases.roll_forward.events import find_unfollowed


@pytest.fixture
def run(database, monkeypatch):
    """Run `actions` with these arguments on the test's database."""
    monkeypatch.setenv("DATABASE_URL", database.url)

    def invoke(*arguments, command=actions):
        result = CliRunner().invoke(command, [str(argument) for argument in arguments])
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return invoke


def stored(conn):
    query = (
        "select symbol, ex_date::text, action_type, value::float8, source from raw.corporate_actions order by 1, 2, 3"
    )
    return conn.execute(query).fetchall()


def changes(conn):
    return conn.execute("select input, what, from_date::text from ops.input_changes order by change_id").fetchall()


@pytest.fixture
def told(conn):
    """What a source has told and was stored before there were claims."""
    conn.execute(
        "insert into raw.corporate_actions (symbol, ex_date, action_type, value, source) values"
        " ('XYZ', '2025-02-10', 'SPLIT', 1.5, 'yahoo'), ('XYZ', '2025-03-03', 'DIVIDEND', 0.5, 'yahoo')"
    )


def test_dismissed_restored_and_corrected(conn, run, told):
    run("dismiss", "xyz", "2025-02-10", "split", "--by", "anna", "--because", "announced, never executed")
    assert stored(conn) == [("XYZ", "2025-03-03", "DIVIDEND", 0.5, "yahoo")]
    assert changes(conn)[-1] == ("split", "withdrawn", "2025-02-10")
    assert "announced, never executed" in run("list", "XYZ").stdout
    run("restore", "XYZ", "2025-02-10", "SPLIT")
    assert stored(conn)[0] == ("XYZ", "2025-02-10", "SPLIT", 1.5, "yahoo")
    # on its true date, which replaces the source's
    run("add", "XYZ", "2025-02-11", "SPLIT", "1.5")
    assert stored(conn)[0] == ("XYZ", "2025-02-11", "SPLIT", 1.5, "person")
    listed = json.loads(run("list", "XYZ", "--json").stdout)
    assert [(row["ex_date"], row["source"], row["believed"]) for row in listed if row["action_type"] == "SPLIT"] == [
        ("2025-02-10", "yahoo", False),
        ("2025-02-11", "person", True),
    ]
    moves = "select old_ex_date::text, new_ex_date::text, reason from ops.action_restatements order by restatement_id"
    assert [(old, new) for old, new, _ in conn.execute(moves)] == [
        ("2025-02-10", None),
        ("2025-02-10", "2025-02-11"),
    ]


def test_what_nobody_tells_cannot_be_dismissed(run, told):
    with pytest.raises(Exception, match=r"no SPLIT of XYZ on 2025-02-11 is reported.*2025-02-10"):
        run("dismiss", "XYZ", "2025-02-11", "SPLIT")
    with pytest.raises(Exception, match="no person has said anything"):
        run("restore", "XYZ", "2025-02-10", "SPLIT")


@pytest.mark.parametrize(
    ("arguments", "wrong"),
    [
        (["SPLIT", "0"], "value"),
        (["SPLIT"], "value: is empty"),
        (["RENAME"], "new_symbol"),
        (["RENAME", "--new-symbol", "XYZ"], "new_symbol: XYZ is the symbol itself"),
        (["MERGER", "0.5"], "new_symbol"),
        (["SPINOFF", "0.5", "--new-symbol", "KID", "--cost-fraction", "1.5"], "cost_fraction"),
        (["DIVIDEND", "1", "--new-symbol", "KID"], "new_symbol: must be empty"),
    ],
)
def test_actions_that_make_no_sense_are_refused(run, arguments, wrong):
    with pytest.raises(Exception, match=wrong):
        run("add", "XYZ", "2025-02-10", *arguments)


def test_every_type_is_stored(conn, run):
    run("add", "OLD", "2025-02-03", "RENAME", "--new-symbol", "NEW")
    run("add", "TGT", "2025-02-03", "MERGER", "0.4", "--new-symbol", "ACQ", "--cash-per-share", "10.5")
    run("add", "ALL", "2025-02-03", "MERGER", "--cash-per-share", "25")
    run("add", "PAR", "2025-02-03", "SPINOFF", "0.25", "--new-symbol", "KID", "--cost-fraction", "0.2")
    run("add", "BAD", "2025-02-03", "DELISTING", "0")
    rows = conn.execute(
        "select symbol, action_type, value::float8, new_symbol, cash_per_share::float8, cost_fraction::float8"
        " from raw.corporate_actions order by symbol"
    ).fetchall()
    assert rows == [
        ("ALL", "MERGER", 0, None, 25, None),
        ("BAD", "DELISTING", 0, None, None, None),
        ("OLD", "RENAME", 1, "NEW", None, None),
        ("PAR", "SPINOFF", 0.25, "KID", None, 0.2),
        ("TGT", "MERGER", 0.4, "ACQ", 10.5, None),
    ]
    assert {what for what, *_ in changes(conn)} - {"session"} == {"rename", "merger", "spinoff", "delisting"}


def test_a_delisting_may_be_told_without_its_value(conn, run):
    pending = "select value_pending, value::float8 from raw.corporate_actions where symbol = 'BAD'"
    assert "BAD DELISTING without a value of 2025-02-03" in run("add", "BAD", "2025-02-03", "DELISTING").stdout
    assert conn.execute(pending).fetchall() == [(True, 0)]
    assert "not told yet" in run("list", "BAD").stdout
    assert json.loads(run("list", "BAD", "--json").stdout)[0]["value"] is None
    seen = len(changes(conn))
    assert (
        "the delisting without a value of 2025-02-03 is 0 now" in run("add", "BAD", "2025-02-03", "DELISTING", 0).stdout
    )
    assert conn.execute(pending).fetchall() == [(False, 0)]
    assert changes(conn)[seen:] == [("delisting", "restated", "2025-02-03")]
    run("dismiss", "BAD", "2025-02-03", "DELISTING")
    run("add", "BAD", "2025-02-03", "DELISTING")
    assert conn.execute(pending).fetchall() == [(True, 0)]
    run("restore", "BAD", "2025-02-03", "DELISTING")
    assert not conn.execute(pending).fetchall()


@pytest.fixture
def folder(tmp_path):
    def write(*rows, header="symbol,ex_date,action_type,value"):
        (tmp_path / "portfolios.csv").write_text("name,starting_equity,inception_date\nGrowth,1000000,2025-01-02\n")
        (tmp_path / "positions.csv").write_text(
            "portfolio,Symbol,Quantity,Entry Price Per Share,Entry Date\nGrowth,XYZ,100,129.41,2025-01-06\n"
        )
        (tmp_path / "corporate_actions.csv").write_text("\n".join([header, *rows]) + "\n")
        return tmp_path

    return write


def test_a_file_of_actions(conn, run, told, folder):
    first = run(
        folder("xyz,2025-02-11,SPLIT,1.5000", "XYZ,2025-03-03,DIVIDEND,0.55", "XYZ,2025-03-03,DIVIDEND,0.1"),
        command=load,
    )
    assert first.exit_code == 0, first.output
    assert stored(conn) == [
        ("XYZ", "2025-02-11", "SPLIT", 1.5, "person"),
        ("XYZ", "2025-03-03", "DIVIDEND", 0.65, "person"),
    ]
    before = conn.execute("select xmin::text, claim::text from raw.corporate_action_claims as claim").fetchall()
    again = run(
        folder("xyz,2025-02-11,SPLIT,1.5000", "XYZ,2025-03-03,DIVIDEND,0.55", "XYZ,2025-03-03,DIVIDEND,0.1"),
        command=load,
    )
    assert again.output.splitlines()[0].endswith("nothing has changed")
    assert conn.execute("select xmin::text, claim::text from raw.corporate_action_claims as claim").fetchall() == before
    # the next file replaces what this one said of the symbol
    run(folder("XYZ,2025-02-12,SPLIT,1.5"), command=load)
    assert stored(conn) == [
        ("XYZ", "2025-02-12", "SPLIT", 1.5, "person"),
        ("XYZ", "2025-03-03", "DIVIDEND", 0.5, "yahoo"),
    ]


def test_a_file_of_events(conn, run, folder):
    header = "symbol,ex_date,action_type,value,new_symbol,cash_per_share,cost_fraction"
    result = run(
        folder("XYZ,2025-02-11,RENAME,,ABC,,", "XYZ,2025-05-05,SPINOFF,0.5,KID,,0.25", header=header), command=load
    )
    assert result.exit_code == 0, result.output
    assert [row[:4] for row in stored(conn)] == [
        ("XYZ", "2025-02-11", "RENAME", 1),
        ("XYZ", "2025-05-05", "SPINOFF", 0.5),
    ]


def test_a_file_with_bad_rows_loads_nothing(conn, run, folder):
    result = run(
        folder("XYZ,2025-02-11,SPLIT,-2", "XYZ,2025-02-11,RENAME,", "XYZ,2025-04-01,SPLIT,2", "XYZ,2025-04-01,SPLIT,3"),
        command=load,
    )
    assert result.exit_code == 2
    assert result.stderr.splitlines()[:3] == [
        "corporate_actions.csv:2: value: must not be negative: -2: leave out the minus, or the row",
        "corporate_actions.csv:3: new_symbol: is empty, and RENAME needs it: name what shares become or get",
        "corporate_actions.csv:5: value: line 4 has another SPLIT of XYZ on 2025-04-01: keep one",
    ]
    assert stored(conn) == [] and conn.execute("select count(*) from raw.positions").fetchone() == (0,)


def test_how_far_options_follow_what_happens_to_their_underlying_is_said(conn, run):
    run("add", "OLD", "2025-02-03", "RENAME", "--new-symbol", "NEW")
    run("add", "OLD", "2025-03-03", "MERGER", "0.5", "--new-symbol", "ACQ")
    run("add", "OLD", "2025-09-01", "DELISTING", "0")
    conn.execute(
        "insert into raw.portfolios (portfolio_id, name, inception_date, starting_equity, source)"
        " values (gen_random_uuid(), 'book', '2025-01-02', 1000, 'test')"
    )
    conn.execute(
        "insert into raw.positions (position_id, portfolio_id, symbol, position_type, quantity, entry_price,"
        " entry_date, underlying_symbol, option_type, strike_price, expiration_date, investment_class, source)"
        " select gen_random_uuid(), portfolio_id, 'OLD250620C00010000', 'LC', 1, 1, '2025-01-06', 'OLD', 'CALL', 10,"
        " '2025-06-20', 'OPTIONS', 'test' from raw.portfolios"
    )
    renamed, merged = find_unfollowed(conn)
    assert {renamed.scope, merged.scope} == {"OLD"}
    assert renamed.message.startswith("options on it follow the RENAME of 2025-02-03, and settle by")
    assert merged.message.startswith("options on it are adjusted contracts since the MERGER of 2025-03-03")


def test_a_file_without_the_value_takes_none_back(conn, run, folder):
    told = "select value_pending, value::float8 from raw.corporate_actions where symbol = 'XYZ'"
    without = folder("XYZ,2025-02-11,DELISTING,")
    assert run(without, command=load).exit_code == 0
    assert conn.execute(told).fetchall() == [(True, 0)]
    run("add", "XYZ", "2025-02-11", "DELISTING", "1.25")
    run(without, command=load)
    assert conn.execute(told).fetchall() == [(False, 1.25)]
    run(folder("XYZ,2025-02-11,DELISTING,0"), command=load)
    assert conn.execute(told).fetchall() == [(False, 0)]
    run("restore", "XYZ", "2025-02-11", "DELISTING")
    run(folder("XYZ,2025-02-11,DELISTING,"), command=load)
    run(folder("XYZ,2025-02-11,DELISTING,0"), command=load)
    assert conn.execute(told).fetchall() == [(False, 0)]
