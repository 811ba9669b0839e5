"""The panels that the numeric models are tried on."""

import pytest

from tests.python_models.panels import ALL_SYMBOLS, MARKET_FOLDER, SOME_SYMBOLS, Panel, real_panel, synthetic_panel

WIDEST = [pytest.param((date, True), marks=pytest.mark.slow, id=f"{date}-all") for date in SOME_SYMBOLS]


@pytest.fixture(
    scope="session",
    params=["synthetic", *((date, True) for date in ALL_SYMBOLS), *((date, False) for date in SOME_SYMBOLS), *WIDEST],
    ids=lambda param: param if isinstance(param, str) else param[0],
)
def panel(request: pytest.FixtureRequest) -> Panel:
    """Every panel in turn; the real ones only where the folder of market data is."""
    if request.param == "synthetic":
        return synthetic_panel()
    if not MARKET_FOLDER.is_dir():
        pytest.skip(f"real market data is not here: {MARKET_FOLDER}")
    date, has_all_symbols = request.param
    return real_panel(date, has_all_symbols)


@pytest.fixture(scope="session")
def synthetic() -> Panel:
    return synthetic_panel()
