"""Remote plugins over TLS: whose certificate, for which name, and what the host shows."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from running_host import BIN, PYTHON, Ledger, RunningHost, events, wait_for
from test_remote import Far, far_host, free_port
from tls import Identity, make
from tls_front import TlsFront, to_unix


@dataclass
class Stand:
    folder: Path
    ca: Identity
    server: Identity
    host_ca: Identity
    host: Identity
    socket: Path

    def front(self, server: Identity | None = None, port: int = 0) -> TlsFront:
        return TlsFront(server or self.server, to_unix(self.socket), clients_of=self.host_ca, port=port)

    def tls(self, **change: Any) -> dict[str, str]:
        files = {"ca_file": self.ca.certificate, "cert_file": self.host.certificate, "key_file": self.host.key}
        return {key: str(value) for key, value in {**files, **change}.items() if value}


@pytest.fixture
def stand(tmp_path: Path) -> Iterator[Stand]:
    ca, host_ca = make(tmp_path, "ca"), make(tmp_path, "host-ca")
    made = Stand(tmp_path, ca, make(tmp_path, "server", ca, host="localhost"), host_ca,
                 make(tmp_path, "the-host", host_ca), tmp_path / "far.sock")
    with Far(tmp_path, f"unix:{made.socket}") as far:
        far.start()
        wait_for("the plugin listens", made.socket.exists)
        yield made


@contextlib.contextmanager
def host_to(stand: Stand, port: int, form: str = "dns:///localhost:{}", **plugin: Any) -> Iterator[RunningHost]:
    with far_host(stand.folder, form.format(port), **plugin) as host:
        yield host


def problem(host: RunningHost) -> str:
    return " ".join(host.status().get("warnings", []))


def handled(stand: Stand, host: RunningHost, count: int, start: int = 0) -> None:
    ids = host.publish(list(events(count, start)))
    wait_for("all were handled", lambda: set(Ledger(stand.folder / "ledger").handled()) >= set(ids))


def test_a_plugin_over_mutual_tls_is_used(stand: Stand) -> None:
    front = stand.front()
    with host_to(stand, front.port, tls=stand.tls()) as host:
        handled(stand, host, 2000)
    assert set(front.clients) == {"the-host"}


def test_an_address_without_a_name_needs_one_for_the_certificate(stand: Stand) -> None:
    front = stand.front()
    tls = stand.tls(server_name="localhost")
    with host_to(stand, front.port, "127.0.0.1:{}", tls=tls) as host:
        handled(stand, host, 100)


def test_a_plugin_of_the_python_sdk_serves_tls_itself(stand: Stand) -> None:
    port, records = free_port(), stand.folder / "records"
    command = [str(PYTHON), str(Path(__file__).with_name("recorder.py")), str(records)]
    live = Identity(stand.folder / "live.pem", stand.folder / "live.key")

    def put(server: Identity) -> None:
        shutil.copy(server.key, live.key)
        shutil.copy(server.certificate, live.certificate)

    put(stand.server)
    environment = {**os.environ, "OUTBOARD_LISTEN": f"127.0.0.1:{port}", "OUTBOARD_TLS_CERT": str(live.certificate),
                   "OUTBOARD_TLS_KEY": str(live.key), "OUTBOARD_TLS_CLIENT_CA": str(stand.host_ca.certificate)}

    def written() -> set[str]:
        lines = records.read_text().splitlines() if records.exists() else []
        return {json.loads(line)["id"] for line in lines}

    with subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL) as plugin:
        try:
            with host_to(stand, port, tls=stand.tls()) as host:
                ids = host.publish(list(events(50)))
                wait_for("all were handled", lambda: written() == set(ids))
            ca = make(stand.folder, "ca-2")
            put(make(stand.folder, "server-2", ca, host="localhost"))
            with host_to(stand, port, tls=stand.tls(cert_file=None, key_file=None, ca_file=ca.certificate)) as host:
                wait_for("it asks for a certificate", lambda: "over TLS" in problem(host))
            with host_to(stand, port, tls=stand.tls(ca_file=ca.certificate)) as host:
                more = host.publish(list(events(50, 50)))
                wait_for("it shows the new one", lambda: written() >= set(more))
        finally:
            plugin.kill()


def test_a_plugin_of_the_cpp_sdk_serves_tls_itself(stand: Stand) -> None:
    port, trail = free_port(), stand.folder / "trail"
    environment = {**os.environ, "OUTBOARD_LISTEN": f"127.0.0.1:{port}",
                   "OUTBOARD_TLS_CERT": str(stand.server.certificate), "OUTBOARD_TLS_KEY": str(stand.server.key),
                   "OUTBOARD_TLS_CLIENT_CA": str(stand.host_ca.certificate)}
    with subprocess.Popen([BIN / "outboard-audit"], env=environment, stdin=subprocess.DEVNULL) as plugin:
        try:
            config = {"path": str(trail)}
            with host_to(stand, port, tls=stand.tls(cert_file=None, key_file=None), config=config) as host:
                wait_for("it asks for a certificate", lambda: "over TLS" in problem(host))
            with host_to(stand, port, tls=stand.tls(), config=config) as host:
                ids = host.publish(list(events(50)))
                wait_for("all were handled", lambda: trail.exists() and all(i in trail.read_text() for i in ids))
        finally:
            plugin.kill()


def other_ca(stand: Stand) -> dict[str, str]:
    return stand.tls(ca_file=make(stand.folder, "other-ca").certificate)


@pytest.mark.parametrize("tls", [
    lambda stand: stand.tls(server_name="elsewhere"),
    other_ca,
    lambda stand: stand.tls(cert_file=None, key_file=None),
    lambda stand: stand.tls(cert_file=stand.server.certificate, key_file=stand.server.key),
], ids=["name", "CA", "no certificate", "a certificate of another CA"])
def test_what_does_not_fit_is_not_used_and_said(stand: Stand, tls: Callable[[Stand], dict[str, str]]) -> None:
    front = stand.front()
    with host_to(stand, front.port, tls=tls(stand)) as host:
        host.publish(list(events(3)))
        wait_for("status says it", lambda: "over TLS" in problem(host))
        assert "tls.ca_file" in problem(host)
        assert host.lane("all/far")["state"] == "no session"
    assert not Ledger(stand.folder / "ledger").handled()
    assert "PRIVATE KEY" not in host.log_text()


def test_a_plaintext_host_gets_nowhere_at_a_plugin_with_tls(stand: Stand) -> None:
    front = stand.front()
    with host_to(stand, front.port, start_timeout="1s") as host:
        wait_for("status says it", lambda: "does not answer Describe" in problem(host))
    assert front.clients == []


def test_a_file_that_is_not_there_is_named_and_used_when_it_comes(stand: Stand) -> None:
    front = stand.front()
    late = stand.folder / "late.pem"
    with host_to(stand, front.port, tls=stand.tls(ca_file=late)) as host:
        wait_for("status says it", lambda: f"tls.ca_file {late}" in problem(host))
        shutil.copy(stand.ca.certificate, late)
        handled(stand, host, 100)


def test_new_files_count_from_the_next_connection_on(stand: Stand) -> None:
    """Both sides change their CA and certificate, and the connection is cut, as a restart of the plugin does."""
    live = {key: stand.folder / f"live-{key}" for key in ("ca_file", "cert_file", "key_file")}

    def put(ca: Identity, host: Identity) -> None:
        for key, source in (("ca_file", ca.certificate), ("cert_file", host.certificate), ("key_file", host.key)):
            shutil.copy(source, live[key])

    put(stand.ca, stand.host)
    front = stand.front()
    with host_to(stand, front.port, tls=stand.tls(**live)) as host:
        handled(stand, host, 100)
        ca, host_ca = make(stand.folder, "ca-2"), make(stand.folder, "host-ca-2")
        put(ca, make(stand.folder, "the-new-host", host_ca))
        port = front.port
        front.close()
        again = TlsFront(make(stand.folder, "server-2", ca, host="localhost"), to_unix(stand.socket),
                         clients_of=host_ca, port=port)
        handled(stand, host, 100, 100)
    assert set(again.clients) == {"the-new-host"}
