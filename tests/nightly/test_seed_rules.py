"""What is refused in the seeds that people edit: everything at once, with the file's line."""

import csv
import re
import shutil
from pathlib import Path

import pytest

from nightly.dbt.runner import PROJECT
from nightly.seed_rules import check_seeds
from warehouse.errors import BadInput

SCENARIOS = "seeds/stress_test_scenarios.csv"
FACTORS = "seeds/factor_definitions.csv"
WEIGHTS = "seeds/benchmark_sector_weights.csv"


@pytest.fixture
def seeds(tmp_path: Path) -> Path:
    """A copy of the seeds, to be spoiled."""
    return shutil.copytree(PROJECT / "seeds", tmp_path / "seeds")


def problems(seeds: Path) -> list[str]:
    try:
        check_seeds(seeds, seeds.parent)
    except BadInput as refused:
        return refused.problems
    return []


def change(seeds: Path, file: str, pattern: str, replacement: str) -> None:
    """Replace the first match in a seed."""
    path = seeds.parent / file
    text = path.read_text(encoding="utf-8")
    found = re.search(pattern, text, re.MULTILINE)
    assert found, pattern
    path.write_text(text[: found.start()] + found.expand(replacement) + text[found.end() :], encoding="utf-8")


def test_the_seeds_of_the_project_hold(seeds):
    assert problems(seeds) == []


def test_the_scenarios_are_those_that_a_desk_expects(seeds):
    with (seeds.parent / SCENARIOS).open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    alone = {
        category: {float(row["shock"]) for row in rows if row["category"] == category}
        for category in ("market", "rates")
    }
    assert alone["market"] == {0.05, -0.05, 0.1, -0.1, -0.2, 0.25, -0.25, -0.35}
    assert alone["rates"] == {25, -25, 50, -50, 100, -100, 200, -200, 300}
    by_name = {
        *("value_rotation", "growth_rotation", "small_cap_selloff", "quality_flight", "momentum_crash"),
        *("volatility_spike", "liquidity_crisis"),
    }
    assert by_name == {row["scenario_id"] for row in rows if row["category"] in ("rotation", "combination")}
    replayed = {row["window_start"][:4] for row in rows if row["category"] == "replay"}
    assert replayed == {"2000", "2007", "2011", "2018", "2020", "2021"}  # 2022, from the last close of 2021


