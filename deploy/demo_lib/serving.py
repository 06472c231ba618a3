"""The host's process: its config, start, status and end."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from paths import SAMPLES, shown

Json = dict[str, Any]
START_SECONDS = 60.0
STOP_SECONDS = 40.0  # The host's drain_timeout is 20 s.
FIRST_PORT = 8080
PORTS = 100
NAME = "tracker"
TAIL = 15
PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None)


class HostError(Exception):
    """Says what is wrong with the host, with its last lines."""


def end_with_us() -> None:
    """In a child, before its program starts: it gets SIGTERM when the demo dies without a chance to end it."""
    _LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


def free_port(first: int = FIRST_PORT) -> int:
    """The first free port from 8080, or `first`, on. Another program may take it before the host does."""
    for port in range(first, FIRST_PORT + PORTS):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise HostError(f"no free port from {FIRST_PORT} to {FIRST_PORT + PORTS - 1}; end something that listens there")


class Host:
    """One `outboard serve` in the folder, from start to drained."""

    def __init__(self, programs: Path, folder: Path) -> None:
        self._outboard = programs / "outboard"
        self._programs = programs
        self._log = folder / "host.log"
        self._config = folder / "outboard.yaml"
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self.name = NAME
        self.port = 0

    # ---- Start ----

    def start(self, stopped: Callable[[], bool]) -> None:
        """Returns when it answers, or when `stopped`. The plugins may still be starting."""
        for program in ("outboard", "outboard-launcher", "outboard-audit"):
            if not os.access(self._programs / program, os.X_OK):
                raise HostError(f"{shown(self._programs)} has no program {program}; leave out --bin, or build it")
        self.name = self._free_name()
        self._write_config()
        self.port = free_port()
        while not self._start_at(self.port, stopped):
            self.port = free_port(self.port + 1)

    def _start_at(self, port: int, stopped: Callable[[], bool]) -> bool:
        """As start. False: another program took the port meanwhile."""
        said_before = self._log.stat().st_size if self._log.exists() else 0
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [self._outboard, "serve", "--config", self._config], stdin=subprocess.DEVNULL, stdout=log,
                stderr=subprocess.STDOUT, env={**os.environ, "OUTBOARD_DEMO_PORT": str(port)},
                start_new_session=True, preexec_fn=end_with_us)  # Ctrl-C is for the demo, which ends the host in order.
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end and not stopped():
            if self._process.poll() is not None:
                said = self._log.read_bytes()[said_before:]
                if f"port {port} at 127.0.0.1 is taken".encode() in said:
                    return False
                raise HostError(f"the host did not start (exit code {self._process.returncode}); {self.tail()}")
            if self.status() is not None:
                return True
            time.sleep(0.1)
        if not stopped():
            raise HostError(f"the host does not answer; {self.tail()}")
        return True

    def _free_name(self) -> str:
        """Another host of this name may run on this machine, and is not to be taken for ours."""
        for name in (NAME, *(f"{NAME}-{n}" for n in range(2, 20))):
            if self._call("status", name=name)[0] == 3:
                return name
        raise HostError(f"hosts named {NAME} to {NAME}-19 run already; end one")

    def _write_config(self) -> None:
        """A copy of the sample, as deep in the tree, so that relative paths stay true."""
        text = (SAMPLES / "tracker.yaml").read_text()
        text = text.replace("../../build/release/bin", str(self._programs))
        text = text.replace("../../build/demo", ".").replace(f"name: {NAME}\n", f"name: {self.name}\n")
        self._config.write_text(text)

    # ---- While it runs ----

    def command(self, *words: str) -> list[str]:
        return [str(self._outboard), *words, "--name", self.name]

    def status(self) -> Json | None:
        """None: it does not answer, or it is not ours."""
        assert self._process is not None
        code, answer = self._call("status")
        return answer if code == 0 and answer is not None and answer.get("pid") == self._process.pid else None

    def dead(self, lane: str) -> set[str]:
        """Ids of the events that this lane gave up."""
        ids: set[str] = set()
        after = 0
        while True:
            _, answer = self._call("dead", "list", "--lane", lane, "--limit", "1000", "--after", str(after))
            letters = (answer or {}).get("letters", [])
            if not letters:
                return ids
            ids |= {letter["event_id"] for letter in letters}
            after = letters[-1]["dead_id"]

    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def tail(self) -> str:
        """Its last lines."""
        lines = self._log.read_text(errors="replace").splitlines() if self._log.exists() else []
        return f"the last lines of {shown(self._log)}:\n" + "\n".join(f"  {line}" for line in lines[-TAIL:])

    def _call(self, *words: str, name: str = "") -> tuple[int, Json | None]:
        command = [str(self._outboard), *words, "--json", "--name", name or self.name]
        try:
            said = subprocess.run(command, capture_output=True, text=True, timeout=10, start_new_session=True,
                                  check=False)
        except subprocess.TimeoutExpired:
            return 1, None
        try:
            return said.returncode, json.loads(said.stdout)
        except ValueError:
            return said.returncode, None

    # ---- End ----

    def drain(self) -> None:
        """Asks it to end in order."""
        if self.running():
            assert self._process is not None
            self._process.send_signal(signal.SIGTERM)

    def wait(self) -> int:
        """Its exit code, when it is gone; kills it when it takes too long."""
        if self._process is None:
            return 0
        try:
            return self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()
