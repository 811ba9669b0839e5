"""How the benchmarks count: statements out of a server's log, rows out of its counters, spans out of moments."""

from pathlib import Path

from benchmarks.measure import Statement, Totals, read_statements, rows_between

LOG = """\
2024-06-24 10:00:00.500 UTC [11] dbt LOG:  statement: BEGIN
2024-06-24 10:00:01.250 UTC [11] dbt LOG:  statement: create table a as (
\t    select ';' as semicolon
\t);
\talter table a rename to b;
2024-06-24 10:00:01.300 UTC [12] run --date 2024-06-24 LOG:  execute <unnamed>: select $1
2024-06-24 10:00:01.300 UTC [12] run --date 2024-06-24 DETAIL:  Parameters: $1 = 'LOG:  statement: no'
2024-06-24 10:00:01.400 UTC [13] benchmarks LOG:  statement: select 1
2024-06-24 10:00:01.500 UTC [1]  LOG:  checkpoint starting: time
"""


def test_every_statement_of_a_message_counts_and_the_benchmarks_own_do_not(tmp_path: Path) -> None:
    log = tmp_path / "server.log"
    log.write_text("2024-06-24 09:00:00.000 UTC [10] dbt LOG:  statement: before\n")
    offset = log.stat().st_size
    with log.open("a") as file:
        file.write(LOG)
    noon = 1719223200.0
    assert read_statements(log, offset) == [
        Statement(noon + 0.5, "dbt", 1),
        Statement(noon + 1.25, "dbt", 2),
        Statement(noon + 1.3, "run --date 2024-06-24", 1),
    ]


def test_rows_of_a_table_made_anew_are_all_there_are() -> None:
    before = Totals(0, 0, {(1, "raw.kept"): 5, (2, "intermediate.made_anew"): 100, (3, "raw.untouched"): 7})
    after = Totals(0, 0, {(1, "raw.kept"): 8, (9, "intermediate.made_anew"): 40, (3, "raw.untouched"): 7})
    assert rows_between(before, after) == {"intermediate.made_anew": 40, "raw.kept": 3}
