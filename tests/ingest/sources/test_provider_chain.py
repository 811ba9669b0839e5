from datetime import date
from pathlib import Path

import pytest

from ingest.providers.limits import Deadline
from ingest.sources.chain import left_out, provider_chain
from warehouse.errors import UserError
from warehouse.settings import Settings


def settings(providers: str, **others: object) -> Settings:
    return Settings(_env_file=None, AFTERCLOSE_PROVIDERS=providers, **others)


def chain_of(providers: str, *, relative_to: Path | None = None, **others: object):
    return provider_chain(
        settings(providers, **others), today=date(2026, 11, 23), deadline=Deadline.after(60), relative_to=relative_to
    )


def test_folders_in_their_order_relative_absolute_home_and_with_spaces(tmp_path, monkeypatch):
    (tmp_path / "work" / "my prices").mkdir(parents=True)
    (tmp_path / "home" / "data").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path / "work")
    chain = chain_of(f"files:my prices, files:~/data ,FILES:{tmp_path},files:../work")
    assert [provider.folder.resolve() for provider in chain] == [
        tmp_path / "work" / "my prices",
        tmp_path / "home" / "data",
        tmp_path,
        tmp_path / "work",
    ]
    assert [provider.label for provider in chain[:2]] == ["files:my prices", "files:~/data"]
    assert {provider.name for provider in chain} == {"files"}


def test_a_relative_folder_can_be_taken_from_elsewhere(tmp_path):
    (tmp_path / "data").mkdir()
    (provider,) = chain_of("files:data", relative_to=tmp_path)
    assert provider.folder == tmp_path / "data"


def test_live_sources_by_name_among_folders(tmp_path):
    chain = chain_of(f"files:{tmp_path}, Yahoo,polygon,fmp", FMP_API_KEY="one", POLYGON_API_KEY="two")
    assert [provider.name for provider in chain] == ["files", "yahoo", "polygon", "fmp"]
    assert [provider.overlap_sessions is None for provider in chain] == [True, False, False, False]
    assert chain[2].declines("AAPL")
    assert chain[2].declines("AAPL270115C00200000") is None
    assert chain[3].declines("AAPL") is None


def test_a_source_without_its_key_is_left_out_with_a_line(tmp_path):
    named = f"files:{tmp_path},fmp,polygon"
    assert [provider.name for provider in chain_of(named, POLYGON_API_KEY="two")] == ["files", "polygon"]
    assert left_out(settings(named, POLYGON_API_KEY="two")) == ["fmp: no key, left out (set FMP_API_KEY)"]
    assert left_out(settings("yahoo")) == []
    with pytest.raises(UserError, match=r"no source of market data: fmp: no key, left out \(set FMP_API_KEY\); or set"):
        chain_of("fmp")


@pytest.mark.parametrize("setting", [",", " , "])
def test_no_source_at_all_says_what_to_set(setting):
    with pytest.raises(UserError, match="no source of market data: set AFTERCLOSE_PROVIDERS to some of yahoo, fmp"):
        chain_of(setting)


@pytest.mark.parametrize("name", ["bloomberg", "file:data", "../data", "yahoo:x"])
def test_a_source_that_is_not_here_is_refused(name):
    with pytest.raises(UserError, match="is not a source that this version has; there are yahoo, fmp, polygon and"):
        chain_of(name)


def test_a_live_source_is_named_once():
    with pytest.raises(UserError, match="AFTERCLOSE_PROVIDERS: fmp is named 2 times"):
        chain_of("fmp,FMP")


def test_a_missing_folder_says_which_there_are(tmp_path):
    (tmp_path / "market").mkdir()
    (tmp_path / "prices.csv").touch()
    with pytest.raises(UserError, match=rf"{tmp_path}/markt/x is not a folder; {tmp_path} has the folders market$"):
        chain_of(f"files:{tmp_path}/market,files:{tmp_path}/markt/x")
    with pytest.raises(UserError, match=r"prices\.csv is not a folder"):
        chain_of(f"files:{tmp_path / 'prices.csv'}")
    with pytest.raises(UserError, match="files needs a folder"):
        chain_of("files:")


def test_each_message_is_one_line():
    for setting in (",", "fmp", "other", "files:", f"files:{Path('/nowhere/at/all')}"):
        with pytest.raises(UserError) as refusal:
            chain_of(setting)
        assert "\n" not in str(refusal.value)
