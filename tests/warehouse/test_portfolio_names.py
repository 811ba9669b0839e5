"""Portfolios by id, by name, and by names nearly right."""

from uuid import UUID

import pytest

from warehouse.errors import UserError
from warehouse.portfolio_names import find_portfolios

ONE, TWO, THREE = (UUID(int=number) for number in (1, 2, 3))
BOOKS = {(ONE, "Core Growth"): "core", (TWO, "income"): "small", (THREE, "Income"): "large"}


@pytest.mark.parametrize(
    ("handle", "found"),
    [
        ("Core Growth", "core"),
        ("core growth", "core"),
        (" CORE GROWTH ", "core"),
        (str(ONE), "core"),
        (str(TWO).upper(), "small"),
        ("Income", "large"),
        ("income", "small"),
    ],
)
def test_a_handle_is_an_id_a_name_or_a_name_in_other_letters(handle, found):
    assert find_portfolios([handle], BOOKS) == [found]


def test_what_fits_two_or_none_is_refused_with_what_there_is():
    with pytest.raises(UserError, match=r"--portfolio INCOME: that may be income, Income: write the name as it stands"):
        find_portfolios(["INCOME"], BOOKS, "--portfolio ")
    with pytest.raises(
        UserError,
        match=r"Cor Growht, xyz: no such portfolio; there are: Core Growth, Income, income; did you mean Core Growth\?",
    ):
        find_portfolios(["Cor Growht", "xyz"], BOOKS)
    many = {(UUID(int=number), f"Book {number:03}"): number for number in range(100)}
    with pytest.raises(UserError, match=r"Book 019 and 80 more$"):
        find_portfolios(["zzz"], many)
