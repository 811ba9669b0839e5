"""Financial Modeling Prep's `stable` API: the rows of an endpoint, and its many ways to refuse told apart."""

import re
from collections.abc import Mapping
from typing import Any

from pydantic import SecretStr

from ingest.providers.base import Outcome, Usage
from ingest.providers.http import PATIENT, JsonClient, Pace, Reply, SourceError, judge_status
from ingest.providers.limits import CircuitBreaker, Deadline, RateLimiter

_HIGHEST_VALUE = re.compile(r"values? for '(\w+)' must be between \d+ and (\d+)")
_GATED_VALUE = re.compile(r"value set for '(\w+)'")


class EndpointGateError(SourceError):
    """The plan does not include an endpoint, or there is none of that name."""


class ParameterGateError(SourceError):
    """The plan does not include a parameter's value; `highest` is the largest that it does, where the reply says so."""

    parameter: str = ""
    highest: int | None = None


class FmpClient:
    """FMP for one run. Share it between all that is asked of FMP: its limits are the key's."""

    def __init__(
        self, key: SecretStr, base_url: str, *, per_minute: float, deadline: Deadline, pace: Pace = PATIENT
    ) -> None:
        """Prepare, without a connection; the terms are those of `JsonClient`."""
        self.http = JsonClient(
            "FMP",
            base_url,
            key,
            header="apikey",
            limiter=RateLimiter(per_minute),
            deadline=deadline,
            # If FMP still refuses after a pause of one minute, the limit of the day is reached, not that of the minute.
            breaker=CircuitBreaker(threshold=2),
            judge=judge,
            pace=pace,
        )
        self._gated: dict[str, str] = {}
        self._highest: dict[str, int] = {}
        self._problems: list[str] = []

    @property
    def usage(self) -> Usage:
        """What it has cost."""
        return self.http.usage

    def rows(self, endpoint: str, params: Mapping[str, str | int]) -> list[dict[str, Any]]:
        """Return an endpoint's rows, numbers with a fraction as Decimal; none is no proof that there is no data.

        A value above what the plan allows is lowered to that and asked for once more; for the rest of the run it is
        lowered before asking.

        Raises:
            SourceError: there are none to be had, and why; `EndpointGateError` where no symbol gets any from this
                endpoint, which is then not asked again in this run.
        """
        if endpoint in self._gated:
            raise EndpointGateError(Outcome.NOT_ASKED, self._gated[endpoint])
        try:
            return self._rows(endpoint, params)
        except ParameterGateError as gate:
            if gate.highest is None or gate.parameter not in params:
                raise
            self._highest[gate.parameter] = gate.highest
        except EndpointGateError as gate:
            self._gated[endpoint] = f"{endpoint}: {gate.detail}"
            self._problems.append(f"not asked again in this run for {self._gated[endpoint]}")
            raise
        return self._rows(endpoint, params)

    def problems(self) -> list[str]:
        """Return what is wrong with the source as a whole, each thing once."""
        told, self._problems = self._problems, []
        return told + self.http.problems()

    def _rows(self, endpoint: str, params: Mapping[str, str | int]) -> list[dict[str, Any]]:
        lowered = {
            name: min(value, self._highest[name]) if name in self._highest and isinstance(value, int) else value
            for name, value in params.items()
        }
        rows = self.http.get(endpoint, lowered).body
        if not all(isinstance(row, dict) for row in rows):
            raise SourceError(Outcome.BAD_DATA, "its rows are not JSON objects")
        return rows


def judge(reply: Reply) -> SourceError | None:
    """Return what is wrong with a reply of FMP, None where it is a list of rows.

    Status and text decide; the content type says JSON for plain text too. A quota that is used up comes with status
    429, or with 200 and an object where a list is due.
    """
    status, text = reply.status, reply.text
    if status == 200 and isinstance(reply.body, list):
        return None
    if "Bandwidth Limit Reach" in text:
        return SourceError(Outcome.RATE_LIMITED, "the plan's bandwidth is used up", stop=True)
    if status == 429 or (status == 200 and "Limit Reach" in text):
        return SourceError(Outcome.RATE_LIMITED, "the plan's requests are used up", again=True)
    if status == 401 or (status == 200 and "Invalid API KEY" in text):
        return SourceError(Outcome.REFUSED, "the key is not valid (FMP_API_KEY)", stop=True)
    if status == 402:
        return _gate(reply)
    if status == 403 and "Legacy Endpoint" in text:
        detail = "the address is of FMP's closed API: AFTERCLOSE_FMP_URL has to end in /stable"
        return SourceError(Outcome.REFUSED, detail, stop=True)
    if status == 403:
        return SourceError(Outcome.REFUSED, f"the key is restricted: {reply.summary}", stop=True)
    if status == 404:
        return EndpointGateError(Outcome.REFUSED, "there is no such endpoint (AFTERCLOSE_FMP_URL)")
    if status == 200 and reply.body is not None:
        return SourceError(Outcome.BAD_DATA, f"no list of rows: {reply.summary}")
    return judge_status(reply)


def _gate(reply: Reply) -> SourceError:
    """Tell the plan's refusals apart: of a symbol, of a parameter's value, of a whole endpoint."""
    if "Restricted Endpoint" in reply.text or "Exclusive Endpoint" in reply.text:
        return EndpointGateError(Outcome.REFUSED, "the plan does not include this endpoint")
    highest, value = _HIGHEST_VALUE.search(reply.text), _GATED_VALUE.search(reply.text)
    if value and value[1] in ("symbol", "symbols"):
        return SourceError(Outcome.REFUSED, "the plan does not include this symbol")
    if highest or value:
        found = highest or value
        gate = ParameterGateError(Outcome.REFUSED, f"the plan does not include this value of {found[1]}")
        gate.parameter, gate.highest = found[1], int(highest[2]) if highest else None
        return gate
    return SourceError(Outcome.REFUSED, reply.summary)
