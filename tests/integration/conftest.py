"""The order of the files: with several workers, what takes longest must not begin last."""

from __future__ import annotations

import pytest

# In seconds, on two cores. Those that are not here take less.
SECONDS = {
    "test_rabbitmq": 90,
    "test_conform": 65,
    "test_idle": 62,
    "test_hostile": 55,
    "test_stages": 33,
    "test_commands": 30,
    "test_remote": 28,
    "test_new": 25,
    "test_pipelines": 23,
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: -SECONDS.get(item.path.stem, 0))
