"""Settings: the environment over `.env`, nothing over a default, and secrets kept."""

import re

import pytest

from warehouse.errors import UserError
from warehouse.settings import PROJECT_ROOT, Settings, load_settings


def test_defaults(monkeypatch):
    monkeypatch.setenv("AFTERCLOSE_POSTGRES_VERSION", "")
    settings = load_settings()
    assert settings.database_url is None
    assert (settings.postgres_version, settings.providers, settings.history_sessions) == (18, "yahoo,fmp,polygon", 400)
    assert (settings.heal_risk_sessions, settings.risk_free_rate, settings.dividend_yield) == (252, 0.0, None)
    assert settings.pair_sessions is None
    assert settings.stress_sessions is None


def test_environment_wins_over_the_file_also_when_set_to_nothing(tmp_path, monkeypatch):
    file = tmp_path / ".env"
    file.write_text(
        "DATABASE_URL=postgresql://ann@db/prod\nAFTERCLOSE_HISTORY_SESSIONS=10\nAFTERCLOSE_POSTGRES_VERSION=16\n"
    )
    monkeypatch.setenv("AFTERCLOSE_HISTORY_SESSIONS", "20")
    monkeypatch.delenv("AFTERCLOSE_POSTGRES_VERSION", raising=False)
    settings = Settings(_env_file=file)
    assert (settings.database_url, settings.history_sessions, settings.postgres_version) == (None, 20, 16)


def test_the_secret_does_not_show(monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "postgresql://ann:s3cret@db/prod")
    settings = load_settings()
    assert "s3cret" not in f"{settings!r} {settings}"
    assert settings.database_url.get_secret_value() == "postgresql://ann:s3cret@db/prod"


def test_a_relative_home_hangs_on_the_project(monkeypatch, tmp_path):
    monkeypatch.setenv("AFTERCLOSE_HOME", "elsewhere/data")
    monkeypatch.chdir(tmp_path)
    assert load_settings().home == PROJECT_ROOT / "elsewhere" / "data"


def test_every_wrong_value_is_named(monkeypatch):
    monkeypatch.setenv("AFTERCLOSE_POSTGRES_VERSION", "17")
    monkeypatch.setenv("AFTERCLOSE_HISTORY_SESSIONS", "many")
    monkeypatch.setenv("AFTERCLOSE_RISK_FREE_RATE", "4")  # a decimal, not percent
    monkeypatch.setenv("AFTERCLOSE_DIVIDEND_YIELD", "nan")
    monkeypatch.setenv("AFTERCLOSE_FMP_URL", "ftp://example.org")
    monkeypatch.setenv("AFTERCLOSE_WEBHOOK_URL", "example.org/s3cret")
    with pytest.raises(UserError) as refusal:
        load_settings()
    assert "AFTERCLOSE_FMP_URL: has to begin with https:// or http://" in str(refusal.value)
    assert "AFTERCLOSE_WEBHOOK_URL: has to begin with https:// or http://" in str(refusal.value)
    assert "s3cret" not in str(refusal.value)
    assert "AFTERCLOSE_POSTGRES_VERSION: Input should be 16 or 18" in str(refusal.value)
    assert "AFTERCLOSE_HISTORY_SESSIONS: Input should be a valid integer" in str(refusal.value)
    assert "AFTERCLOSE_RISK_FREE_RATE: Input should be less than or equal to 1" in str(refusal.value)
    assert "AFTERCLOSE_DIVIDEND_YIELD: " in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_the_example_lists_every_setting():
    example = (PROJECT_ROOT / ".env.example").read_text()
    assert re.findall(r"^#([A-Z_]+)=", example, re.MULTILINE) == [
        field.alias for field in Settings.model_fields.values()
    ]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("AFTERCLOSE_PROVIDER", "; did you mean AFTERCLOSE_PROVIDERS?"),
        ("DATABSE_URL", "; did you mean DATABASE_URL?"),
        ("FMP_APIKEY", "; did you mean FMP_API_KEY?"),
        ("AFTRCLOSE_WEBHOOK_URL", "; did you mean AFTERCLOSE_WEBHOOK_URL?"),
        ("AFTERCLOSE_COFFEE", ""),
    ],
)
def test_a_misspelt_name_is_refused_and_its_value_never_shown(monkeypatch, tmp_path, written, meant):
    for name in ("DATABASE_URL", "FMP_API_KEY", "AFTERCLOSE_WEBHOOK_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(written, "s3cret")
    with pytest.raises(
        UserError, match=re.escape(f"{written}: there is no such setting{meant} (in the env")
    ) as refusal:
        load_settings()
    monkeypatch.delenv(written)
    file = tmp_path / ".env"
    file.write_text(f"export {written}=s3cret\n")
    monkeypatch.setitem(Settings.model_config, "env_file", file)
    with pytest.raises(UserError, match=re.escape(f"{written}: there is no such setting{meant}")) as in_file:
        load_settings()
    assert "s3cret" not in f"{refusal.value} {in_file.value}"


@pytest.mark.parametrize(
    ("written", "said"),
    [
        (b"AFTERCLOSE_PROVIDERS=yahoo\ns3cret\n", ": line 2 is not NAME=value: write a setting"),
        (b"AFTERCLOSE_PROVIDERS\n# a remark\n\nno setting s3cret\n", ": lines 1, 4 are not NAME=value: write"),
        (b'FMP_API_KEY="s3cret\n', ": line 1 is not NAME=value"),
        (b"# a remark\nFMP_API_KEY=s3cret\xe9\n", ":2: it is not UTF-8: save the file in that encoding"),
    ],
)
def test_a_line_of_the_file_that_sets_nothing_is_refused_by_its_number(monkeypatch, tmp_path, written, said):
    file = tmp_path / ".env"
    file.write_bytes(written)
    monkeypatch.setitem(Settings.model_config, "env_file", file)
    with pytest.raises(UserError, match=re.escape(f"{file}{said}")) as refusal:
        load_settings()
    assert "s3cret" not in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("begins", ["", "\N{BYTE ORDER MARK}"])
def test_a_file_as_editors_write_it_is_read(monkeypatch, tmp_path, begins):
    monkeypatch.delenv("AFTERCLOSE_PROVIDERS", raising=False)
    file = tmp_path / ".env"
    file.write_text(
        f"{begins}AFTERCLOSE_PROVIDERS = 'fmp'  # a remark\r\n\r\n# another\r\nexport FMP_API_KEY=\r\n",
        encoding="utf-8",
    )
    monkeypatch.setitem(Settings.model_config, "env_file", file)
    assert (load_settings().providers, load_settings().fmp_api_key) == ("fmp", None)


def test_other_programs_variables_are_their_own(monkeypatch, tmp_path):
    for name in ("DATABASE_URI", "PGDATABASE", "MAPS_API_KEY", "DATABASE_URL_TEST", "OPENAI_API_KEY"):
        monkeypatch.setenv(name, "x")
    monkeypatch.setenv("DATABASE_URL", "")
    file = tmp_path / ".env"
    file.write_text("COMPOSE_PROJECT_NAME=x\nPGUSER=ann\n")
    monkeypatch.setitem(Settings.model_config, "env_file", file)
    assert load_settings().database_url is None
