from decimal import Decimal

import pytest

from ingest.books.cells import parse_number, parse_text
from ingest.books.csv_files import Column, read_csv

COLUMNS = (
    Column("name", parse_text),
    Column("Entry Price", parse_number),
    Column("note", parse_text, required=False, optional=True, default="-"),
)


def read(tmp_path, content: str | bytes):
    path = tmp_path / "some.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_csv(path, "some.csv", COLUMNS)


def problems(tmp_path, content: str | bytes) -> list[str]:
    return [str(problem) for problem in read(tmp_path, content).problems]


ONE_ROW = {"name": "A", "Entry Price": Decimal(5), "note": "-"}


@pytest.mark.parametrize(
    "content",
    [
        "name,Entry Price\nA,5\n",
        "name,Entry Price\nA,5",
        "Entry Price,name\n5,A\n",
        "NAME, entry_price \n A , 5 \n",
        "name,Entry Price,note\nA,5,\n",
        "name,Entry Price\r\nA,5\r\n",
        "name,Entry Price\rA,5\r",
        "\ufeffname,Entry Price\nA,5\n",
        "\ufeff# written by hand\nname,Entry Price\nA,5\n",
        '# "a quote in a comment\n\nname,Entry Price\n#A,6\n\nA,5\n,\n   \n',
        '"name","Entry Price"\n"A","5"\n',
        'name,Entry Price\nA, "5"\n',
    ],
)
def test_one_row_written_in_many_ways(tmp_path, content):
    file = read(tmp_path, content)
    assert (file.problems, [row.cells for row in file.rows]) == ([], [ONE_ROW])
    assert file.complete_header


def test_a_sign_that_does_not_start_its_line_is_no_comment(tmp_path):
    file = read(tmp_path, 'name,Entry Price\n"#1",5\n #2,6\n')
    assert [row.cells["name"] for row in file.rows] == ["#1", "#2"]


def test_quotes_and_commas_in_a_cell(tmp_path):
    file = read(tmp_path, 'name,Entry Price\n"6"" pipe, long","1,234.50"\n')
    assert file.rows[0].cells == {"name": '6" pipe, long', "Entry Price": Decimal("1234.5"), "note": "-"}


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("", ["some.csv:1: header: the file is empty: its first line must name the columns name, Entry Price, note"]),
        (
            "\n\n# nothing\n",
            ["some.csv:1: header: the file is empty: its first line must name the columns name, Entry Price, note"],
        ),
        (
            "A,5\n",
            ["some.csv:1: header: the first line must name the columns, separated by commas: name, Entry Price, note"],
        ),
        ("name;Entry Price\nA;five\n", ["some.csv:2: Entry Price: 'five' is not a number: write it like 1234.50"]),
        ("# x\nname\nA\n", ["some.csv:2: Entry Price: the column is missing: add it to the header and to each row"]),
        (
            "name,Entry Prise,Entry Price,color\nA,5,5,red\n",
            [
                "some.csv:1: Entry Prise: is not a column of this file: did you mean Entry Price?",
                "some.csv:1: color: is not a column of this file: remove it, or give it the name of one",
            ],
        ),
        ("name,Entry Price,\nA,5,\n", ["some.csv:1: header: column 3 has no name: name it, or remove it"]),
        ("name,Entry Price,Name\nA,5,B\n", ["some.csv:1: name: stands twice in the header: keep one"]),
        (
            "name,Entry Price\nA\nA,1,234\nA,5,\n",
            [
                "some.csv:2: row: has 1 cells where the header has 2: each column needs its cell, empty or not",
                "some.csv:3: row: has 3 cells where the header has 2: a cell with a comma in it needs quotes",
                "some.csv:4: row: has 3 cells where the header has 2: a cell with a comma in it needs quotes",
            ],
        ),
        (
            'name,Entry Price\n"A,5\nB,x\n',
            [
                "some.csv:2: row: cannot be split into cells (unexpected end of data):"
                " close each quote, double inner ones",
                "some.csv:3: Entry Price: 'x' is not a number: write it like 1234.50",
            ],
        ),
        (
            "name,Entry Price\n,\nA,\n,5\n",
            [
                "some.csv:3: Entry Price: is empty: fill it in, or leave the row out",
                "some.csv:4: name: is empty: fill it in, or leave the row out",
            ],
        ),
        (
            b"name,Entry Price\nA,5\nB\xe9,6\n",
            ["some.csv:3: encoding: byte 0xe9 is not UTF-8: save the file as UTF-8"],
        ),
        (
            "name,Entry Price\n".encode("utf-16"),
            ["some.csv:1: encoding: byte 0xff is not UTF-8: save the file as UTF-8"],
        ),
        (
            "name,Entry Price\nA\x00,5\n",
            ["some.csv:2: name: 'A\\x00' holds a line break or another control character: remove it"],
        ),
    ],
)
def test_what_is_wrong_is_said_with_its_place(tmp_path, content, expected):
    assert problems(tmp_path, content) == expected


def test_a_cell_of_any_length(tmp_path):
    [problem] = problems(tmp_path, f"name,Entry Price\nA,{'9' * 200_000}\n")
    assert problem.startswith("some.csv:2: ") and len(problem) < 200


def test_a_file_that_cannot_be_read(tmp_path):
    assert [str(each) for each in read_csv(tmp_path / "no.csv", "no.csv", COLUMNS).problems] == [
        "no.csv:1: file: cannot be read: No such file or directory"
    ]
    assert "Is a directory" in str(read_csv(tmp_path, "folder.csv", COLUMNS).problems[0])


def test_an_incomplete_header_is_known(tmp_path):
    assert not read(tmp_path, "name\nA\n").complete_header
    assert not read(tmp_path, "").complete_header
