"""What the tests of producers share: a host with one producer, and what its other side got."""

from __future__ import annotations

import functools
import json
import os
import signal
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from running_host import BIN, RunningHost, wait_for

QUICK = {"initial": "50ms", "max": "200ms"}


class ProducingHost(RunningHost):
    """One route to a producer, in order of the subject."""

    def __init__(self, folder: Path, name: str, config: dict[str, Any], *, retry: dict[str, Any] | None = None,
                 plugin: dict[str, Any] | None = None, **more: Any) -> None:
        self.name = name
        entry = {"name": name, "run": [str(BIN / f"outboard-{name}-producer")], "config": config, "restart": QUICK,
                 "circuit": {"crashes": 50}, **(plugin or {})}
        route = {"name": "all", "source": {"service": "storyboard"}, "delivery": {"order_by": "subject"},
                 "to": [name], "retry": {**QUICK, **(retry or {})}}
        super().__init__(folder, plugins=[entry], routes=[route], **more)

    def check_fails(self) -> str:
        """What `outboard check` says about the config, which it refuses."""
        done = subprocess.run([BIN / "outboard", "check", "--config", self.config], capture_output=True, text=True,
                              timeout=60, check=False)
        assert done.returncode == 2, done.stdout + done.stderr
        return done.stdout + done.stderr

    def wait_done(self, count: int) -> None:
        wait_for(f"{count} are done", lambda: int(self.lane(f"all/{self.name}")["done"]) >= count, 120)

    def kill_producer(self) -> None:
        [pid] = wait_for("the producer runs", self._working)
        os.kill(pid, signal.SIGKILL)
        wait_for("it was started again", lambda: self._working() not in ([], [pid]))

    def _working(self) -> list[int]:
        """The process that gets events, and not the one that tries what a killed one had in hand."""
        return [int(instance["pid"]) for instance in self.plugin(self.name).get("instances", [])
                if int(instance.get("pid", 0)) > 0 and not instance.get("quarantine")]


def assert_conforms(name: str, config: dict[str, Any]) -> None:
    """`outboard conform` finds the producer robust, and no rule broken."""
    done = subprocess.run([BIN / "outboard", "conform", "--json", "--patience", "60", "--config", json.dumps(config),
                           BIN / f"outboard-{name}-producer"],
                          capture_output=True, text=True, timeout=300, check=False)
    assert done.stdout, done.stderr
    report = json.loads(done.stdout)
    assert [result for result in report["results"] if result["result"] == "failed"] == []
    assert report["grade"] == "robust"


def publish_and_kill(host: ProducingHost, batches: list[list[dict[str, Any]]],
                     arrived: Callable[[], int]) -> list[str]:
    """Publishes each batch, and kills the producer while it is on its way; gives the ids."""
    ids: list[str] = []
    with ThreadPoolExecutor(1) as publisher:
        for batch in batches:
            seen = arrived()
            published = publisher.submit(host.publish, batch)
            more_arrived = functools.partial(lambda before: arrived() > before, seen)
            wait_for("some of it arrived", more_arrived)
            host.kill_producer()
            ids += published.result()
    host.wait_idle(f"all/{host.name}")
    return ids


def assert_order(numbers: list[int], keys: int) -> None:
    """The first of each number, in the order of publishing within its key."""
    first = list(dict.fromkeys(numbers))
    for key in range(keys):
        of_key = [number for number in first if number % keys == key]
        assert of_key == sorted(of_key)
