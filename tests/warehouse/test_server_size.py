"""The embedded server's memory and log follow the machine."""

import pytest

from warehouse.server import sized_settings

GB = 2**30


@pytest.mark.parametrize(
    ("memory", "disk", "buffers", "wal"),
    [
        (1 * GB, 100 * GB, "128MB", "1024MB"),
        (8 * GB, 100 * GB, "512MB", "2048MB"),
        (24 * GB, 500 * GB, "1536MB", "6144MB"),
        (512 * GB, 4_000 * GB, "8192MB", "16384MB"),
        (24 * GB, 10 * GB, "1536MB", "1024MB"),
        (256 * 2**20, 1 * GB, "128MB", "128MB"),
    ],
)
def test_buffers_and_log_by_memory_and_disk(memory, disk, buffers, wal):
    settings = sized_settings(memory, disk)
    assert (settings["shared_buffers"], settings["max_wal_size"]) == (buffers, wal)
    assert int(settings["effective_cache_size"].removesuffix("MB")) >= int(buffers.removesuffix("MB"))
