"""On both buses exactly the events that kill their plugin are convicted, and no innocent pays for it.

The load is paced and goes on while plugins die. Sizes by environment: OUTBOARD_CONVICTION_EVENTS (100000 is the full
size), OUTBOARD_CONVICTION_RATE (events a second), OUTBOARD_OUTSIDE_KILLS (200).
"""

from __future__ import annotations

import bisect
import contextlib
import datetime
import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import grpc
import pytest
from broker import Broker
from outboard.event.v1 import event_pb2
from outboard.host.v1 import publisher_pb2
from running_host import Ledger, RunningHost, faulty

EVENTS = int(os.environ.get("OUTBOARD_CONVICTION_EVENTS", "15000"))
RATE = int(os.environ.get("OUTBOARD_CONVICTION_RATE", "5000"))
KILLS = int(os.environ.get("OUTBOARD_OUTSIDE_KILLS", "30"))
DEATHS = ["segv", "exit:0", "oom:1g"]
MEMORY = 128  # MiB that the plugin may take.
KILLERS = 10
WINDOW = 256
BATCH = 100
KEYS = 50
SLACK = 1.0  # seconds, of a machine that others use too

ROUTE = {"name": "all", "source": {"service": "storyboard"}, "to": ["faulty"]}


@pytest.fixture(params=["embedded", "rabbitmq"])
def bus(request: pytest.FixtureRequest) -> Iterator[dict[str, Any]]:
    if request.param == "embedded":
        yield {"kind": "embedded"}
        return
    with Broker() as broker:
        yield {"kind": "rabbitmq", "url": broker.url(broker.new_vhost())}


