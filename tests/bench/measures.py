"""What the benchmarks of the embedded bus do, and which figures they give."""

from __future__ import annotations

import json
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hosting import (
    PYTHON,
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

Figures = dict[str, float]
POLL = 0.02


@dataclass
class Setting:
    """What all runs share."""

    binaries: Path
    folder: Path  # On the disk that is measured.
    events: int = 1_000_000
    turn: int = 0  # Number of the run.
    backlogs: dict[int, Path] = field(default_factory=dict)

    @contextmanager
    def fresh(self) -> Iterator[Path]:
        folder = Path(tempfile.mkdtemp(prefix="run-", dir=self.folder))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def backlog(self, events: int) -> Path:
        """A data folder with so many events queued for the worker; made once, copied for each run."""
        if events not in self.backlogs:
            folder = self.folder / f"backlog-{events}"
            with Host(self.binaries, folder, [paused(self.binaries)]) as host:
                host.pause()
                host.publish(events)
                if (queued := host.lane().backlog) != events:
                    raise BenchError(f"{queued} events are queued, not {events}")
                host.stop()
            self.backlogs[events] = folder / "data"
        return self.backlogs[events]


@dataclass
class Observed:
    """A lane that was watched until nothing was left in it."""

    seconds: float  # From the worker's first event until the last settlement was on disk.
    host_cpu: float  # Since the host's start: it may have begun before anybody could look.
    worker_cpu: float  # Since the worker's first event.
    peak: float  # Of the host's memory, in MiB.


def report(folder: Path, name: str) -> dict[str, Any]:
    return dict(json.loads((folder / f"report.{name}").read_text()))


def watch(host: Host, begun: Callable[[], bool] = lambda: True, timeout: float = 300,
          ended: Callable[[Any], bool] = lambda lane: bool(lane.backlog == 0)) -> Observed:
    """Waits until the lane has ended all after `begun`: is empty, where the bus counts at once."""
    first: dict[str, Any] | None = None
    end = time.monotonic() + timeout
    while True:
        if first is None and (host.folder / "report.first").exists():
            first = report(host.folder, "first")
        if first is not None and begun() and ended(host.lane()):
            break
        if time.monotonic() > end:
            raise BenchError(f"the lane is not empty after {timeout:.0f} s: {host.lane()}")
        time.sleep(POLL)
    over = time.monotonic_ns()
    return Observed((over - first["at"]) / 1e9, cpu_seconds(host.pid), cpu_seconds(first["pid"]) - first["cpu"],
                    memory_mib(host.pid)["peak"])


def rates(events: int, seen: Observed) -> Figures:
    return {"events/s": events / seen.seconds, "host us/event": seen.host_cpu / events * 1e6,
            "worker us/event": seen.worker_cpu / events * 1e6, "host peak MiB": seen.peak}


# ---- The benchmarks ----


def drain(setting: Setting, worker: Callable[[Path], dict[str, Any]], host: dict[str, Any] | None = None) -> Figures:
    """A host starts on a backlog and drains it through one worker process."""
    backlog = setting.backlog(setting.events)
    with setting.fresh() as folder:
        shutil.copytree(backlog, folder / "data")
        os.sync()
        with Host(setting.binaries, folder, [worker(folder)], host=host) as running:
            figures = rates(setting.events, watch(running))
            wait_for("every event was answered DONE", lambda: running.lane().done >= setting.events, 5)
            running.stop()
    return figures


def drain_cpp(setting: Setting) -> Figures:
    return drain(setting, lambda folder: cpp_worker(setting.binaries, folder, setting.events))


def overhead(setting: Setting) -> Figures:
    """The same drain with limits, sandbox and lineage, and with none of them; which goes first alternates."""

    def confined(folder: Path) -> dict[str, Any]:
        return {**cpp_worker(setting.binaries, folder, setting.events),
                "limits": {"memory": "1GiB", "cpu": os.cpu_count(), "processes": 100, "files": 1000},
                # As the host's user, so that it can write its report beside the host's files.
                "sandbox": {"user": f"{os.getuid()}:{os.getgid()}", "write": [str(folder)]}}

    def cpu(guarded: bool) -> float:
        figures = drain(setting, confined) if guarded else drain(
            setting, lambda folder: cpp_worker(setting.binaries, folder, setting.events), {"lineage": False})
        return figures["host us/event"] + figures["worker us/event"]

    first = setting.turn % 2 == 0
    took = {guarded: cpu(guarded) for guarded in (first, not first)}
    return {"of without": took[True] / took[False], "with us/event": took[True], "without us/event": took[False]}


def drain_python(setting: Setting) -> Figures:
    return drain(setting, lambda folder: python_worker("plain", folder))


def drain_async(setting: Setting) -> Figures:
    return drain(setting, lambda folder: python_worker("coroutine", folder))


def flow(setting: Setting) -> Figures:
    """One stream publishes while the worker consumes."""
    events = setting.events
    with setting.fresh() as folder:
        worker = cpp_worker(setting.binaries, folder, events)
        with Host(setting.binaries, folder, [worker]) as host:
            host.wait_ready()
            cpu = cpu_seconds(host.pid)
            published = host.publish(events)
            seen = watch(host, (folder / "report.last").exists)
            over = time.monotonic_ns()
            cpu = cpu_seconds(host.pid) - cpu
            host.stop()
    return {"events/s": events / ((over - published["begin"]) / 1e9),
            "published/s": events / ((published["end"] - published["begin"]) / 1e9),
            "host us/event": cpu / events * 1e6, "worker us/event": seen.worker_cpu / events * 1e6,
            "publisher us/event": published["cpu"] / events * 1e6}


def publish(setting: Setting) -> Figures:
    """One stream publishes; nobody consumes."""
    with setting.fresh() as folder, Host(setting.binaries, folder, [paused(setting.binaries)]) as host:
        host.pause()
        cpu = cpu_seconds(host.pid)
        published = host.publish(setting.events)
        cpu = cpu_seconds(host.pid) - cpu
        host.stop()
    return {"events/s": setting.events / ((published["end"] - published["begin"]) / 1e9),
            "host us/event": cpu / setting.events * 1e6}


def slow(setting: Setting) -> Figures:
    """Handlers that take 100 ms, in a Python worker with 8 threads."""
    events = 400
    backlog = setting.backlog(events)
    with setting.fresh() as folder:
        shutil.copytree(backlog, folder / "data")
        with Host(setting.binaries, folder, [python_worker("slow", folder)]) as host:
            seen = watch(host)
            host.stop()
    return {"events/s": events / seen.seconds}


def latency(setting: Setting) -> Figures:
    """1,000 events a second, from the call of Publish to the handler's first line, beside its control."""
    warm, measured = 500, 4000
    with setting.fresh() as folder:
        worker = cpp_worker(setting.binaries, folder, warm + measured, latency=True)
        with Host(setting.binaries, folder, [worker]) as host:
            host.wait_ready()
            calls = host.run("bench_latency", "--folder", folder, "--events", warm + measured)
            wait_for("the worker had all events", (folder / "report.last").exists, 60)
            host.stop()
        handled = report(folder, "last")["nanos"][warm:]
    if -1 in calls["answered"]:
        raise BenchError("a publish was not confirmed")
    series = {"": handled, "control ": calls["control"], "control's commit ": calls["commit"],
              "control's echo ": calls["echo"], "confirmed ": calls["answered"][warm:]}
    return {f"{name}{p} ms": percentile(values, part) / 1e6
            for name, values in series.items() for p, part in (("p50", 0.5), ("p99", 0.99))}


def memory(setting: Setting) -> Figures:
    """The host's own memory: idle with three plugins, and with a backlog for one that takes nothing."""
    plugins: list[dict[str, Any]] = [
        {"name": "audit", "run": [str(setting.binaries / "outboard-audit")], "config": {"path": "audit.jsonl"}},
        {"name": "notifier", "run": [str(PYTHON), str(ROOT / "plugins" / "notifier" / "main.py")],
         "config": {"database": "notifications.db"}},
        paused(setting.binaries)]
    none = {"audit": ["none"], "notifier": ["timeline_event.#"]}
    with setting.fresh() as folder, Host(setting.binaries, folder, plugins, none) as host:
        host.pause()
        time.sleep(3)
        idle = memory_mib(host.pid)
        host.publish(setting.events)
        time.sleep(3)
        queued = memory_mib(host.pid)
        waiting = host.lane().backlog
        host.stop()
    if waiting < setting.events * 0.99:
        raise BenchError(f"only {waiting} of {setting.events} events are queued")
    return {"idle MiB": idle["rss"], "idle anonymous MiB": idle["anonymous"], "idle of files MiB": idle["file"],
            "more when queued MiB": queued["rss"] - idle["rss"],
            "more anonymous MiB": queued["anonymous"] - idle["anonymous"],
            "more of files MiB": queued["file"] - idle["file"], "peak MiB": queued["peak"]}


def percentile(values: list[float], part: float) -> float:
    return sorted(values)[int(part * (len(values) - 1))]


def fdatasync_ms(folder: Path, count: int = 300) -> Figures:
    """How long this disk takes to make 4 KiB durable."""
    took = []
    with (folder / "sync").open("wb") as file:
        for _ in range(count):
            file.write(b"x" * 4096)
            file.flush()
            begin = time.monotonic_ns()
            os.fdatasync(file.fileno())
            took.append((time.monotonic_ns() - begin) / 1e6)
    return {"p50 ms": statistics.median(took), "p99 ms": percentile(took, 0.99)}
