"""What the tests of this folder share: where their helpers are, and the buses that they run on."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "broker"))

from broker import Broker


@pytest.fixture(scope="module")
def broker_of_file() -> Iterator[Broker]:
    with Broker() as running:
        yield running


@pytest.fixture
def broker(broker_of_file: Broker) -> Broker:
    """One for the tests of a file, each of which has a vhost of its own; started anew where it died in the last one."""
    broker_of_file.start()
    return broker_of_file


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Shows the broker's log with what failed on it, as it is gone afterwards."""
    report = yield
    broker = getattr(item, "funcargs", {}).get("broker")
    if report.failed and broker is not None:
        report.sections.append(("the broker's log", broker.log_tail()))
    return report


@pytest.fixture(params=["embedded", "rabbitmq"])
def bus(request: pytest.FixtureRequest) -> Callable[[], dict[str, Any]]:
    """Makes the configuration of a fresh bus; a test that asks for it runs on both."""
    def made() -> dict[str, Any]:
        if request.param == "embedded":
            return {"kind": "embedded"}
        running: Broker = request.getfixturevalue("broker")
        return {"kind": "rabbitmq", "url": running.url(running.new_vhost())}

    return made
