"""Where the demo lives: a database of its own on the embedded server, fed by the bundled sample alone."""

from warehouse.settings import PROJECT_ROOT, Settings

DATABASE_NAME = "afterclose_demo"
SAMPLE = PROJECT_ROOT / "ingest" / "sample"


def demo_settings(settings: Settings) -> Settings:
    """The settings of the demo: the embedded server whatever DATABASE_URL says, and the sample as the only provider."""
    return settings.model_copy(update={"database_url": None, "providers": f"files:{SAMPLE.relative_to(PROJECT_ROOT)}"})
