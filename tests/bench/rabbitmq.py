"""Benchmarks of the RabbitMQ bus, each beside a bare rabbitmq-c client that does the same on the same broker.

Which of the two goes first alternates from run to run.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hosting import (
    ROOT,
    BenchError,
    Host,
    cpp_worker,
    cpu_seconds,
    memory_mib,
    paused,
    python_worker,
    wait_for,
)
from measures import Figures, Observed, Setting, watch

sys.path.insert(0, str(ROOT / "tests" / "broker"))
from broker import Broker

EXCHANGE = "outboard.all"
QUEUE = "outboard.bench.bench/bench"
SETTLE = 3.0  # Seconds that a queue gets at least to put what it has where it stays, until the broker is at rest.
AT_REST = 0.05  # Of a core.


class Stage:
    """A broker, a queue on it, and who fills and drains it."""

    def __init__(self, setting: Setting, folder: Path, broker: Broker, queue_type: str) -> None:
        self.events = min(setting.events, 300_000)
        self.binaries, self.folder, self.port = setting.binaries, folder, broker.port
        self.vhost = broker.new_vhost()
        self.broker_pid = int(broker.evaluate("os:getpid()").strip('"'))
        self.bus = {"kind": "rabbitmq", "url": broker.url(self.vhost), "queue_type": queue_type}
        with Host(self.binaries, folder / "declares", [paused(self.binaries)], bus=self.bus) as host:
            host.wait_ready()
            host.stop()

    def start_bare(self, *words: str) -> subprocess.Popen[str]:
        return subprocess.Popen([str(self.binaries / "bench_amqp"), "--port", str(self.port), "--vhost", self.vhost,
                                 "--events", str(self.events), *words], stdout=subprocess.PIPE, text=True)

    def end_bare(self, process: subprocess.Popen[str]) -> dict[str, Any]:
        said = process.communicate(timeout=300)[0]
        if process.returncode != 0:
            raise BenchError(f"bench_amqp: exit code {process.returncode}")
        return dict(json.loads(said))

    def bare_publish(self) -> dict[str, Any]:
        return self.end_bare(self.start_bare("--do", "publish", "--exchange", EXCHANGE))

    def publish_settled(self) -> None:
        self.bare_publish()
        time.sleep(SETTLE)

        def at_rest() -> bool:
            before = cpu_seconds(self.broker_pid)
            time.sleep(0.5)
            return cpu_seconds(self.broker_pid) - before < AT_REST * 0.5

        wait_for("the broker is at rest", at_rest, 60)

    def start_consumer(self) -> subprocess.Popen[str]:
        return self.start_bare("--do", "consume", "--queue", QUEUE)

    @contextmanager
    def host(self, worker: dict[str, Any]) -> Iterator[Host]:
        for name in ("first", "last"):
            (self.folder / f"report.{name}").unlink(missing_ok=True)
        with Host(self.binaries, self.folder, [worker], bus=self.bus) as host:
            yield host
            host.stop()

    def watch(self, host: Host) -> Observed:
        """Until all is answered: a broker is asked for its count once a second only."""
        return watch(host, ended=lambda lane: bool(lane.done >= self.events))

    def worker(self) -> dict[str, Any]:
        return cpp_worker(self.binaries, self.folder, self.events)


@contextmanager
def stage(setting: Setting, queue_type: str) -> Iterator[Stage]:
    with Broker() as broker, setting.fresh() as folder:
        yield Stage(setting, folder, broker, queue_type)


def pair(setting: Setting, bare: Callable[[], Any], ours: Callable[[], Any]) -> tuple[Any, Any]:
    """Both, one after the other; the results in the order of the arguments."""
    if setting.turn % 2 == 0:
        first = bare()
        return first, ours()
    second = ours()
    return bare(), second


def drain(setting: Setting, queue_type: str) -> Figures:
    """A settled queue is drained by one consumer."""
    with stage(setting, queue_type) as s:

        def bare() -> dict[str, Any]:
            s.publish_settled()
            return s.end_bare(s.start_consumer())

        def ours() -> Observed:
            s.publish_settled()
            with s.host(s.worker()) as host:
                return s.watch(host)

        alone, seen = pair(setting, bare, ours)
    return {"of a bare client": alone["seconds"] / seen.seconds, "events/s": s.events / seen.seconds,
            "bare events/s": s.events / alone["seconds"], "host us/event": seen.host_cpu / s.events * 1e6,
            "worker us/event": seen.worker_cpu / s.events * 1e6, "bare us/event": alone["cpu"] / s.events * 1e6}


def flow(setting: Setting, queue_type: str) -> Figures:
    """A bare publisher with confirms publishes as fast as it can while one consumer consumes."""
    with stage(setting, queue_type) as s:

        def bare() -> float:
            consumer = s.start_consumer()
            begin = time.monotonic()
            s.bare_publish()
            s.end_bare(consumer)
            return time.monotonic() - begin

        def ours() -> float:
            with s.host(s.worker()) as host:
                host.wait_ready()
                begin = time.monotonic()
                s.bare_publish()
                s.watch(host)
                return time.monotonic() - begin

        alone, with_host = pair(setting, bare, ours)
    return {"of a bare client": alone / with_host, "events/s": s.events / with_host, "bare events/s": s.events / alone}


def python(setting: Setting) -> Figures:
    """A settled quorum queue is drained by one Python worker with a plain function."""
    with stage(setting, "quorum") as s:
        s.publish_settled()
        with s.host(python_worker("plain", s.folder)) as host:
            seen = s.watch(host)
    return {"events/s": s.events / seen.seconds, "both us/event": (seen.host_cpu + seen.worker_cpu) / s.events * 1e6,
            "host us/event": seen.host_cpu / s.events * 1e6}


def publish(setting: Setting) -> Figures:
    """One stream publishes through the host to a quorum queue, beside a bare publisher with confirms."""
    with stage(setting, "quorum") as s:

        def ours() -> tuple[float, float]:
            with s.host(paused(s.binaries)) as host:
                host.wait_ready()
                cpu = cpu_seconds(host.pid)
                published = host.publish(s.events)
                return (published["end"] - published["begin"]) / 1e9, cpu_seconds(host.pid) - cpu

        alone, (seconds, cpu) = pair(setting, s.bare_publish, ours)
    return {"of a bare client": alone["seconds"] / seconds, "events/s": s.events / seconds,
            "bare events/s": s.events / alone["seconds"], "host us/event": cpu / s.events * 1e6,
            "bare us/event": alone["cpu"] / s.events * 1e6}


def memory(setting: Setting) -> Figures:
    """The host's memory while a backlog of any size grows in a quorum queue and its plugin takes nothing."""
    with stage(setting, "quorum") as s:
        s.events = setting.events
        with s.host(paused(s.binaries)) as host:
            host.pause()
            time.sleep(SETTLE)
            idle = memory_mib(host.pid)
            s.bare_publish()
            # The broker is asked for its count once a second only.
            wait_for("all are queued", lambda: host.lane().backlog >= s.events, 60)
            queued = memory_mib(host.pid)
    return {"idle MiB": idle["rss"], "more when queued MiB": queued["rss"] - idle["rss"],
            "more anonymous MiB": queued["anonymous"] - idle["anonymous"], "peak MiB": queued["peak"]}