def positions() -> list[int]:
    """Nine spread over all but the end, which has the last one's control; the tenth in the window of the fifth."""
    spread = [EVENTS * (i + 1) // KILLERS for i in range(KILLERS - 1)]
    return sorted([*spread, spread[4] + WINDOW // 8])


def make(number: int, death: str | None = None) -> event_pb2.Event:
    made = event_pb2.Event(id=f"e{number}", source="storyboard", spec_version="1.0", type="story.post",
                           binary_data=b"x" * 100)
    if death is not None:
        made.attributes["faulty"].ce_string = death
    return made


class Publisher:
    def __init__(self, host: RunningHost) -> None:
        self.published: list[str] = []
        self.confirmed_at: list[float] = []
        self.call = grpc.insecure_channel(f"unix:{host.socket}").unary_unary(
            "/outboard.host.v1.PublisherService/Publish", publisher_pb2.PublishRequest.SerializeToString,
            publisher_pb2.PublishResponse.FromString)

    def publish(self, made: list[event_pb2.Event]) -> None:
        results = self.call(publisher_pb2.PublishRequest(events=made), timeout=60).results
        assert all(result.confirmed for result in results)
        self.published += [one.id for one in made]
        self.confirmed_at.append(time.time())


class Restarts:
    """What the host's log tells of the plugin's normal instances: from the end of a process until the next is ready."""

    def __init__(self, log: str) -> None:
        self.instance_of: dict[str, str] = {}  # By pid.
        self.gaps: list[tuple[str, float, float]] = []
        ended: dict[str, float] = {}
        for line in log.splitlines():
            said = re.search(r"^(\S+Z) .*(process started|plugin is ready|process ended).* instance=(\d+)\b", line)
            if not said:
                continue
            at, what, instance = datetime.datetime.fromisoformat(said[1]).timestamp(), said[2], said[3]
            if what == "process started":
                self.instance_of[line.split("pid=")[1].split()[0]] = instance
            elif what == "process ended":
                ended[instance] = at
            elif instance in ended:
                self.gaps.append((instance, ended.pop(instance), at))

    def alone(self) -> list[tuple[str, float, float]]:
        """Those during which every other instance was there."""
        return [gap for gap in self.gaps
                if not any(other[0] != gap[0] and other[1] < gap[2] and gap[1] < other[2] for other in self.gaps)]


def handled_by_others(restarts: Restarts, ledger: Ledger, publisher: Publisher) -> str:
    """While an instance is away and events come, the other one handles them; what was measured, for people."""
    normal = sorted((int(line[3]) / 1e6, restarts.instance_of[line[2]], int(line[0][1:]) % KEYS)
                    for line in ledger.lines() if line[2] in restarts.instance_of)
    times = [at for at, _, _ in normal]
    seen = 0
    for instance, ended, ready in restarts.alone():
        came = any(ended <= at <= (ended + ready) / 2 for at in publisher.confirmed_at)
        if not came:
            continue
        seen += 1
        meanwhile = normal[bisect.bisect_left(times, ended):bisect.bisect_right(times, ready)]
        assert any(by != instance for _, by, _ in meanwhile), f"nothing was handled while instance {instance} was away"
    assert seen > 0, "no instance was away alone while events came"
    last: dict[int, float] = {}
    longest = 0.0
    until = publisher.confirmed_at[-1]
    for at, _, key in normal:
        if at <= until:
            longest = max(longest, at - last.get(key, at))
            last[key] = at
    away = max(ready - ended for _, ended, ready in restarts.gaps)
    # What the publisher and the machine took besides is not the host's.
    stalled = max(later - earlier for earlier, later in pairwise(publisher.confirmed_at))
    assert longest <= away + stalled + SLACK, f"a key stopped for {longest:.1f} s, a restart took {away:.1f} s"
    return (f"longest gap of one of {KEYS} keys {longest * 1000:.0f} ms, longest restart {away * 1000:.0f} ms; "
            f"others went on in all {seen} restarts that an instance had alone")


def test_ten_killers_are_convicted_and_nobody_else_pays(
        tmp_path: Path, bus: dict[str, Any], say: Callable[[str], None]) -> None:
    ledger = Ledger(tmp_path / "ledger")
    killers = {at: DEATHS[i % len(DEATHS)] for i, at in enumerate(positions())}
    plugin = faulty("--ledger", str(ledger.path), "--ledger-sync", "none", "--ledger-time", instances=2,
                    max_in_flight=WINDOW, restart={"initial": "50ms", "max": "200ms"},
                    limits={"memory": f"{MEMORY}MiB"})
    with RunningHost(tmp_path, plugins=[plugin], routes=[ROUTE], bus=bus) as host:
        publisher = Publisher(host)
        begin = time.monotonic()
        for first in range(0, EVENTS, BATCH):
            publisher.publish([make(n, killers.get(n)) for n in range(first, first + BATCH)])
            time.sleep(max(0.0, begin + (first + BATCH) / RATE - time.monotonic()))
        took = time.monotonic() - begin
        host.wait_idle("all/faulty", 300)
        dead = host.dead()
        shown = {letter["event_id"]: host.command("dead", "show", str(letter["dead_id"])).stdout for letter in dead}
        lane, restarts = host.lane("all/faulty"), host.plugin("faulty").get("restarts", 0)
        assert host.stop() == 0
    measured = handled_by_others(Restarts(host.log_text()), ledger, publisher)
    say(f"\n{bus['kind']}: {EVENTS} events in {took:.1f} s, idle after {time.monotonic() - begin:.1f} s; "
        f"{len(dead)} convicted of {len(killers)}; {restarts} restarts; {measured}")
    assert {letter["event_id"] for letter in dead} == {f"e{at}" for at in killers}
    assert [letter["reason"] for letter in dead] == ["CRASHED"] * KILLERS
    for at, death in killers.items():
        how = {"segv": "killed by SIGSEGV", "exit:0": "exited with 0",
               "oom:1g": f"over its memory limit of {MEMORY} MiB"}[death]
        assert how in shown[f"e{at}"], shown[f"e{at}"]
    assert int(lane.get("retries", 0)) == 0
    assert {line[1] for line in ledger.lines()} == {"1"}, "nobody was charged an attempt"
    assert set(ledger.handled()) == set(publisher.published) - {f"e{at}" for at in killers}


def test_kills_from_outside_convict_nobody(
        tmp_path: Path, bus: dict[str, Any], say: Callable[[str], None]) -> None:
    ledger = Ledger(tmp_path / "ledger")
    plugin = faulty("--ledger", str(ledger.path), "--ledger-sync", "none", "--mode", "slow:1ms", instances=2,
                    max_in_flight=WINDOW, restart={"initial": "20ms", "max": "50ms"},
                    circuit={"crashes": 1000, "within": "60s", "trial_after": "1s"})
    done = 0
    with RunningHost(tmp_path, plugins=[plugin], routes=[ROUTE], bus=bus) as host:
        publisher = Publisher(host)
        while done < KILLS:
            if int(host.lane("all/faulty").get("backlog", 0)) < 1000:
                first = len(publisher.published)
                publisher.publish([make(n) for n in range(first, first + 3000)])
            # Not those that try suspects: twice the same event there is what convicts.
            for instance in host.plugin("faulty").get("instances", []):
                if int(instance.get("in_flight", 0)) == 0 or instance["state"] == "quarantine":
                    continue
                # The status may be of a moment before the last kill.
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(instance["pid"]), signal.SIGKILL)
                    done += 1
        host.wait_idle("all/faulty", 300)
        assert host.dead() == []
        say(f"\n{bus['kind']}: {done} kills of instances with events in hand, 0 convicted")
        assert host.stop() == 0
    assert {line[1] for line in ledger.lines()} == {"1"}
    assert set(ledger.handled()) == set(publisher.published)
