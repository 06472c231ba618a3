"""One host under measurement, in a folder of its own, and what /proc tells of its processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

import grpc
from outboard.host.v1 import admin_pb2

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
PYTHON = ROOT / ".venv" / "bin" / "python"
LANE = "bench/bench"
TICKS = os.sysconf("SC_CLK_TCK")
ENDED = "the host ended with {code}; the end of its log:\n{log}"


class BenchError(Exception):
    """What went wrong in a run, for people."""


def cpu_seconds(pid: int) -> float:
    """User and system time of a process, all its threads; in steps of a tick, 10 ms as a rule."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def memory_mib(pid: int) -> dict[str, float]:
    """Resident memory of one process: whole, anonymous, of files, and the most it was."""
    wanted = {"VmRSS": "rss", "RssAnon": "anonymous", "RssFile": "file", "VmHWM": "peak"}
    found = {}
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        key, _, value = line.partition(":")
        if key in wanted:
            found[wanted[key]] = int(value.split()[0]) / 1024
    return found


def wait_for(what: str, condition: Callable[[], Any], timeout: float, pause: float = 0.02) -> Any:
    """Polls until the condition is true, and gives its value."""
    end = time.monotonic() + timeout
    while not (value := condition()):
        if time.monotonic() > end:
            raise BenchError(f"not within {timeout:.0f} s: {what}")
        time.sleep(pause)
    return value


class Host:
    """The host with these plugins on one route per plugin. A context manager; killed at the end if still there."""

    def __init__(self, binaries: Path, folder: Path, plugins: list[dict[str, Any]],
                 events: dict[str, list[str]] | None = None, bus: dict[str, Any] | None = None,
                 stages: list[dict[str, Any]] | None = None, pipeline: list[str] | None = None,
                 order_by: str = "", host: dict[str, Any] | None = None) -> None:
        """`events`: patterns on the type for a plugin's route; none: all. `bus`: another than the embedded one.
        `stages`: plugins in front of each target. `pipeline`: plugins that are the stages of pipeline "bench".
        `order_by`: of each route. `host`: settings of the host beside name, folder and sockets."""
        folder.mkdir(parents=True, exist_ok=True)
        self.binaries, self.folder = binaries, folder
        self.socket = folder / "admin"
        self.log = folder / "host.log"
        self.process: subprocess.Popen[bytes] | None = None
        self.pid = 0
        routes = [{"name": plugin["name"], "source": {"events": (events or {}).get(plugin["name"], ["#"])},
                   "stages": [stage["name"] for stage in stages or []], "to": [plugin["name"]],
                   **({"delivery": {"order_by": order_by}} if order_by else {})} for plugin in plugins]
        if pipeline:
            routes = []
        # JSON is YAML.
        (folder / "outboard.yaml").write_text(json.dumps({
            "host": {"name": "bench", "data": str(folder / "data"), "http": "", "admin_socket": str(self.socket),
                     **(host or {})},
            "bus": bus or {"kind": "embedded", "synchronous": "full"},
            "plugins": [*plugins, *(stages or [])], "routes": routes,
            "pipelines": [{"name": "bench", "stages": pipeline}] if pipeline else []}, indent=1))

    def __enter__(self) -> Host:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen([self.binaries / "outboard", "serve", "--config",
                                             self.folder / "outboard.yaml"], stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=log, cwd=self.folder)
        self.pid = self.process.pid
        # The socket is not there yet: look for it often, so that what the host does is seen from the begin.
        self.channel = grpc.insecure_channel(f"unix:{self.socket}", [(f"grpc.{which}_reconnect_backoff_ms", 50)
                                                                     for which in ("initial", "min", "max")])
        self.get_status = self.channel.unary_unary(
            "/outboard.host.v1.AdminService/GetStatus",
            request_serializer=admin_pb2.GetStatusRequest.SerializeToString,
            response_deserializer=admin_pb2.GetStatusResponse.FromString)
        wait_for("the host answers", self.status, 60)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.channel.close()
        assert self.process is not None
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def stop(self) -> None:
        """Drains the host and waits for its end."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        if (code := self.process.wait(60)) != 0:
            raise BenchError(ENDED.format(code=code, log=self.tail()))

    def tail(self) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-15:])

    def status(self) -> Any:
        """The host's status; nothing where it does not answer yet."""
        assert self.process is not None
        if (code := self.process.poll()) is not None:
            raise BenchError(ENDED.format(code=code, log=self.tail()))
        try:
            return self.get_status(admin_pb2.GetStatusRequest(), timeout=5)
        except grpc.RpcError:
            return None

    def lane(self, name: str = LANE) -> Any:
        status = wait_for("the host answers", self.status, 30)
        return next(lane for lane in status.lanes if lane.name == name)

    def wait_ready(self) -> None:
        """Until every plugin has an instance that is ready."""
        def ready() -> bool:
            status = self.status()
            return status is not None and all(any(i.state == "ready" for i in p.instances) for p in status.plugins)
        wait_for(f"all plugins are ready; see {self.log}", ready, 60)

    def publish(self, events: int) -> dict[str, Any]:
        """Publishes with bench_publish; what it printed."""
        return self.run("bench_publish", "--events", events)

    def pause(self) -> None:
        """Gives the paused() plugin the event at which it closes its window."""
        self.wait_ready()
        self.publish(1)
        wait_for("the first event is handled", lambda: self.lane().backlog == 0, 30)

    def run(self, program: str, *words: object) -> dict[str, Any]:
        """Runs a program of ours against this host; the JSON that it printed."""
        done = subprocess.run([str(self.binaries / program), "--socket", str(self.socket), *map(str, words)],
                              capture_output=True, text=True, timeout=600, check=False)
        if done.returncode != 0:
            raise BenchError(f"{program}: exit code {done.returncode}\n{done.stderr}{self.tail()}")
        return dict(json.loads(done.stdout))


def cpp_worker(binaries: Path, folder: Path, events: int, latency: bool = False) -> dict[str, Any]:
    return {"name": "bench", "run": [str(binaries / "bench_worker"), "--report", str(folder / "report"), "--events",
                                     str(events), "--latency", "1" if latency else "0"]}


def python_worker(kind: str, folder: Path) -> dict[str, Any]:
    return {"name": "bench", "run": [str(PYTHON), str(HERE / "worker.py"), kind, str(folder / "report")]}


def paused(binaries: Path) -> dict[str, Any]:
    """Takes the worker's place while a backlog is made: closes its window at the first event."""
    return {"name": "bench", "run": [str(binaries / "outboard-faulty"), "--mode", "pause"]}
