"""The panels that the numeric models are tried on."""

import pytest
from panels import ALL_SYMBOLS, MARKET_FOLDER, SOME_SYMBOLS, Panel, real_panel, synthetic_panel


@pytest.fixture(scope="session", params=["synthetic", *ALL_SYMBOLS, *SOME_SYMBOLS])
def panel(request: pytest.FixtureRequest) -> Panel:
    """Every panel in turn; the real ones only where the folder of market data is."""
    if request.param == "synthetic":
        return synthetic_panel()
    if not MARKET_FOLDER.is_dir():
        pytest.skip(f"real market data is not here: {MARKET_FOLDER}")
    return real_panel(request.param)


@pytest.fixture(scope="session")
def synthetic() -> Panel:
    return synthetic_panel()
