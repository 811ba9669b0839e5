"""Settings, from the environment and from the file `.env` in the project's root; the environment wins."""

import os
import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, Literal

from dotenv.parser import Binding, parse_stream
from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, SettingsConfigDict

from warehouse.errors import UserError
from warehouse.phrases import did_you_mean
from warehouse.project import PROJECT_ROOT as PROJECT_ROOT

PREFIX = "AFTERCLOSE_"
# Variables that only the tests read, and no setting of a run.
_OF_OTHERS = frozenset(
    {"AFTERCLOSE_CHROMIUM", "AFTERCLOSE_TEST_CITUS_URL", "AFTERCLOSE_TEST_CITUS_KILL", "AFTERCLOSE_TEST_CITUS_START"}
)


def _absolute(folder: Path) -> Path:
    # Relative to the project, not to the folder that cron starts in.
    return (PROJECT_ROOT / folder.expanduser()).resolve()


def _address(value: str) -> str:
    if not re.match(r"https?://[^/\s]", value):
        raise PydanticCustomError("address", "has to begin with https:// or http:// and name a host")
    return value


# Which well-known corporate events a night takes: renamings and mergers, spin-offs too, or none.
KnownEvents = Literal["on", "all", "off"]
_Address = Annotated[str, AfterValidator(_address)]
_SecretAddress = Annotated[SecretStr, AfterValidator(lambda secret: SecretStr(_address(secret.get_secret_value())))]