@pytest.mark.parametrize(
    ("file", "pattern", "replacement", "said"),
    [
        (
            SCENARIOS,
            r"^(market_down_5.*),Market,",
            r"\1,Markt,",
            "5: factor: 'Markt' is no factor; there are: Market, ",
        ),
        (SCENARIOS, r",-0\.20,", ",nan,", "7: shock: 'nan' is not a finite number"),
        (SCENARIOS, r",-0\.20,", ",1e999,", "7: shock: '1e999' is not a finite number"),
        (SCENARIOS, r",-0\.20,", ",-20,", "7: shock: -20 is beyond -1 to 1: it is a fraction, -0.2 is -20 %"),
        (SCENARIOS, r",-0\.20,", ",0,", "7: shock: must not be zero"),
        (SCENARIOS, r"Interest Rate,300,", "Interest Rate,301,", "14: shock: 301 basis points is beyond -300 to 300"),
        (SCENARIOS, r"Interest Rate,-50,", "Interest Rate,-0.5,", "16: shock: -0.5 is less than a basis point"),
        (
            SCENARIOS,
            r"Growth,-0\.10,",
            "Growth,0.10,",
            "20: shock: Value and Growth must be shocked in opposite directions",
        ),
        (SCENARIOS, r"^growth_rotation.*Value.*\n", "", "21: factor: Growth must not be shocked without Value"),
        (
            SCENARIOS,
            r"^(market_up_5,.*\n)",
            r"\1\1",
            "3: factor: Market is shocked twice in this scenario (see line 2)",
        ),
        (
            SCENARIOS,
            r"^replay_covid_2020.*Quality.*\n",
            "",
            "70: factor: a replay shocks market, rates and all styles; missing: Quality",
        ),
        (SCENARIOS, r",2020-03-23,", ",2020-02-18,", "70: window_end: 2020-02-18 is not after the start, 2020-02-19"),
        (SCENARIOS, r",2020-03-23,", ",23.3.2020,", "70: window_end: '23.3.2020' is not a date written YYYY-MM-DD"),
        (SCENARIOS, r"Market,0\.10,,", "Market,0.10,2020-02-19,", "3: window_start: is for replays only"),
        (
            SCENARIOS,
            r"^market_down_5,Market -5 %",
            "market_down_5,Market -10 %",
            "6: name: Market -10 % is the name of another scenario too",
        ),
        (
            SCENARIOS,
            r"^market_down_5,",
            "Market Down,",
            "5: scenario_id: 'Market Down' must be written like",
        ),
        (SCENARIOS, r",market,", ",markets,", "2: category: 'markets' is not one of market, rates, rotation"),
        (SCENARIOS, r"^market_up_5,", "# market_up_5,", "2: row: is a comment, which dbt would load as a row"),
        (FACTORS, r"TLT,17\.5,", "TLT,-17.5,", "3: duration_years: Interest Rate needs one, above zero"),
        (FACTORS, r"TLT,17\.5,320", "TLT,17.5,", "3: convexity: Interest Rate needs one, above zero"),
        (FACTORS, r"MTUM,,", "MTUM,3,", "6: duration_years: is for Interest Rate only"),
        (FACTORS, r"^Momentum", "Momentumm", "6: factor: 'Momentumm' is no factor"),
        (FACTORS, r"VTV VLUE", "VTV;VLUE", "4: symbols: 'VTV;VLUE' must be written like VTV VLUE"),
        (FACTORS, r"^Energy,sector", "Energy,style", "15: kind: Energy is of kind sector, not 'style'"),
        (FACTORS, r"^Value,style", "Value,", "4: kind: is empty"),
        (
            WEIGHTS,
            r"2023-12-29,Mat",
            "29.12.2023,Mat",
            "10: effective_date: '29.12.2023' is not a date written YYYY-MM-DD",
        ),
        (WEIGHTS, r"0\.288", "1.288", "9: weight: 1.288 is not a share, 0 to 1"),
        (WEIGHTS, r"0\.288", "infinity", "9: weight: 'infinity' is not a finite number"),
        (WEIGHTS, r"#8E6BBF", "purple", "2: color: 'purple' must be written like #2F6DB5"),
        (WEIGHTS, r"29,Energy", "29,Utilities", "12: sector: Utilities stands twice on this date (see line 5)"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(seeds, file, pattern, replacement, said):
    change(seeds, file, pattern, replacement)
    told = problems(seeds)
    assert any(problem.startswith(f"{file}:{said}") for problem in told), told


def test_weights_that_do_not_add_up_are_told_on_the_last_line(seeds):
    change(seeds, WEIGHTS, r"0\.288", "0.289")
    assert problems(seeds) == [f"{WEIGHTS}:12: weight: the weights of 2023-12-29 add up to 1.001, not to 1"]


def test_a_factor_that_is_missing_is_named(seeds):
    change(seeds, FACTORS, r"^Low Volatility.*\n", "")
    assert problems(seeds) == [f"{FACTORS}:19: factor: not every factor is there; missing: Low Volatility"]
    change(seeds, FACTORS, r"^Energy.*\n", "")  # a sector may be left out
    assert problems(seeds) == [f"{FACTORS}:18: factor: not every factor is there; missing: Low Volatility"]


@pytest.mark.parametrize(
    "lines",
    [
        ["market_down_30,Market -30 %,market,Market,-0.30,,,The market falls by 30 %"],
        ["market_up_7,Market +7.5 %,market,Market,0.075,,,The market rises by 7.5 %"],
        ["rates_down_150,Rates -150 bp,rates,Interest Rate,-150,,,Yields fall by 150 basis points"],
        ["oil,Oil shock,combination,Energy,0.25,,,Oil rises", "oil,Oil shock,combination,Market,-0.05,,,Oil rises"],
        [
            f"replay_taper,Taper tantrum,replay,{factor},{shock},2013-05-21,2013-06-24,Approximate"
            for factor, shock in (
                *(("Market", -0.056), ("Interest Rate", -0.08), ("Value", 0), ("Growth", 0.001), ("Momentum", 0.01)),
                *(("Quality", 0.004), ("Size", 0.01), ("Low Volatility", 0.002), ("Utilities", -0.03)),
            )
        ],
    ],
)
def test_people_add_scenarios_of_their_own(seeds: Path, lines: list[str]):
    with (seeds.parent / SCENARIOS).open("a", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")
    assert problems(seeds) == []


def test_each_set_of_weights_adds_up_by_itself(seeds: Path):
    with (seeds.parent / WEIGHTS).open("a", encoding="utf-8") as file:
        file.write("2026-06-30,Energy,0.4,#4D4D4D\n2026-06-30,Financials,0.6,#2F6DB5\n")
    assert problems(seeds) == []
    with (seeds.parent / WEIGHTS).open("a", encoding="utf-8") as file:
        file.write("2026-06-30,Utilities,0.1,#6FAF3D\n")
    assert problems(seeds) == [f"{WEIGHTS}:26: weight: the weights of 2026-06-30 add up to 1.1, not to 1"]


def test_the_latest_weights_are_those_published(seeds: Path):
    with (seeds.parent / WEIGHTS).open(encoding="utf-8", newline="") as lines:
        weights = {
            row["sector"]: float(row["weight"]) for row in csv.DictReader(lines) if row["effective_date"] > "2025"
        }
    published = {
        **{"Information Technology": 34.6, "Financials": 13.1, "Communication Services": 10.7},
        **{"Consumer Discretionary": 10.3, "Health Care": 9.8, "Industrials": 8.0, "Consumer Staples": 4.9},
        **{"Energy": 2.8, "Utilities": 2.3, "Real Estate": 1.9, "Materials": 1.7},
    }
    assert weights == pytest.approx({sector: percent / 100.1 for sector, percent in published.items()}, abs=1e-6)


def test_a_replay_says_where_each_constant_comes_from(seeds: Path):
    with (seeds.parent / SCENARIOS).open(encoding="utf-8", newline="") as lines:
        replays = [row for row in csv.DictReader(lines) if row["category"] == "replay"]
    judged = {"Momentum", "Quality", "Low Volatility"}
    for row in replays:
        assert row["description"].startswith(
            f"From the close of {row['window_start']} to that of {row['window_end']}; "
        )
        is_judged = row["factor"] in judged and row["window_start"] < "2018"
        is_judged |= row["scenario_id"] == "replay_dotcom_2000" and row["factor"] == "Size"
        assert ("approximate" in row["description"]) == is_judged, row
        assert "total return" in row["description"]
    shocks = {(row["scenario_id"], row["factor"]): float(row["shock"]) for row in replays}
    assert [shocks["replay_euro_2011", factor] for factor in ("Interest Rate", "Growth", "Value")] == [
        0.35,
        0.01,
        -0.03,
    ]
    assert [shocks["replay_crisis_2008", factor] for factor in ("Interest Rate", "Growth")] == [0.25, 0.05]
    assert [shocks["replay_dotcom_2000", factor] for factor in ("Interest Rate", "Value")] == [0.38, 0.20]


def test_everything_is_told_at_once(seeds):
    change(seeds, SCENARIOS, r",-0\.20,", ",inf,")
    change(seeds, SCENARIOS, r"Interest Rate,300,", "Interest Rate,500,")
    change(seeds, FACTORS, r"TLT,17\.5,", "TLT,,")
    change(seeds, WEIGHTS, r"0\.288", "0.289")
    told = problems(seeds)
    assert [problem.split(":")[0] for problem in told] == [FACTORS, SCENARIOS, SCENARIOS, WEIGHTS]
