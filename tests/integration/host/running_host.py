"""Runs the real host with real plugin processes, for the tests in this folder and in tests/chaos/host."""

from __future__ import annotations

import collections
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

ROOT = Path(__file__).resolve().parents[3]
BIN = Path(os.environ.get("OUTBOARD_BUILD", ROOT / "build" / "release")) / "bin"
PYTHON = ROOT / ".venv" / "bin" / "python"


def wait_for(what: str, condition: Callable[[], Any], timeout: float = 60.0) -> Any:
    """Polls until the condition is true, and gives its value; fails with `what` after the timeout.

    What takes long to ask, such as a status, is asked less often: it leaves two thirds of its core to what is tested.
    """
    end = time.monotonic() + timeout
    while True:
        asked = time.monotonic()
        value = condition()
        if value:
            return value
        now = time.monotonic()
        if now > end:
            raise AssertionError(f"not within {timeout:.0f} s: {what}")
        time.sleep(min(max(0.02, 2 * (now - asked)), 0.2))


def folder_for_sockets(folder: Path) -> Path:
    """Short, as a socket's path may have 107 bytes: that of this run of pytest, which removes it some runs later."""
    of_run = next((parent for parent in folder.parents if parent.name.startswith("pytest-")), Path("/tmp"))
    return of_run if len(str(of_run)) < 70 else Path("/tmp")


