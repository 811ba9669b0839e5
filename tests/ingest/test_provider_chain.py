from pathlib import Path

import pytest

from ingest.provider_chain import provider_chain
from warehouse.errors import UserError


def test_folders_in_their_order_relative_absolute_home_and_with_spaces(tmp_path, monkeypatch):
    (tmp_path / "work" / "my prices").mkdir(parents=True)
    (tmp_path / "home" / "data").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path / "work")
    chain = provider_chain(f"files:my prices, files:~/data ,FILES:{tmp_path},files:../work")
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
    (provider,) = provider_chain("files:data", relative_to=tmp_path)
    assert provider.folder == tmp_path / "data"


@pytest.mark.parametrize("setting", ["", "  ", ",", " , "])
def test_no_source_at_all_says_what_to_set(setting):
    with pytest.raises(UserError, match="no source of market data: set AFTERCLOSE_PROVIDERS=files:DIR"):
        provider_chain(setting)


@pytest.mark.parametrize("name", ["yahoo", "fmp", "polygon", "file:data", "../data"])
def test_a_source_that_is_not_here_is_refused(name):
    with pytest.raises(
        UserError, match=f"'{name.partition(':')[0]}' is not a source that this version has; it has files"
    ):
        provider_chain(name)


def test_a_missing_folder_says_which_there_are(tmp_path):
    (tmp_path / "market").mkdir()
    (tmp_path / "prices.csv").touch()
    with pytest.raises(UserError, match=rf"{tmp_path}/markt/x is not a folder; {tmp_path} has the folders market$"):
        provider_chain(f"files:{tmp_path}/market,files:{tmp_path}/markt/x")
    with pytest.raises(UserError, match=r"prices\.csv is not a folder"):
        provider_chain(f"files:{tmp_path / 'prices.csv'}")
    with pytest.raises(UserError, match="files needs a folder"):
        provider_chain("files:")


def test_each_message_is_one_line():
    for setting in ("", "yahoo", "files:", f"files:{Path('/nowhere/at/all')}"):
        with pytest.raises(UserError) as refusal:
            provider_chain(setting)
        assert "\n" not in str(refusal.value)
