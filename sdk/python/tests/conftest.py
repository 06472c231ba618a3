"""Both ways to play the host for a plugin in this process."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from outboard import NewEvent, Plugin
from outboard.testing import Host

Open = Callable[[Plugin], Host]


@pytest.fixture(params=["local", "serving"])
def play(request: pytest.FixtureRequest) -> Iterator[Open]:
    """Plays the host for a plugin, without gRPC and with it."""
    hosts: list[Host] = []

    def start(app: Plugin) -> Host:
        host = Host.local(app) if request.param == "local" else Host.serving(app)
        hosts.append(host)
        return host

    yield start
    for host in hosts:
        host.close()


def event(kind: str = "story.post", data: object = None) -> NewEvent:
    return NewEvent(kind, data, source="storyboard")