class Ledger:
    """The oracle outside of the host: what `outboard-faulty --ledger` wrote before it answered."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def lines(self) -> list[list[str]]:
        if not self.path.exists():
            return []
        text = self.path.read_bytes().decode()
        return [line.split() for line in text.split("\n")[:-1]]  # A torn last line was not answered.

    def size(self) -> int:
        """How many lines it has."""
        return self.path.read_bytes().count(b"\n") if self.path.exists() else 0

    def handled(self) -> collections.Counter[str]:
        return collections.Counter(line[0] for line in self.lines())


def resident(pid: int) -> int:
    """Its memory in MiB."""
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found
    return int(found.group(1)) // 1024


class RunningHost:
    """One host in a folder of its own. A context manager; the host is killed, not drained, at the end."""

    def __init__(
        self,
        folder: Path,
        *,
        plugins: list[dict[str, Any]],
        routes: list[dict[str, Any]],
        pipelines: list[dict[str, Any]] | None = None,
        ingress: list[dict[str, Any]] | None = None,
        bus: dict[str, Any] | None = None,
        host: dict[str, Any] | None = None,
        wrapper: list[str] | None = None,
        start_timeout: float = 30,
    ) -> None:
        """`wrapper` goes before the host's command line, and must exec it."""
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.socket = folder_for_sockets(folder) / f"outboard-test-{uuid.uuid4().hex[:12]}.sock"
        self.config = folder / "outboard.yaml"
        self.log = folder / "host.log"
        self.wrapper = wrapper or []
        self.start_timeout = start_timeout
        self.process: subprocess.Popen[bytes] | None = None
        settings = {
            "name": "test",
            "data": str(folder / "data"),
            "http": "",
            "admin_socket": str(self.socket),
            **(host or {}),
        }
        self.data = str(settings["data"])
        self._settings: dict[str, Any] = {
            "host": settings,
            "bus": bus or {"kind": "embedded"},
            "plugins": plugins,
            "routes": routes,
            **({"pipelines": pipelines} if pipelines else {}),
            **({"ingress": ingress} if ingress else {}),
        }
        self.write_config()

    def write_config(self, **sections: Any) -> None:
        """Writes the config file, with these sections in place of what they were."""
        self._settings |= sections
        self.config.write_text(json.dumps(self._settings, indent=1))  # JSON is YAML.

    # ---- The process ----

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*self.wrapper, BIN / "outboard", "serve", "--config", self.config],
                stderr=log,
                stdin=subprocess.DEVNULL,
                cwd=self.folder,
            )
        wait_for("the host answers", self._answers, self.start_timeout)

    def _answers(self) -> bool:
        assert self.process is not None
        if self.process.poll() is not None:
            raise AssertionError(f"the host ended with {self.process.returncode}:\n{self.log_text()[-4000:]}")
        return self.socket.exists() and self.command("status", "--json", check=False).returncode == 0

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self, timeout: float = 60) -> int:
        """Drains the host, and gives its exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.process is not None and self.process.poll() is None:
            self.kill()
        self.socket.unlink(missing_ok=True)
        self._remove_sockets_of_plugins()

    def _remove_sockets_of_plugins(self) -> None:
        """They are in /tmp where the path of the data is too long, and a killed host leaves them to the next one."""
        record = Path(self.data) / "run" / "launched"
        for line in record.read_text().splitlines() if record.exists() else []:
            kind, *words = line.split(" ", 3)
            if kind == "launcher" and words[2].startswith("/tmp/outboard-"):
                shutil.rmtree(words[2], ignore_errors=True)

    def log_text(self) -> str:
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    # ---- What a person would do ----

    def command(self, *words: str, check: bool = True, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [BIN / "outboard", *words, "--socket", str(self.socket)],
            capture_output=True,
            text=True,
            input=stdin,
            timeout=120,
            check=False,
        )
        if check:
            assert done.returncode == 0, f"outboard {' '.join(words)}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def status(self) -> dict[str, Any]:
        value: dict[str, Any] = json.loads(self.command("status", "--json").stdout)
        return value

    def lane(self, name: str) -> dict[str, Any]:
        for lane in self.status()["lanes"]:
            if lane["name"] == name:
                return dict(lane)
        raise AssertionError(f"no lane {name}")

    def plugin(self, name: str) -> dict[str, Any]:
        for plugin in self.status()["plugins"]:
            if plugin["name"] == name:
                return dict(plugin)
        raise AssertionError(f"no plugin {name}")

    def pids(self, plugin: str) -> list[int]:
        return [int(i["pid"]) for i in self.plugin(plugin).get("instances", []) if int(i.get("pid", 0)) > 0]

    def publish(self, events: list[dict[str, Any]]) -> list[str]:
        """Publishes; gives the ids that were confirmed."""
        confirmed = self.folder / f"confirmed-{uuid.uuid4().hex[:8]}"
        lines = "".join(json.dumps(event) + "\n" for event in events)
        self.command("publish", "--file", "-", "--confirmed-log", str(confirmed), stdin=lines)
        return confirmed.read_text().split()

    def publish_until_dead(self, controls: Iterator[dict[str, Any]], timeout: float = 60.0) -> list[str]:
        """Publishes controls until there is a dead letter, and gives their ids.

        A killer is convicted by a success after its trials, when all other events may be over.
        """
        ids: list[str] = []

        def convicted() -> bool:
            ids.extend(self.publish([next(controls)]))
            return bool(self.dead())

        wait_for("the conviction", convicted, timeout)
        return ids

    def dead(self, limit: int = 1000) -> list[dict[str, Any]]:
        listed = json.loads(self.command("dead", "list", "--json", "--limit", str(limit)).stdout)
        return list(listed.get("letters", []))

    def wait_idle(self, lane: str, timeout: float = 120) -> None:
        """Until the lane has nothing left to do, as counted from now on."""
        begin = time.monotonic()

        def idle() -> bool:
            asked = time.monotonic()
            now = self.lane(lane)
            counted = asked - float(now.get("counted_ago_seconds") or 0)
            return not now.get("uncounted") and counted >= begin and int(now.get("backlog", 0)) == 0

        wait_for(f"lane {lane} is idle", idle, timeout)


def event(number: int, *, kind: str = "story.post", **extra: Any) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": f"e{number}",
        "source": "storyboard",
        "type": kind,
        "subject": f"story/{number % 50}",
        "datacontenttype": "application/json",
        "data": {"number": number},
        **extra,
    }


def events(count: int, start: int = 0) -> Iterator[dict[str, Any]]:
    return (event(number) for number in range(start, start + count))


def faulty(*flags: str, name: str = "faulty", **more: Any) -> dict[str, Any]:
    """A plugin entry for outboard-faulty."""
    return {"name": name, "run": [str(BIN / "outboard-faulty"), *flags], **more}


def faulty_until(mended: Path, *flags: str, name: str = "faulty", **more: Any) -> dict[str, Any]:
    """One that a person mends in its place: it dies on every event until the file is there, then it has these flags."""
    program = shlex.quote(str(BIN / "outboard-faulty"))
    script = mended.with_name(f"{name}.sh")
    script.write_text(f"#!/bin/sh\nif [ -e {shlex.quote(str(mended))} ]; then exec {program} {shlex.join(flags)}; fi\n"
                      f"exec {program} --mode segv\n")
    script.chmod(0o755)
    return {"name": name, "run": [str(script)], **more}
