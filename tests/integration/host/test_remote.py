"""Plugins that the host did not start: found by their address, lost, found again."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from running_host import BIN, Ledger, RunningHost, event, events, wait_for

ROUTE = {"name": "all", "source": {"service": "storyboard"}, "to": ["far"]}


def free_port(host: str = "127.0.0.1") -> int:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


class Far:
    """Plugin processes at one address, one after the other, started by hand."""

    def __init__(self, folder: Path, listen: str, *flags: str) -> None:
        self.folder = folder
        self.listen = listen
        self.flags = flags
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, *more: str) -> None:
        words = [
            BIN / "outboard-faulty",
            "--listen",
            self.listen,
            "--ledger",
            self.folder / "ledger",
            "--ledger-sync",
            "none",
            *self.flags,
            *more,
        ]
        with (self.folder / "far.log").open("ab") as log:
            self.process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def signal(self, number: int) -> None:
        assert self.process is not None
        self.process.send_signal(number)
        if number != signal.SIGTERM:
            self.process.wait()

    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def __enter__(self) -> Far:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()


@contextlib.contextmanager
def far_host(
    folder: Path,
    address: str,
    wrapper: list[str] | None = None,
    retry: dict[str, Any] | None = None,
    **plugin: Any,
) -> Iterator[RunningHost]:
    plugins = [{"name": "far", "address": address, **plugin}]
    with RunningHost(folder, plugins=plugins, routes=[{**ROUTE, "retry": retry or {}}], wrapper=wrapper) as host:
        yield host


def ready(host: RunningHost, count: int = 1) -> None:
    wait_for(
        f"{count} ready", lambda: [i["state"] for i in host.plugin("far").get("instances", [])].count("ready") == count
    )


def test_a_plugin_on_a_unix_socket_is_used(tmp_path: Path) -> None:
    path = tmp_path / "far.sock"
    with Far(tmp_path, f"unix:{path}") as far, far_host(tmp_path, f"unix:{path}") as host:
        far.start()
        ids = host.publish(list(events(2000)))
        host.wait_idle("all/far")
        assert host.stop() == 0
        assert far.alive(), "the host does not end what it did not start"
    handled = Ledger(tmp_path / "ledger").handled()
    assert set(handled) == set(ids)
    assert set(handled.values()) == {1}


@pytest.mark.parametrize("form", ["127.0.0.1:{}", "localhost:{}", "dns:///localhost:{}"])
def test_a_plugin_on_a_port_is_used(tmp_path: Path, form: str) -> None:
    port = free_port()
    with Far(tmp_path, f"127.0.0.1:{port}") as far, far_host(tmp_path, form.format(port)) as host:
        far.start()
        ids = host.publish(list(events(2000)))
        host.wait_idle("all/far")
    assert set(Ledger(tmp_path / "ledger").handled()) == set(ids)


def test_a_plugin_that_is_not_there_yet_is_said_and_used_when_it_comes(tmp_path: Path) -> None:
    path = tmp_path / "far.sock"
    with Far(tmp_path, f"unix:{path}") as far, far_host(tmp_path, f"unix:{path}", start_timeout="1s") as host:
        ids = host.publish(list(events(500)))
        wait_for("status says it", lambda: any(str(path) in w for w in host.status().get("warnings", [])))
        assert host.lane("all/far")["state"] == "no session"
        far.start()
        host.wait_idle("all/far")
        assert host.plugin("far").get("circuit") == "closed"
        assert host.status().get("warnings", []) == []
    assert set(Ledger(tmp_path / "ledger").handled()) == set(ids)


def test_a_name_that_does_not_resolve_is_said(tmp_path: Path) -> None:
    with far_host(tmp_path, "dns:///nowhere.invalid:9") as host:
        wait_for(
            "status says it",
            lambda: any("nowhere.invalid" in w and "resolve" in w for w in host.status().get("warnings", [])),
        )
        assert "cannot resolve nowhere.invalid" in host.log_text()


def test_a_killed_plugin_is_dialled_again_and_nothing_is_lost(tmp_path: Path) -> None:
    port = free_port()
    with (
        Far(tmp_path, f"127.0.0.1:{port}", "--mode", "slow:1ms") as far,
        far_host(tmp_path, f"127.0.0.1:{port}") as host,
    ):
        far.start()
        ids = host.publish(list(events(1500)))
        for _ in range(3):
            before = len(Ledger(tmp_path / "ledger").lines())
            wait_for("some are handled", lambda: len(Ledger(tmp_path / "ledger").lines()) > before + 100)  # noqa: B023
            far.signal(signal.SIGKILL)
            far.start()
        host.wait_idle("all/far")
        assert host.dead() == []
        assert int(host.plugin("far")["restarts"]) >= 3
        assert host.plugin("far").get("suspects", []) == []
    assert set(Ledger(tmp_path / "ledger").handled()) == set(ids)


def test_a_server_that_stops_gracefully_is_drained(tmp_path: Path) -> None:
    """GOAWAY: what it has in hand is answered, the rest goes to the next one, nobody is suspected."""
    path = tmp_path / "far.sock"
    with Far(tmp_path, f"unix:{path}", "--mode", "slow:2ms") as far, far_host(tmp_path, f"unix:{path}") as host:
        far.start()
        ids = host.publish(list(events(1500)))
        for _ in range(3):
            before = len(Ledger(tmp_path / "ledger").lines())
            wait_for("some are handled", lambda: len(Ledger(tmp_path / "ledger").lines()) > before + 100)  # noqa: B023
            far.signal(signal.SIGTERM)
            assert far.process is not None
            assert far.process.wait(30) == 0
            far.start()
        host.wait_idle("all/far")
        assert "suspects" not in host.log_text()
        assert "a session was lost" not in host.log_text()
        assert int(host.lane("all/far").get("redelivered", 0)) == 0
        assert host.stop() == 0
    handled = Ledger(tmp_path / "ledger").handled()
    assert set(handled) == set(ids)
    assert set(handled.values()) == {1}


class LastWordGate:
    """Stands before a plugin's socket. Armed, it cuts a connection in place of the trailers that end a stream."""

    HEADERS, END_STREAM = 1, 1

    def __init__(self, path: Path, behind: Path) -> None:
        self.behind = behind
        self.armed = threading.Event()
        self.cut = threading.Event()
        self.server = socket.socket(socket.AF_UNIX)
        self.server.bind(str(path))
        self.server.listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                host, plugin = self.server.accept()[0], socket.socket(socket.AF_UNIX)
                try:
                    plugin.connect(str(self.behind))
                except OSError:  # It is not up.
                    host.close()
                    continue
                threading.Thread(target=self._pass_on, args=(host, plugin), daemon=True).start()
                threading.Thread(target=self._pass_frames, args=(plugin, host), daemon=True).start()

    @staticmethod
    def _end(*ends: socket.socket) -> None:
        for one in ends:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def _pass_on(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        # A plugin that closed may have left a last word that is still to be read: the other thread ends both ways.

    def _pass_frames(self, plugin: socket.socket, host: socket.socket) -> None:
        """HTTP/2 frames: 3 bytes of length, type, flags, stream, then so many bytes."""
        with contextlib.suppress(OSError), plugin.makefile("rb") as frames:
            while len(head := frames.read(9)) == 9:
                body = frames.read(int.from_bytes(head[:3], "big"))
                if self.armed.is_set() and head[3] == self.HEADERS and head[4] & self.END_STREAM:
                    self.armed.clear()
                    self.cut.set()
                    break
                host.sendall(head + body)
        self._end(plugin, host)

    def close(self) -> None:
        self._end(self.server)
        self.server.close()


def test_a_server_whose_last_word_is_not_heard_was_drained_if_nothing_is_in_hand(tmp_path: Path) -> None:
    """A server that goes away closes right behind its trailers: what the host writes then breaks the connection."""
    with contextlib.closing(LastWordGate(tmp_path / "gate.sock", tmp_path / "far.sock")) as gate:
        address = f"unix:{tmp_path / 'gate.sock'}"
        with Far(tmp_path, f"unix:{tmp_path / 'far.sock'}") as far, far_host(tmp_path, address) as host:
            far.start()
            ids = host.publish(list(events(200)))
            host.wait_idle("all/far")
            gate.armed.set()
            far.signal(signal.SIGTERM)
            assert gate.cut.wait(30), "the server ended the stream with trailers"
            assert far.process is not None
            assert far.process.wait(30) == 0
            wait_for("it is replaced", lambda: "its sessions were drained" in host.log_text())
            assert "a session was lost" not in host.log_text()
            far.start()
            ids += host.publish(list(events(200, 200)))
            host.wait_idle("all/far")
    handled = Ledger(tmp_path / "ledger").handled()
    assert set(handled) == set(ids)
    assert set(handled.values()) == {1}


def test_a_stuck_stream_is_cancelled_and_opened_again(tmp_path: Path) -> None:
    path = tmp_path / "far.sock"
    with (
        Far(tmp_path, f"unix:{path}", "--once", str(tmp_path / "once")) as far,
        far_host(tmp_path, f"unix:{path}", time_limit="500ms") as host,
    ):
        far.start()
        made = list(events(200))
        made[50]["faulty"] = "hang"
        ids = host.publish(made)
        wait_for("it is stuck", lambda: "an instance is stuck" in host.log_text())
        host.wait_idle("all/far")
        assert far.alive()
        assert host.dead() == []
    assert set(Ledger(tmp_path / "ledger").handled()) == set(ids)


def test_a_broken_rule_ends_the_stream_and_the_events_come_again(tmp_path: Path) -> None:
    path = tmp_path / "far.sock"
    with (
        Far(tmp_path, f"unix:{path}", "--once", str(tmp_path / "once")) as far,
        far_host(tmp_path, f"unix:{path}") as host,
    ):
        far.start()
        made = list(events(200))
        made[50]["faulty"] = "zero-outcome"
        ids = host.publish(made)
        wait_for("the log says it", lambda: "has no valid outcome: set one" in host.log_text())
        host.wait_idle("all/far")
        assert far.alive()
        assert host.dead() == []
    assert set(Ledger(tmp_path / "ledger").handled()) == set(ids)


# ---- A name of several addresses -------------------------------------------------------------------

NAME = "far.test"


def own_hosts(file: Path) -> list[str]:
    """What to put before a command so that it takes this file for /etc/hosts, in a mount namespace of its own."""
    return [
        "unshare",
        "-m" if os.geteuid() == 0 else "-rm",
        "/bin/sh",
        "-c",
        'mount --bind "$0" /etc/hosts && exec "$@"',
        str(file),
    ]


def can_have_own_hosts() -> bool:
    done = subprocess.run([*own_hosts(Path("/etc/hosts")), "true"], capture_output=True, check=False)
    return done.returncode == 0


needs_hosts = pytest.mark.skipif(
    not can_have_own_hosts(), reason="needs the leave to mount over /etc/hosts in a namespace (unshare -m or -rm)"
)


class Several:
    """Plugins at one port of several addresses; each is started again when it dies, as an orchestrator would."""

    def __init__(self, folder: Path, *addresses: str) -> None:
        self.folder = folder
        self.hosts = folder / "hosts"
        self.port = free_port()
        self.name_is(*addresses)
        self.watchers: list[subprocess.Popen[bytes]] = []

    def name_is(self, *addresses: str) -> None:
        self.hosts.write_text("".join(f"{address} {NAME}\n" for address in addresses))  # In place: it is mounted.

    def start(self, *addresses: str) -> None:
        keep = 'while :; do "$@"; sleep 0.05; done'
        for address in addresses:
            words = [
                str(BIN / "outboard-faulty"),
                "--listen",
                f"{address}:{self.port}",
                "--ledger",
                str(self.folder / "ledger"),
                "--ledger-sync",
                "none",
            ]
            self.watchers.append(
                subprocess.Popen(
                    ["/bin/sh", "-c", keep, "sh", *words],
                    stdin=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    start_new_session=True,
                )
            )

    def host(self, **retry: Any) -> contextlib.AbstractContextManager[RunningHost]:
        return far_host(self.folder, f"dns:///{NAME}:{self.port}", wrapper=own_hosts(self.hosts), retry=retry)

    def __enter__(self) -> Several:
        return self

    def __exit__(self, *_: object) -> None:
        for watcher in self.watchers:
            os.killpg(watcher.pid, signal.SIGKILL)
            watcher.wait()


@needs_hosts
def test_a_killer_is_convicted_between_two_addresses_and_all_else_is_handled(tmp_path: Path) -> None:
    """A stream that fails may have other reasons than the event, but an instance with another id follows a death."""
    with Several(tmp_path, "127.0.0.1", "127.0.0.2") as several, several.host(max_attempts=100) as host:
        several.start("127.0.0.1", "127.0.0.2")
        ready(host, 2)
        made = list(events(1000))
        made[432]["faulty"] = "segv"
        ids = host.publish(made)

        def convicted() -> bool:
            ids.extend(host.publish([event(10_000 + len(ids))]))  # Controls.
            time.sleep(0.2)
            return bool(host.dead())

        wait_for("the conviction", convicted, 120)
        letter = json.loads(host.command("dead", "show", str(host.dead()[0]["dead_id"]), "--json").stdout)
        ends = re.search(r"ended (\d+) processes of far", json.dumps(letter))
        assert ends is not None
        assert int(ends.group(1)) <= 3, "one may have been tried once more before the second end was proven"
        host.wait_idle("all/far")
        assert [(letter["event_id"], letter["reason"]) for letter in host.dead()] == [("e432", "CRASHED")]
        ids += host.publish(list(events(500, 50_000)))
        host.wait_idle("all/far")
        ready(host, 2)
    assert set(Ledger(tmp_path / "ledger").handled()) == set(ids) - {"e432"}


@needs_hosts
def test_addresses_that_come_are_used_and_those_that_go_are_drained(tmp_path: Path) -> None:
    with Several(tmp_path, "127.0.0.1", "127.0.0.2") as several, several.host() as host:
        several.start("127.0.0.1", "127.0.0.2", "127.0.0.3")
        ready(host, 2)
        several.name_is("127.0.0.2", "127.0.0.3")
        ids: list[str] = []

        def moved() -> bool:
            ids.extend(host.publish(list(events(20, len(ids)))))
            return {i["address"].split(":")[1] for i in host.plugin("far")["instances"]} == {"127.0.0.2", "127.0.0.3"}

        wait_for("the name is looked up again", moved)
        several.name_is()  # A lookup that fails changes nothing.
        ready(host, 2)
        ids += host.publish(list(events(500, 50_000)))
        host.wait_idle("all/far")
        assert "suspects" not in host.log_text()
    handled = Ledger(tmp_path / "ledger").handled()
    assert set(handled) == set(ids)
    assert set(handled.values()) == {1}
