import json
import logging
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from pydantic import SecretStr

from ingest.providers.base import Answer, Outcome, PriceReply, Usage, Want
from ingest.providers.fmp import FmpProvider
from ingest.providers.fmp_client import EndpointGateError, FmpClient
from ingest.providers.http import Pace, SourceError
from ingest.providers.limits import Deadline
from ingest.rows import DIVIDEND, RENAME, SPLIT, CorporateAction, PriceBar, Profile, SectorWeight
from ingest.symbols import canonical_symbol
from tests.fakes.fmp import KEY, FakeFmp
from tests.fakes.market import Bar, Listing, random_walk, weekdays
from tests.fakes.net import SAMPLES, FakeNet, Reply, sample

TODAY = date(2026, 11, 23)
DAYS = weekdays(date(2026, 11, 2), 15)
EX_DIVIDEND, EX_SPLIT = date(2026, 11, 5), date(2026, 11, 10)
NOVEMBER = Want("AAPL", DAYS[0], DAYS[-1])
PRICES = "non-split-adjusted"
HASTY = Pace(backoff_seconds=0.001, limited_seconds=0.001)


@pytest.fixture(autouse=True)
def every_word_is_logged(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    caplog.set_level(logging.DEBUG)
    yield
    assert KEY not in caplog.text


@pytest.fixture
def apple(fmp: FakeFmp) -> Listing:
    """A listing with a dividend of 0.26 and, three sessions later, a split of 4 for 1."""
    bars = random_walk(DAYS)
    for day in DAYS:
        if day < EX_SPLIT:
            bars[day] = bars[day].restated(4.0)
    return fmp.add(Listing("AAPL", bars, splits={EX_SPLIT: (4, 1)}, dividends={EX_DIVIDEND: 0.26}))


def client_of(key: str = KEY, base: str = "https://financialmodelingprep.com/stable", seconds: float = 20) -> FmpClient:
    return FmpClient(SecretStr(key), base, per_minute=1e6, deadline=Deadline.after(seconds), pace=HASTY)


def provider_of(**options: Any) -> FmpProvider:
    return FmpProvider(client_of(**options), TODAY)


def said(reply: PriceReply) -> PriceReply:
    """Return the reply, which has the key in none of its parts."""
    assert KEY not in repr(reply)
    return reply


def as_bar(symbol: str, day: date, bar: Bar) -> PriceBar:
    return PriceBar(symbol, day, *(Decimal(repr(round(price, 6))) for price in bar[:4]), bar.volume)


def test_bars_are_as_traded_and_actions_in_shares_of_their_day(net: FakeNet, apple: Listing) -> None:
    provider = provider_of()
    reply = said(provider.fetch_prices([NOVEMBER]))
    assert sorted(reply.bars) == [as_bar("AAPL", day, apple.bars[day]) for day in DAYS]
    assert sorted(reply.actions) == [
        CorporateAction("AAPL", EX_DIVIDEND, DIVIDEND, Decimal("0.26")),
        CorporateAction("AAPL", EX_SPLIT, SPLIT, Decimal(4)),
    ]
    assert reply.answers == {"AAPL": Answer(Outcome.OK)}
    assert (reply.rejected, reply.problems) == ([], [])
    assert provider.usage == Usage(requests=3)
    assert all("apikey" not in request.query and request.headers["apikey"] == KEY for request in net.log)


def test_nothing_outside_of_the_range_is_returned(apple: Listing) -> None:
    reply = provider_of().fetch_prices([Want("AAPL", DAYS[4], DAYS[5])])
    assert sorted(bar.price_date for bar in reply.bars) == DAYS[4:6]
    assert reply.actions == []


def test_the_measured_replies_are_read_as_they_are_meant(net: FakeNet, fmp: FakeFmp) -> None:
    net.fault(PRICES, reply=sample("fmp_eod_non_split_adjusted.200.json"))
    net.fault("splits", reply=sample("fmp_splits.200.json"))
    net.fault("dividends", reply=sample("fmp_dividends.200.json"))
    reply = provider_of().fetch_prices([Want("AAPL", date(1990, 1, 1), date(2026, 11, 20))])
    closes = {bar.price_date: (bar.close, bar.volume) for bar in reply.bars}
    assert closes[date(2020, 8, 28)] == (Decimal("499.24"), 46907500)
    assert closes[date(2020, 8, 31)] == (Decimal("129.04"), 225702700)
    assert {(action.ex_date, action.value) for action in reply.actions} == {
        (date(2020, 8, 31), Decimal(4)),
        (date(2014, 6, 9), Decimal(7)),
        (date(2026, 8, 10), Decimal("0.27")),
        (date(1995, 11, 21), Decimal("0.12")),
    }


def test_the_measured_series_agree_on_what_as_traded_means() -> None:
    """499.24 / 4 = 124.81, the split-adjusted close of the day before the split; after it they are the same."""
    traded, full = (
        {row["date"]: row.get("adjClose", row.get("close")) for row in json.loads((SAMPLES / name).read_text())}
        for name in ("fmp_eod_non_split_adjusted.200.json", "fmp_eod_full.200.json")
    )
    assert traded["2020-08-28"] / 4 == full["2020-08-28"]
    assert traded["2020-08-31"] == full["2020-08-31"]


def test_more_rows_than_one_reply_holds_come_page_by_page(net: FakeNet, fmp: FakeFmp) -> None:
    days = weekdays(date(1990, 1, 1), 9_000)
    fmp.add(Listing("OLD", random_walk(days)))
    reply = provider_of().fetch_prices([Want("OLD", days[0], days[-1])])
    assert len(reply.bars) == 9_000
    assert min(bar.price_date for bar in reply.bars) == days[0]
    assert net.count(PRICES) == 2


def test_class_shares_are_asked_for_with_a_dash_and_come_back_with_a_dot(net: FakeNet, fmp: FakeFmp) -> None:
    fmp.add(Listing("BRK-B", random_walk(DAYS)))
    fmp.data["BRK-B"] = {"profile": [{"symbol": "BRK-B", "currency": "USD"}]}
    provider = provider_of()
    reply = provider.fetch_prices([Want("BRK.B", DAYS[0], DAYS[-1])])
    assert {bar.symbol for bar in reply.bars} == {"BRK.B"}
    assert [profile.symbol for profile in provider.fetch_profiles(["BRK.B"]).profiles] == ["BRK.B"]
    assert {request.arg("symbol") for request in net.log} == {"BRK-B"}


@pytest.mark.parametrize(
    "symbol", ["VOD.L", "RY.TO", "7203.T", "0700.HK", "AAPL270115C00150000", "AAPL279915C00150000"]
)
def test_what_is_not_for_it_is_declined_without_a_request(net: FakeNet, fmp: FakeFmp, symbol: str) -> None:
    provider = provider_of()
    assert provider.declines(symbol)
    reply = provider.fetch_prices([Want(symbol, DAYS[0], DAYS[-1])])
    assert reply.answers[symbol] == Answer(Outcome.NOT_ASKED, provider.declines(symbol))
    assert provider.fetch_profiles([symbol]).profiles == []
    assert net.log == []


@pytest.mark.parametrize("symbol", ["AAPL", "brk/b", "BF.B", "BRK-B", "SPY", "^GSPC"])
def test_us_listings_are_not_declined(symbol: str) -> None:
    assert provider_of().declines(canonical_symbol(symbol)) is None


def test_one_request_for_what_it_has_nothing_of(net: FakeNet, apple: Listing) -> None:
    """An unknown symbol and an empty range look alike: neither is proof that there is no data."""
    reply = provider_of().fetch_prices([Want("ZZZZ", *NOVEMBER[1:]), Want("AAPL", TODAY, TODAY)])
    assert {answer.outcome for answer in reply.answers.values()} == {Outcome.NOTHING_IN_RANGE}
    # and one request for all symbols, which asks whether they have new names
    assert len(net.log) == 2 + net.count("symbol-change") == 3


@pytest.mark.parametrize(
    ("reply", "outcome", "detail", "others_are_asked"),
    [
        (sample("fmp_bad_param.400.txt"), Outcome.BAD_DATA, "400 Query Error: Invalid or missing", True),
        (sample("fmp_bad_key.401.json"), Outcome.REFUSED, "the key is not valid (FMP_API_KEY)", False),
        (sample("fmp_gate_symbol.402.txt"), Outcome.REFUSED, "the plan does not include this symbol", True),
        (sample("fmp_gate_limit.402.txt"), Outcome.REFUSED, "the plan does not include this value of limit", True),
        (sample("fmp_gate_endpoint.402.txt"), Outcome.REFUSED, "the plan does not include this endpoint", False),
        (sample("fmp_legacy_v3.403.json"), Outcome.REFUSED, "the address is of FMP's closed API", False),
        (Reply(403, {"Error Message": "Suspended"}), Outcome.REFUSED, "the key is restricted: 403 Suspended", False),
        (sample("fmp_unknown_endpoint.404.json"), Outcome.REFUSED, "there is no such endpoint", False),
        (sample("fmp_quota.429.json"), Outcome.RATE_LIMITED, "the plan's requests are used up", False),
        (sample("fmp_quota_as_200.200.json"), Outcome.RATE_LIMITED, "the plan's requests are used up", False),
        (
            Reply(429, {"Error Message": "Bandwidth Limit Reach"}),
            Outcome.RATE_LIMITED,
            "the plan's bandwidth is used up",
            False,
        ),
        (Reply(200, {"Error Message": "Invalid API KEY."}), Outcome.REFUSED, "the key is not valid", False),
        (Reply(200, {"historical": []}), Outcome.BAD_DATA, "no list of rows: 200", True),
        (Reply(200, ["AAPL"]), Outcome.BAD_DATA, "its rows are not JSON objects", True),
        (Reply(200, [{"symbol": "MSFT", "date": "2026-11-20"}]), Outcome.BAD_DATA, "rows of another symbol", True),
        (Reply(500, "oops"), Outcome.UNREACHABLE, "500 oops", True),
    ],
    ids=str,
)
def test_each_kind_of_refusal(
    net: FakeNet, apple: Listing, reply: Reply, outcome: Outcome, detail: str, others_are_asked: bool
) -> None:
    fault = net.fault(PRICES, reply=reply, times=1e9)
    provider = provider_of()
    answer = said(provider.fetch_prices([NOVEMBER])).answers["AAPL"]
    assert answer.outcome == outcome
    assert answer.detail.startswith(detail)

    fault.times = 0
    net.log.clear()
    later = said(provider.fetch_prices([NOVEMBER]))
    assert later.answers["AAPL"].outcome == (Outcome.OK if others_are_asked else Outcome.NOT_ASKED)
    assert bool(net.log) == others_are_asked
    assert later.problems == []


def test_a_source_that_is_left_alone_says_so_in_one_line(net: FakeNet, apple: Listing) -> None:
    fault = net.fault(PRICES, reply=sample("fmp_bad_key.401.json"), times=1e9)
    provider = provider_of()
    reply = provider.fetch_prices([NOVEMBER, NOVEMBER._replace(symbol="MSFT"), NOVEMBER._replace(symbol="IBM")])
    assert [answer.outcome for answer in reply.answers.values()] == [Outcome.REFUSED, *[Outcome.NOT_ASKED] * 2]
    assert reply.problems == ["not asked again in this run: the key is not valid (FMP_API_KEY)"]
    assert provider.fetch_profiles(["AAPL"]).problems == [
        "no profile of 1 symbols: not asked (FMP is left alone in this run: the key is not valid (FMP_API_KEY))"
    ]
    fault.times = 0
    assert provider_of().fetch_prices([NOVEMBER]).answers["AAPL"].outcome == Outcome.OK


def test_a_limit_of_the_minute_is_waited_for_and_one_of_the_day_is_not(net: FakeNet, apple: Listing) -> None:
    fault = net.fault(PRICES, reply=sample("fmp_quota.429.json"))
    provider = provider_of()
    assert provider.fetch_prices([NOVEMBER]).answers["AAPL"].outcome == Outcome.OK
    assert provider.usage == Usage(requests=4, retries=1)
    fault.times = 1e9
    assert provider.fetch_prices([NOVEMBER]).answers["AAPL"].outcome == Outcome.RATE_LIMITED
    assert provider.usage == Usage(requests=6, retries=2)


@pytest.mark.parametrize("when_spent", ["fmp_quota.429.json", "fmp_quota_as_200.200.json"])
def test_a_quota_that_ends_midway_leaves_whole_symbols(fmp: FakeFmp, apple: Listing, when_spent: str) -> None:
    """Five requests: three for the first symbol, and the second's closes come to nothing without its dividends."""
    fmp.add(Listing("MSFT", random_walk(DAYS)))
    fmp.quota_left, fmp.when_spent = 5, sample(when_spent)
    reply = said(provider_of().fetch_prices([Want(symbol, *NOVEMBER[1:]) for symbol in ("AAPL", "MSFT", "IBM")]))
    assert {bar.symbol for bar in reply.bars} == {"AAPL"}
    assert [str(answer.outcome) for answer in reply.answers.values()] == ["ok", "rate limited", "not asked"]


def test_after_the_deadline_symbols_are_for_a_later_night(net: FakeNet, apple: Listing) -> None:
    answer = provider_of(seconds=0).fetch_prices([NOVEMBER]).answers["AAPL"]
    assert str(answer) == "not asked (the run's time for fetching is over: queued for a later night)"
    assert net.log == []


def test_without_its_splits_a_symbol_is_taken_if_two_series_show_none(
    net: FakeNet, fmp: FakeFmp, apple: Listing
) -> None:
    for symbol in ("AAPL", "MSFT"):
        if symbol != "AAPL":
            fmp.add(Listing(symbol, random_walk(DAYS), splits={date(2027, 1, 4): (10, 1)}))
    for endpoint in ("splits", "dividends"):
        net.fault(f"{endpoint}$", reply=sample("fmp_gate_symbol.402.txt"), times=1e9)
    wants = [NOVEMBER, Want("MSFT", *NOVEMBER[1:]), Want("AAPL", EX_SPLIT, DAYS[-1])]
    split, steady, on_first_day = (provider_of().fetch_prices([want]) for want in wants)
    refusal = Answer(Outcome.REFUSED, "the plan does not include its splits, and there seems to be one in range")
    assert split.answers["AAPL"] == on_first_day.answers["AAPL"] == refusal
    assert (split.bars, on_first_day.bars) == ([], [])
    assert steady.answers["MSFT"] == Answer(Outcome.OK)
    assert len(steady.bars) == 15
    assert steady.problems == ["the plan does not include the dividends of 1 symbols it has bars of"]


def test_an_endpoint_behind_a_gate_is_asked_once_a_run(net: FakeNet, fmp: FakeFmp, apple: Listing) -> None:
    fmp.restricted = {"dividends"}
    provider = provider_of()
    first, second = provider.fetch_prices([NOVEMBER]), provider.fetch_prices([NOVEMBER])
    assert len(first.bars) == len(second.bars) == 15
    assert net.count("/dividends$") == 1
    assert first.problems == [
        "the plan does not include the dividends of 1 symbols it has bars of",
        "not asked again in this run for dividends: the plan does not include this endpoint",
    ]


def test_a_value_that_the_plan_does_not_have_is_lowered_once_for_the_run(net: FakeNet, fmp: FakeFmp) -> None:
    fmp.largest_limit = 5
    fmp.data["AAPL"] = {"income-statement": {"annual": [{"fiscalYear": str(year)} for year in range(2026, 2006, -1)]}}
    client = client_of()
    for _ in range(2):
        assert len(client.rows("income-statement", {"symbol": "AAPL", "period": "annual", "limit": 40})) == 5
    assert [request.arg("limit") for request in net.log] == ["40", "5", "5"]


def test_a_gate_that_stays_is_not_asked_for_ever(net: FakeNet, fmp: FakeFmp) -> None:
    net.fault("ratios$", reply=sample("fmp_gate_limit.402.txt"), times=1e9)
    with pytest.raises(SourceError, match="does not include this value of limit"):
        client_of().rows("ratios", {"symbol": "AAPL", "limit": 40})
    assert len(net.log) == 2
    client = client_of()
    fmp.restricted = {"ratios-ttm"}
    for outcome in (Outcome.REFUSED, Outcome.NOT_ASKED):
        with pytest.raises(EndpointGateError) as caught:
            client.rows("ratios-ttm", {"symbol": "AAPL"})
        assert caught.value.outcome == outcome


def test_rows_that_cannot_be_read_are_rejected_and_the_others_taken(net: FakeNet, fmp: FakeFmp) -> None:
    good = {"symbol": "AAPL", "date": "2026-11-20", "adjOpen": 1, "adjHigh": 1, "adjLow": 1, "adjClose": 1, "volume": 7}
    bad = [
        good | {"date": "2026-11-19", "adjClose": None},
        good | {"date": "2026-11-18", "adjOpen": "1.5", "volume": 1e300},
        good | {"date": "soon", "note": "\x00"},
        good | {"date": "2026-11-17"},
        good | {"date": "2026-11-17", "adjClose": 2},
        good | {"date": "2026-11-16", "adjClose": float("nan")},
        good | {"date": "2026-11-13", "adjOpen": None, "volume": None},
    ]
    net.fault(PRICES, body=[good, *bad, good])
    net.fault("splits", body=[_split("2026-11-20", 2, 0), _split("2026-11-19", 1281, 1000, "spin-off")])
    net.fault("dividends", body=[{"symbol": "AAPL", "date": "2026-11-20", "dividend": None, "adjDividend": 0.1}])
    reply = provider_of().fetch_prices([NOVEMBER])
    assert {bar.price_date.day: str(bar.close) for bar in reply.bars} == {20: "1.000000", 16: "NaN", 13: "1.000000"}
    assert [
        (row.relation, row.row_date and row.row_date.day, row.reason.partition(" of the symbol")[0])
        for row in reply.rejected
    ] == [
        ("market_data_cache", 19, "close: it is empty"),
        ("market_data_cache", 18, "open: '1.5' is not a number; volume: 1E+300 is not a volume"),
        ("market_data_cache", None, "date: 'soon' is not a date"),
        ("market_data_cache", 17, "another row has this session differently"),
        ("corporate_actions", 20, "a split without its ratio"),
        ("corporate_actions", 19, "1281:1000 looks like a spin-off, which gives no shares"),
        ("corporate_actions", 20, "a dividend without its amount"),
    ]
    assert reply.actions == []
    assert "\x00" not in json.dumps([row.payload for row in reply.rejected])
    assert reply.answers["AAPL"] == Answer(Outcome.OK)


@pytest.mark.parametrize("label", [None, "", "stock-split", "spin-off", "Spin-Off", "missing"])
@pytest.mark.parametrize(("new", "old"), [(1175, 1000), (1025, 1000), (104, 100), (4, 1), (3, 2), (1, 190)])
def test_the_terms_tell_a_spin_off_whatever_its_label(
    net: FakeNet, apple: Listing, label: str | None, new: int, old: int
) -> None:
    row = _split("2026-11-19", new, old, label or "")
    if label is None or label == "missing":
        row["splitType"] = None
    if label == "missing":
        del row["splitType"]
    net.fault("splits", body=[row])
    reply = provider_of().fetch_prices([NOVEMBER])
    splits = [action for action in reply.actions if action.action_type == SPLIT]
    if min(new, old) >= 100 or "spin" in (label or "").lower():
        (rejected,) = reply.rejected
        assert splits == []
        assert rejected.reason.startswith(f"{new}:{old} looks like a spin-off")
        assert "actions add AAPL 2026-11-19 SPLIT" in rejected.reason
    else:
        assert [float(split.value) for split in splits] == [pytest.approx(new / old)]
        assert reply.rejected == []


def test_nothing_but_rows_that_cannot_be_read_is_bad_data(net: FakeNet, fmp: FakeFmp) -> None:
    net.fault(PRICES, body=[{"symbol": "AAPL", "date": "2026-11-20"}])
    reply = provider_of().fetch_prices([NOVEMBER])
    assert reply.answers["AAPL"] == Answer(Outcome.BAD_DATA, "1 rows could not be read")


def test_profiles(net: FakeNet, fmp: FakeFmp) -> None:
    fmp.data["AAPL"] = {"profile": json.loads((SAMPLES / "fmp_profile.200.json").read_text())}
    fmp.data["SPY"] = {"profile": [{"symbol": "SPY", "isEtf": True, "sector": "", "marketCap": 0.5, "beta": "x"}]}
    fmp.data["LIAR"] = {"profile": [{"symbol": "AAPL", "companyName": "Apple"}]}
    fmp.premium = {"IBM"}
    reply = provider_of().fetch_profiles(["AAPL", "SPY", "ZZZZ", "LIAR", "IBM"])
    assert reply.profiles == [
        Profile(
            "AAPL",
            name="Apple Inc.",
            sector="Technology",
            industry="Consumer Electronics",
            country="US",
            exchange="NASDAQ",
            currency="USD",
            quote_type="EQUITY",
            market_cap=Decimal("4603751738200"),
            beta=1.109,
        ),
        Profile("SPY", quote_type="ETF", market_cap=Decimal("0.5")),
    ]
    assert reply.problems == ["no profile of 1 symbols: refused (the plan does not include this symbol)"]
    assert len(net.log) == 5


def test_sectors_of_funds(net: FakeNet, fmp: FakeFmp) -> None:
    def told(sector: str, weight: object) -> dict[str, object]:
        return {"symbol": "SPY", "sector": sector, "weightPercentage": weight}

    rows = [told("Technology", 34.6), told("Healthcare", "9.8%"), told("Cash & Others", 0.4), told("Energy", 0)]
    fmp.data["SPY"] = {"etf/sector-weightings": [*rows, told("Utilities", "much"), told("", 3)]}
    fmp.data["LIAR"] = {"etf/sector-weightings": rows}
    fmp.premium = {"IBM"}
    reply = provider_of().fetch_fund_sectors(["SPY", "ZZZZ", "LIAR", "IBM", "VOD.L"])
    assert reply.weights == [
        SectorWeight("SPY", "Technology", Decimal("0.346")),
        SectorWeight("SPY", "Healthcare", Decimal("0.098")),
    ]
    nothing = Answer(Outcome.NOTHING_IN_RANGE, "FMP has no sectors of it")
    assert {symbol: reply.answers[symbol] for symbol in ("SPY", "ZZZZ", "LIAR")} == {
        "SPY": Answer(Outcome.OK),
        "ZZZZ": nothing,
        "LIAR": nothing,
    }
    assert reply.answers["IBM"].outcome == Outcome.REFUSED and reply.answers["VOD.L"].outcome == Outcome.NOT_ASKED
    assert len(net.log) == 4


def test_a_symbol_whose_profile_says_another_currency_is_refused(net: FakeNet, fmp: FakeFmp) -> None:
    fmp.add(Listing("SHOP", random_walk(DAYS)))
    fmp.data["SHOP"] = {"profile": [{"symbol": "SHOP", "currency": "CAD"}]}
    provider = provider_of()
    provider.fetch_profiles(["SHOP"])
    answer = provider.fetch_prices([Want("SHOP", *NOVEMBER[1:])]).answers["SHOP"]
    assert str(answer) == "refused (quoted in CAD, and only USD is taken)"
    assert net.count(PRICES) == 0


def test_the_probe_says_whether_it_can_be_believed(net: FakeNet, apple: Listing) -> None:
    assert provider_of().probe() == Answer(Outcome.OK)
    assert len(net.log) == 1
    assert provider_of(key="wrong").probe() == Answer(Outcome.REFUSED, "the key is not valid (FMP_API_KEY)")
    apple.bars = {day - timedelta(days=365): bar for day, bar in apple.bars.items()}
    assert provider_of().probe() == Answer(Outcome.BAD_DATA, "no close of AAPL in the last ten days")


def _split(day: str, new: float, old: float, kind: str = "stock-split") -> dict[str, object]:
    return {"symbol": "AAPL", "date": day, "numerator": new, "denominator": old, "splitType": kind}


def test_a_symbol_whose_bars_end_may_have_another_name_since(net: FakeNet, fmp: FakeFmp) -> None:
    bars = random_walk(DAYS[:7])
    fmp.add(Listing("OLD-B", bars))
    fmp.add(Listing("GOESON", random_walk(DAYS)))
    day = DAYS[7].isoformat()
    fmp.symbol_changes = [
        {"date": day, "companyName": "Old", "oldSymbol": "OLD-B", "newSymbol": "NEW-B"},
        {"date": day, "companyName": "Old", "oldSymbol": "OTHER", "newSymbol": "ELSE"},
        {"date": "2020-01-02", "companyName": "Old", "oldSymbol": "OLD-B", "newSymbol": "BEFORE"},
        {"date": day, "companyName": "Goes on", "oldSymbol": "GOESON", "newSymbol": "NOT"},
    ]
    wants = [Want("GOESON", DAYS[0], DAYS[-1]), Want("OLD.B", DAYS[0], DAYS[-1]), Want("GONE", DAYS[0], DAYS[-1])]
    reply = said(provider_of().fetch_prices(wants))
    assert reply.actions == [CorporateAction("OLD.B", DAYS[7], RENAME, Decimal(1), "NEW.B")]
    assert net.count("symbol-change") == 1


def test_a_plan_without_symbol_changes_has_none(fmp: FakeFmp) -> None:
    fmp.restricted.add("symbol-change")
    fmp.add(Listing("OLD", random_walk(DAYS[:7])))
    reply = said(provider_of().fetch_prices([Want("OLD", DAYS[0], DAYS[-1])]))
    assert (len(reply.bars), reply.actions, reply.answers["OLD"].outcome) == (7, [], Outcome.OK)
