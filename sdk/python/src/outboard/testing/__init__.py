"""Tests of a plugin without a host.

    from outboard import NewEvent
    from outboard.testing import Host

    def test_greets() -> None:
        with Host.local(app) as host, host.open("greet") as session:
            [answer] = session.handle(NewEvent("story.post", {"title": "Hello"}))
            assert answer.outcome == "DONE"

`Host.local` runs the plugin in this process without gRPC, `Host.serving` with gRPC over a unix
socket, `Host.launch` starts a program as the host would, `Host.at` dials one that runs.
"""

from outboard.testing._host import Host, Process
from outboard.testing._links import Status
from outboard.testing._session import Answer, TestSession

__all__ = ["Answer", "Host", "Process", "Status", "TestSession"]
