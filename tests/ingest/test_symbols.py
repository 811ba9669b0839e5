from datetime import date
from decimal import Decimal

import pytest

from ingest.symbols import (
    OptionContract,
    canonical_symbol,
    format_option_symbol,
    parse_option_symbol,
    with_dashed_class,
)

APPLE_CALL = OptionContract("AAPL", "CALL", Decimal(200), date(2025, 6, 20))


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("AAPL", "AAPL"),
        (" aapl ", "AAPL"),
        ("BRK.B", "BRK.B"),
        ("BRK-B", "BRK.B"),
        ("brk/b", "BRK.B"),
        ("BAC-PL", "BAC-PL"),
        ("3M", "3M"),
        ("S01", "S01"),
        ("^GSPC", "^GSPC"),
        ("AAPL250620C00200000", "AAPL250620C00200000"),
        ("O:AAPL250620C00200000", "AAPL250620C00200000"),
        ("o:aapl250620c00200000", "AAPL250620C00200000"),
        ("AAPL  250620C00200000", "AAPL250620C00200000"),
        ("AAPL1250620C00200000", "AAPL1250620C00200000"),
    ],
)
def test_canonical_symbol(written, canonical):
    assert canonical_symbol(written) == canonical
    assert canonical_symbol(canonical) == canonical


@pytest.mark.parametrize(
    "written", ["", "BRK B", "A,B", "'; drop table", "=A1+1", "ÄÖ", "A" * 33, "AAPL251320C00200000"]
)
def test_no_symbol(written):
    with pytest.raises(ValueError, match=r"symbol"):
        canonical_symbol(written)


@pytest.mark.parametrize(
    ("symbol", "contract"),
    [
        ("AAPL250620C00200000", APPLE_CALL),
        ("O:AAPL250620C00200000", APPLE_CALL),
        ("F230120P00012500", OptionContract("F", "PUT", Decimal("12.5"), date(2023, 1, 20))),
        ("AAPL1250620C00200000", OptionContract("AAPL1", "CALL", Decimal(200), date(2025, 6, 20))),
        ("BRKB240119C00350000", OptionContract("BRK.B", "CALL", Decimal(350), date(2024, 1, 19))),
        ("SPXW240119P04500000", OptionContract("SPX", "PUT", Decimal(4500), date(2024, 1, 19))),
        ("AAPL", None),
        ("AAPL250620X00200000", None),
    ],
)
def test_parse_option_symbol(symbol, contract):
    assert parse_option_symbol(symbol) == contract


@pytest.mark.parametrize(
    ("symbol", "reason"), [("A250230C00200000", "250230 is no date"), ("A250220C00000000", "strike is zero")]
)
def test_an_impossible_option_symbol(symbol, reason):
    with pytest.raises(ValueError, match=reason):
        parse_option_symbol(symbol)


def test_format_option_symbol():
    assert format_option_symbol(APPLE_CALL) == "AAPL250620C00200000"
    assert (
        format_option_symbol(OptionContract("BRK.B", "PUT", Decimal("352.5"), date(2024, 1, 19)))
        == "BRKB240119P00352500"
    )


@pytest.mark.parametrize(
    ("contract", "reason"),
    [
        (OptionContract("ABCDEFG", "CALL", Decimal(1), date(2025, 6, 20)), "6 characters"),
        (OptionContract("A", "CALL", Decimal("1.0005"), date(2025, 6, 20)), "strike of 1.0005"),
        (OptionContract("A", "CALL", Decimal(100_000), date(2025, 6, 20)), "strike of 100000"),
        (OptionContract("A", "CALL", Decimal(1), date(2100, 6, 20)), "expiration of 2100"),
    ],
)
def test_a_contract_without_an_option_symbol(contract, reason):
    with pytest.raises(ValueError, match=reason):
        format_option_symbol(contract)


def test_a_dash_before_the_class_of_a_share_and_nowhere_else():
    symbols = ("BRK.B", "BF.A", "VOD.L", "AAPL", "BRK.D", "^GSPC")
    assert [with_dashed_class(symbol) for symbol in symbols] == ["BRK-B", "BF-A", *symbols[2:]]
    assert [canonical_symbol(with_dashed_class(symbol)) for symbol in symbols] == list(symbols)
