"""The catalogue: every table that people read is described, column by column, and leads to somebody who reads it."""

import json

import pytest

from nightly import cli
from nightly.dbt.runner import Dbt

CONSUMERS = {"api_snapshot", "api_positions", "api_betas", "api_factors", "api_correlations", "api_stress_tests"}


@pytest.fixture
def manifest(night):
    manifest = Dbt(night.database, night.settings.home / "dbt")._manifest
    manifest.build_parent_and_child_maps()
    return manifest


def test_every_column_of_the_published_tables_is_described(night, manifest):
    described = {
        (node.identifier if node.resource_type == "source" else node.alias): node
        for node in (*manifest.nodes.values(), *manifest.sources.values())
        if node.resource_type in ("model", "seed", "source") and node.schema == "analytics"
    }
    columns = night.rows(
        "select table_name::text, column_name::text from information_schema.columns where table_schema = 'analytics'"
    )
    assert len({table for table, _ in columns}) >= 27
    without_words = [table for table in {table for table, _ in columns} if not described[table].description.strip()]
    assert without_words == []
    said = {
        (table, column.name)
        for table, node in described.items()
        for column in node.columns.values()
        if column.description.strip()
    }
    assert said == set(columns), "columns without a description, or descriptions without a column"


def test_every_source_and_every_test_of_the_project_is_described(manifest):
    assert [each.unique_id for each in manifest.sources.values() if not each.description.strip()] == []
    in_files_of_their_own = [
        node for node in manifest.nodes.values() if node.resource_type == "test" and not hasattr(node, "test_metadata")
    ]
    assert len(in_files_of_their_own) >= 24
    assert [node.name for node in in_files_of_their_own if len(node.description.split("; ")) < 2] == []


def test_what_is_published_is_public_and_the_rest_is_private(manifest):
    models = [node for node in manifest.nodes.values() if node.resource_type == "model"]
    assert {(model.name, str(model.access)) for model in models} == {
        (model.name, "public" if model.schema == "analytics" else "private") for model in models
    }
    assert {model.group for model in models} == {"nightly_batch"}


def test_every_model_says_what_a_row_is_and_proves_it(manifest):
    models = {node.unique_id: node for node in manifest.nodes.values() if node.resource_type == "model"}
    assert [model.name for model in models.values() if "One row per" not in model.description] == []
    proven = {
        test.attached_node
        for test in manifest.nodes.values()
        if test.resource_type == "test"
        and hasattr(test, "test_metadata")
        and test.test_metadata.name in ("unique", "unique_together")
    }
    assert {models[unique_id].name for unique_id in models.keys() - proven} == set()


def test_lineage_leads_from_the_inputs_to_everyone_who_reads(manifest):
    exposures = {exposure.name: exposure for exposure in manifest.exposures.values()}
    assert set(exposures) >= CONSUMERS
    assert all(exposures[name].type == "application" and exposures[name].owner.name for name in CONSUMERS)

    def behind(unique_id: str) -> set[str]:
        found, waiting = set(), [unique_id]
        while waiting:
            parents = set(manifest.parent_map[waiting.pop()]) - found
            found |= parents
            waiting += parents
        return found

    published = {
        node.unique_id
        for node in (*manifest.nodes.values(), *manifest.sources.values())
        if node.resource_type in ("model", "seed", "source") and node.schema == "analytics"
    }
    read = set().union(*(behind(exposure.unique_id) for exposure in exposures.values() if exposure.type != "analysis"))
    assert published - read == set(), "tables that nobody reads"
    risk = {source.unique_id for source in manifest.sources.values() if source.source_name == "risk"}
    for name in CONSUMERS:
        assert behind(exposures[name].unique_id) & risk, name
    # from the inputs to what python_models reads, under whose name its tables are described
    assert {
        "source.afterclose.raw.positions",
        "source.afterclose.raw.market_data_cache",
        "model.afterclose.position_values",
        "model.afterclose.daily_returns",
    } <= behind(exposures["risk_analytics"].unique_id)
    assert all("risk_analytics" in manifest.sources[unique_id].source_description for unique_id in risk)


@pytest.mark.slow
def test_the_catalogue_is_made_beside_the_data(night, monkeypatch, capfd):
    for name, value in night.environment().items():
        monkeypatch.setenv(name, value)
    assert cli.main(["dbt", "--", "docs", "generate"]) == 0
    assert "Catalog written to" in capfd.readouterr().out
    target = night.settings.home / "dbt" / "nightly" / "target"
    catalogue = json.loads((target / "catalog.json").read_text())
    assert catalogue["errors"] is None
    tables = {node["metadata"]["name"] for kind in ("nodes", "sources") for node in catalogue[kind].values()}
    relations = "select relname::text from pg_class where relkind in ('r', 'v') and relnamespace = %s::regnamespace"
    published = {name for (name,) in night.rows(relations, "analytics")}
    assert published <= tables
    assert (target / "index.html").is_file()