class Settings(BaseSettings):
    """Every setting, with its environment variable as alias. `.env.example` explains them."""

    model_config = SettingsConfigDict(env_file=PROJECT_ROOT / ".env", env_file_encoding="utf-8", extra="ignore")

    database_url: SecretStr | None = Field(None, alias="DATABASE_URL")
    home: Annotated[Path, AfterValidator(_absolute)] = Field(PROJECT_ROOT / ".afterclose", alias="AFTERCLOSE_HOME")
    postgres_version: Annotated[Literal[16, 18], BeforeValidator(int)] = Field(18, alias="AFTERCLOSE_POSTGRES_VERSION")
    providers: str = Field("yahoo,fmp,polygon", alias="AFTERCLOSE_PROVIDERS")
    fmp_api_key: SecretStr | None = Field(None, alias="FMP_API_KEY")
    polygon_api_key: SecretStr | None = Field(None, alias="POLYGON_API_KEY")
    yahoo_per_minute: PositiveInt = Field(120, alias="AFTERCLOSE_YAHOO_PER_MINUTE")
    fmp_per_minute: PositiveInt = Field(250, alias="AFTERCLOSE_FMP_PER_MINUTE")
    polygon_per_minute: PositiveInt = Field(5, alias="AFTERCLOSE_POLYGON_PER_MINUTE")
    fetch_minutes: PositiveFloat = Field(45.0, alias="AFTERCLOSE_FETCH_MINUTES")
    fmp_url: _Address = Field("https://financialmodelingprep.com/stable", alias="AFTERCLOSE_FMP_URL")
    polygon_url: _Address = Field("https://api.massive.com", alias="AFTERCLOSE_POLYGON_URL")
    known_events: Annotated[KnownEvents, BeforeValidator(str.lower)] = Field("on", alias="AFTERCLOSE_KNOWN_EVENTS")
    history_sessions: NonNegativeInt = Field(400, alias="AFTERCLOSE_HISTORY_SESSIONS")
    heal_risk_sessions: NonNegativeInt = Field(252, alias="AFTERCLOSE_HEAL_RISK_SESSIONS")
    risk_free_rate: Annotated[float, Field(ge=-0.1, le=1)] = Field(0.0, alias="AFTERCLOSE_RISK_FREE_RATE")
    dividend_yield: Annotated[float, Field(ge=0, le=1)] | None = Field(None, alias="AFTERCLOSE_DIVIDEND_YIELD")
    pair_sessions: PositiveInt | None = Field(None, alias="AFTERCLOSE_PAIR_SESSIONS")
    stress_sessions: PositiveInt | None = Field(None, alias="AFTERCLOSE_STRESS_SESSIONS")
    memory_mb: Annotated[int, Field(ge=200)] = Field(2_000, alias="AFTERCLOSE_MEMORY_MB")
    workers: PositiveInt = Field(1, alias="AFTERCLOSE_WORKERS")
    dask: str | None = Field(None, alias="AFTERCLOSE_DASK")
    reader_statement_seconds: PositiveInt = Field(300, alias="AFTERCLOSE_READER_STATEMENT_SECONDS")
    reader_idle_seconds: PositiveInt = Field(60, alias="AFTERCLOSE_READER_IDLE_SECONDS")
    log_format: Literal["logfmt", "json"] = Field("logfmt", alias="AFTERCLOSE_LOG_FORMAT")
    api_database_url: SecretStr | None = Field(None, alias="AFTERCLOSE_API_DATABASE_URL")
    api_origins: str = Field("", alias="AFTERCLOSE_API_ORIGINS")
    webhook_url: _SecretAddress | None = Field(None, alias="AFTERCLOSE_WEBHOOK_URL")

    @model_validator(mode="before")
    @classmethod
    def _empty_is_unset(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Leave out what is set to nothing, so that `DATABASE_URL= command` asks for the embedded server."""
        return {name: value for name, value in values.items() if value != ""}

    @property
    def secrets(self) -> list[str]:
        """What must not be seen: each secret setting, and the passwords in addresses of databases."""
        from psycopg import ProgrammingError
        from psycopg.conninfo import conninfo_to_dict

        secrets = [value.get_secret_value() for _, value in self if isinstance(value, SecretStr)]
        for url in (self.database_url, self.api_database_url):
            with suppress(ProgrammingError):
                secrets.append(str(conninfo_to_dict(url.get_secret_value() if url else "").get("password", "")))
        return secrets


def load_settings() -> Settings:
    """Read the settings now.

    Raises:
        UserError: a value is wrong, a name misspelt, or a line of `.env` no setting; the message names each such
            variable or line, and never shows a secret.
    """
    _refuse_misspelt(_names_in_file())
    try:
        return Settings()  # pyright: ignore[reportCallIssue] # its fields come from the environment
    except ValidationError as error:
        wrong = "; ".join(f"{problem['loc'][0]}: {problem['msg']}" for problem in error.errors(include_input=False))
        raise UserError(f"{wrong} (in the environment or {PROJECT_ROOT / '.env'}; see .env.example)") from None


def _names_in_file() -> list[str]:
    """The names that `.env` sets, none where there is no such file; raises UserError for what cannot be read.

    A line that sets nothing is refused by its number alone: it may be a key that was pasted without its name.
    """
    file = Settings.model_config.get("env_file")
    if not isinstance(file, Path) or not file.is_file():
        return []
    try:
        with file.open(encoding="utf-8-sig") as lines:
            found = list(parse_stream(lines))
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise UserError(f"{file}:{line}: it is not UTF-8: save the file in that encoding") from None
    except OSError as error:
        raise UserError(f"{file} cannot be read ({error.strerror})") from None
    unset = [str(_line_of(each)) for each in found if each.error or (each.key and each.value is None)]
    if unset:
        lines_of = f"line {unset[0]} is" if len(unset) == 1 else f"lines {', '.join(unset)} are"
        raise UserError(f"{file}: {lines_of} not NAME=value: write a setting like that, or put # before a remark")
    return [each.key for each in found if each.key]


def _line_of(found: Binding) -> int:
    """The line on which a setting stands: what was read for it begins with the blank lines before it."""
    text = found.original.string
    return found.original.line + text[: len(text) - len(text.lstrip())].count("\n")


def _refuse_misspelt(in_file: Sequence[str]) -> None:
    """Raise UserError for a name that is no setting, but is nearly one or has our prefix."""
    known = {str(field.alias) for field in Settings.model_fields.values()}
    given = {name.upper(): 0.9 for name in os.environ} | {name.upper(): 0.8 for name in in_file}
    problems: list[str] = []
    for name in sorted(given.keys() - known - _OF_OTHERS):
        # Another program's variable may have nearly the name of one of ours: a misspelling only if ours is not set.
        near = did_you_mean(name, known - given.keys() if not name.startswith(PREFIX) else known, given[name])
        if near or name.startswith(PREFIX):
            problems.append(f"{name}: there is no such setting{f'; did you mean {near}?' if near else ''}")
    if problems:
        raise UserError(f"{'; '.join(problems)} (in the environment or {PROJECT_ROOT / '.env'}; see .env.example)")
