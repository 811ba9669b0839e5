"""What Yahoo says a fund holds, by sector: its module `topHoldings`.

Its sector weights are shares of the fund's stocks and add up to 1, also where stocks are a part of the fund alone:
`stockPosition` is that part. (A fund of 60 % stocks with a weight of 0.25 in technology holds 15 % technology.)
"""

import math
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from ingest.providers.http import one_line
from ingest.providers.json_values import as_amount
from ingest.rows import SectorWeight

# Yahoo writes a sector's name in lower case with underscores, and this one without.
_NAMES = {"realestate": "real estate"}


def read_sectors(symbol: str, holdings: Mapping[str, Any]) -> list[SectorWeight]:
    """Return the sectors of a fund as shares of the whole fund, at 6 decimals; those with nothing are left out.

    Where Yahoo does not say what part stocks are, they are taken for all of it.
    """
    told = _plain(holdings.get("stockPosition"))
    stocks = float(told) if _is_number(told) else 1.0
    weights = []
    for entry in holdings.get("sectorWeightings") or ():
        for name, value in entry.items():
            share = _plain(value)
            if _is_number(share) and (weight := as_amount(float(share) * stocks)):
                sector = one_line(_NAMES.get(name) or name.replace("_", " ")).title()
                weights.append(SectorWeight(symbol, sector, weight))
    return weights


def _plain(value: Any) -> Any:
    """Return the figure of {"raw": figure, "fmt": text}, which is how some answers write one."""
    return value.get("raw") if isinstance(value, Mapping) else value


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | Decimal) and not isinstance(value, bool) and math.isfinite(value)
