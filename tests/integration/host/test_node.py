"""The worker without an SDK, plugins/examples/node, under the real host."""

from __future__ import annotations

import os
import shutil
import signal
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from running_host import ROOT, RunningHost, events, wait_for

NODE = ROOT / "plugins" / "examples" / "node"
ROUTE = {"name": "all", "source": {"service": "storyboard"}, "to": ["node"]}

pytestmark = pytest.mark.skipif(
    shutil.which("node") is None or not (NODE / "node_modules").is_dir(),
    reason="needs node and `npm ci` in plugins/examples/node",
)


class NodeHost(RunningHost):
    def __init__(self, folder: Path, *, route: dict[str, Any] | None = None, instances: int = 1, **config: Any) -> None:
        self.file = folder / "node.ledger"
        plugin = {
            "name": "node",
            "run": ["node", str(NODE / "index.js")],
            "config": {"file": str(self.file), **config},
            "instances": instances,
            "restart": {"initial": "100ms", "max": "500ms"},
        }
        super().__init__(folder, plugins=[plugin], routes=[{**ROUTE, **(route or {})}])

    def lines(self) -> list[str]:
        return self.file.read_text().split("\n")[:-1] if self.file.exists() else []

    def written(self) -> Counter[str]:
        return Counter(line.split()[0] for line in self.lines())


def test_100_000_events_are_handled_once(tmp_path: Path) -> None:
    with NodeHost(tmp_path) as host:
        ids = host.publish(list(events(100_000)))
        host.wait_idle("all/node", 300)
        plugin = host.plugin("node")
        assert plugin["program"] == "node-ledger"
        assert int(plugin.get("restarts", 0)) == 0
        assert host.dead() == []
        assert host.stop() == 0
        assert len(ids) == 100_000
        assert host.written() == Counter(ids)


def test_a_killed_node_loses_nothing(tmp_path: Path) -> None:
    with NodeHost(tmp_path, instances=2) as host, ThreadPoolExecutor(1) as publisher:
        ids: list[str] = []
        for kills in range(1, 4):
            wait_for(
                "two are ready", lambda: [i["state"] for i in host.plugin("node")["instances"]].count("ready") == 2
            )
            victim = host.pids("node")[0]
            os.kill(victim, signal.SIGSTOP)  # So that what it gets cannot be answered before the kill.
            publishing = publisher.submit(host.publish, list(events(10_000, len(ids))))
            wait_for("it has events in hand", lambda: in_hand(host, victim) > 0)  # noqa: B023
            os.kill(victim, signal.SIGKILL)
            wait_for("the kill is seen", lambda: int(host.plugin("node").get("restarts", 0)) >= kills)  # noqa: B023
            ids += publishing.result()
        host.wait_idle("all/node", 300)
        assert host.dead() == []
        assert host.stop() == 0
        assert set(host.written()) == set(ids)


def in_hand(host: RunningHost, pid: int) -> int:
    return sum(int(i.get("in_flight", 0)) for i in host.plugin("node")["instances"] if int(i.get("pid", 0)) == pid)


def test_a_retry_comes_again_until_its_attempt_succeeds(tmp_path: Path) -> None:
    retry = {"max_attempts": 5, "initial": "50ms", "max": "100ms"}
    with NodeHost(tmp_path, route={"retry": retry}, fail_attempts=2) as host:
        ids = host.publish(list(events(5)))  # Too few for an outage: each is charged its attempts.
        host.wait_idle("all/node")
        assert host.dead() == []
        assert sorted(host.lines()) == sorted(f"{id} {attempt}" for id in ids for attempt in (1, 2, 3))


def test_an_event_that_fails_every_attempt_dies_with_what_node_said(tmp_path: Path) -> None:
    retry = {"max_attempts": 2, "initial": "50ms", "max": "100ms"}
    with NodeHost(tmp_path, route={"retry": retry}, fail_attempts=9) as host:
        host.publish(list(events(3)))
        wait_for("all are dead", lambda: len(host.dead()) == 3)
        assert {(letter["reason"], letter["attempts"]) for letter in host.dead()} == {("ASKED_TO_FAIL", 2)}


def test_a_drain_takes_every_answer_and_the_rest_comes_later(tmp_path: Path) -> None:
    with NodeHost(tmp_path) as host:
        ids = host.publish(list(events(20_000)))
        wait_for("it works", host.lines)
        assert host.stop() == 0
        assert "suspects" not in host.log_text()
        host.start()
        host.wait_idle("all/node", 300)
        assert host.stop() == 0
        assert host.written() == Counter(ids)
