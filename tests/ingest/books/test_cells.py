from datetime import date
from decimal import Decimal

import pytest

from ingest.books.cells import (
    one_of,
    parse_currency,
    parse_date,
    parse_non_negative,
    parse_non_zero,
    parse_number,
    parse_positive,
    parse_prose,
    parse_text,
    plain,
)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0", "0"),
        ("100", "100"),
        ("-100", "-100"),
        ("+100", "100"),
        ("12.50", "12.5"),
        (".5", "0.5"),
        ("5.", "5"),
        ("$1,234.50", "1234.5"),
        ("-$1,234.50", "-1234.5"),
        ("$-5", "-5"),
        ("(1,234.50)", "-1234.5"),
        ("($1,234.50)", "-1234.5"),
        ("$(1,234.50)", "-1234.5"),
        ("$ ( 1,234.50 )", "-1234.5"),
        ("1,000,000", "1000000"),
        ("1e3", "1000"),
        ("1.5E-05", "0.000015"),
        ("0.0000000001", "0.0000000001"),
        ("1.00000000000000000", "1"),
        ("999999999999999.9999999999", "999999999999999.9999999999"),
        ("0000000000000000000007", "7"),
    ],
)
def test_a_number(text, number):
    assert parse_number(text) == Decimal(number)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "not a number"),
        ("abc", "not a number"),
        ("1OO", "not a number"),
        ("NaN", "not a number"),
        ("inf", "not a number"),
        ("-Infinity", "not a number"),
        ("1,23", "not a number"),
        ("1,2345", "not a number"),
        ("12,34,567", "not a number"),
        ("1.234,50", "not a number"),
        ("1 234", "not a number"),
        ("1.2.3", "not a number"),
        ("$", "not a number"),
        ("$$5", "not a number"),
        ("-$ $5", "not a number"),
        ("5 USD", "not a number"),
        ("5%", "not a number"),
        ("1_000", "not a number"),
        ("٣", "not a number"),
        ("−5", "not a number"),
        ("--5", "not a number"),
        ("5-", "not a number"),
        ("(5", "one minus, or one pair of parentheses"),
        ("5)", "one minus, or one pair of parentheses"),
        ("(-5)", "one minus, or one pair of parentheses"),
        ("-(5)", "one minus, or one pair of parentheses"),
        ("-$-5", "one minus, or one pair of parentheses"),
        ("0.00000000001", "more than 10 decimals"),
        ("0.30000000000000004", "more than 10 decimals"),
        ("1e-400", "more than 10 decimals"),
        ("1000000000000000", "below 10^15"),
        ("-1000000000000000", "below 10^15"),
        ("999999999999999999.99999999999", "below 10^15"),
        ("1e400", "below 10^15"),
        ("9" * 5000, "below 10^15"),
    ],
)
def test_no_number(text, reason):
    with pytest.raises(ValueError) as refusal:
        parse_number(text)
    assert reason in str(refusal.value)
    assert len(str(refusal.value)) < 150


@pytest.mark.parametrize(
    ("parse", "good", "bad"),
    [
        (parse_non_zero, ["1", "-1"], ["0", "-0", "0.00"]),
        (parse_positive, ["0.01"], ["0", "-1", "(5)"]),
        (parse_non_negative, ["0", "1"], ["-0.01", "($1.00)"]),
    ],
)
def test_the_range_of_a_number(parse, good, bad):
    assert [parse(text) for text in good] == [Decimal(text) for text in good]
    for text in bad:
        with pytest.raises(ValueError, match="must"):
            parse(text)


@pytest.mark.parametrize(
    ("number", "spelling"), [("1500", "1500"), ("1.5E+3", "1500"), ("0.50", "0.5"), ("1E-10", "0.0000000001")]
)
def test_equal_numbers_have_one_spelling(number, spelling):
    assert plain(Decimal(number)) == spelling


def test_a_date():
    assert parse_date("2024-02-29") == date(2024, 2, 29)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("01/02/2024", "not a date written YYYY-MM-DD"),
        ("2024-1-2", "not a date written YYYY-MM-DD"),
        ("20240102", "not a date written YYYY-MM-DD"),
        ("2024-W01-1", "not a date written YYYY-MM-DD"),
        ("2024-01-02 00:00:00", "not a date written YYYY-MM-DD"),
        ("٢٠٢٤-01-02", "not a date written YYYY-MM-DD"),
        ("2023-02-29", "not a day of the calendar"),
        ("2024-13-01", "not a day of the calendar"),
        ("0202-01-02", "outside 1900 to 2099"),
        ("2204-01-02", "outside 1900 to 2099"),
    ],
)
def test_no_date(text, reason):
    with pytest.raises(ValueError, match=reason):
        parse_date(text)


@pytest.mark.parametrize(
    "text", ["=1+1", "'; drop table raw.positions; --", '6" pipe', "Ünïcode ☂", "#1", "a\\b", "-@+"]
)
def test_text_is_only_text(text):
    assert parse_text(text) == text


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("Cafe\u0301", "Caf\u00e9"),
        ("Caf\u00e9", "Caf\u00e9"),
        ("Growth\u00a0Fund", "Growth Fund"),
        ("\u540d\u524d\u3000\U0001f600", "\u540d\u524d \U0001f600"),
        ("\u212b", "\u00c5"),  # the letter is the sign of the unit
    ],
)
def test_names_that_look_the_same_are_the_same(text, read):
    assert parse_text(text) == read


@pytest.mark.parametrize(
    "invisible", ["\u200b", "\u200d", "\u202e", "\u2066", "\ufeff", "\u00ad", "\u3164", "\ufe0f", "\U000e0041"]
)
def test_a_character_that_nobody_sees_is_refused_and_named(invisible):
    with pytest.raises(ValueError, match=rf"invisible character \(U\+{ord(invisible):04X}, the 4th\): remove it"):
        parse_text(f"Gro{invisible}wth")


def test_text_has_a_length():
    assert parse_text("S" * 200) == "S" * 200
    with pytest.raises(ValueError, match=r"'S{57}\.\.\.' is longer than 200 characters"):
        parse_text("S" * 5000)
    assert parse_prose("S" * 2000) == "S" * 2000


@pytest.mark.parametrize("text", ["a\x00b", "a\tb", "a\x1fb", "a\u2028b", "\x7f"])
def test_text_without_control_characters(text):
    with pytest.raises(ValueError, match="control character"):
        parse_text(text)


def test_a_word_out_of_some():
    assert one_of("CALL", "PUT")("call") == "CALL"
    with pytest.raises(ValueError, match=r"'C' is not one of CALL, PUT"):
        one_of("CALL", "PUT")("C")


def test_only_dollars():
    assert parse_currency("usd") == "USD"
    with pytest.raises(ValueError, match=r"'EUR': only portfolios in USD can be loaded"):
        parse_currency("EUR")
