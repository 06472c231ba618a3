"""The verbs of the Python gate, between plain sockets."""

from __future__ import annotations

import contextlib
import select
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "broker"))

from gate import TO_BROKER, TO_HOST, Gate

PATIENCE = 20.0
# For what must not come.
SHORT = 0.2


class Network:
    """A gate before a listener; connections have a host's end and a broker's."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(PATIENCE)
        self.gate = Gate(self.listener.getsockname()[1])
        self.ends: list[socket.socket] = []

    def dial(self) -> socket.socket:
        host = socket.create_connection(("127.0.0.1", self.gate.port), PATIENCE)
        self.ends.append(host)
        return host

    def connect(self) -> tuple[socket.socket, socket.socket]:
        host = self.dial()
        broker = self.listener.accept()[0]
        broker.settimeout(PATIENCE)
        self.ends.append(broker)
        return host, broker

    def close(self) -> None:
        self.gate.close()
        for end in [self.listener, *self.ends]:
            end.close()


@pytest.fixture
def network() -> Iterator[Network]:
    made = Network()
    yield made
    made.close()


def read(end: socket.socket, size: int) -> bytes:
    """So many bytes, or fewer where the connection ends before."""
    data = b""
    with contextlib.suppress(ConnectionResetError):
        while len(data) < size and (part := end.recv(size - len(data))):
            data += part
    return data


def is_silent(end: socket.socket) -> bool:
    """Neither bytes nor an end."""
    return not select.select([end], [], [], SHORT)[0]


def has_ended(end: socket.socket) -> bool:
    return read(end, 1) == b""


def test_passes_bytes_and_ends_both_ways(network: Network) -> None:
    host, broker = network.connect()
    host.sendall(b"question")
    assert read(broker, 8) == b"question"
    broker.sendall(b"answer")
    assert read(host, 6) == b"answer"
    host.shutdown(socket.SHUT_WR)
    assert has_ended(broker)
    broker.sendall(b"late")
    broker.close()
    assert read(host, 10) == b"late"
    assert (network.gate.bytes(TO_BROKER), network.gate.bytes(TO_HOST)) == (8, 10)
    assert network.gate.connections() == 1


def test_passes_much_more_than_it_holds(network: Network) -> None:
    host, broker = network.connect()
    host.setblocking(False)
    data = bytes(range(256)) * (64 << 10)  # 16 MiB
    got, at = bytearray(), 0
    while len(got) < len(data):
        readable, writable, _ = select.select([broker], [host] if at < len(data) else [], [], PATIENCE)
        assert readable or writable
        if writable:
            at += host.send(data[at:at + 65536])
        if readable:
            got += broker.recv(65536)
    assert bytes(got) == data


def test_a_stop_holds_bytes_ends_and_connections_and_loses_none(network: Network) -> None:
    host, broker = network.connect()
    network.gate.stop()
    host.sendall(b"held")
    host.shutdown(socket.SHUT_WR)
    network.dial()
    assert is_silent(broker)
    assert is_silent(host)
    assert is_silent(network.listener)
    network.gate.pass_all()
    assert read(broker, 10) == b"held"
    assert network.listener.accept()[0] is not None


def test_a_delay_holds_each_way_up(network: Network) -> None:
    host, broker = network.connect()
    network.gate.delay(0.3)
    start = time.monotonic()
    host.sendall(b"slow")
    assert read(broker, 4) == b"slow"
    broker.sendall(b"back")
    assert read(host, 4) == b"back"
    assert time.monotonic() - start >= 0.6
    host.sendall(b"1")
    network.gate.pass_all()
    host.sendall(b"2")
    assert read(broker, 2) == b"12", "in order, though the second is not delayed"


def test_a_cut_ends_all_connections_on_both_sides(network: Network) -> None:
    pairs = [network.connect(), network.connect()]
    network.gate.cut()
    assert all(has_ended(end) for pair in pairs for end in pair)
    assert network.gate.open() == 0
    host, broker = network.connect()
    host.sendall(b"again")
    assert read(broker, 5) == b"again"


@pytest.mark.parametrize("direction", [TO_BROKER, TO_HOST])
def test_a_cut_after_n_bytes_lets_these_arrive(network: Network, direction: int) -> None:
    host, broker = network.connect()
    other_host, other_broker = network.connect()
    sender, receiver = (host, broker) if direction == TO_BROKER else (broker, host)
    network.gate.cut_after(direction, 10)
    sender.sendall(b"0123456")
    assert read(receiver, 7) == b"0123456"
    sender.sendall(b"7890123")
    assert read(receiver, 100) == b"789"
    assert all(has_ended(end) for end in (sender, other_host, other_broker))
    host, broker = network.connect()
    host.sendall(b"x" * 100)
    assert read(broker, 100) == b"x" * 100, "once"


@pytest.mark.parametrize("direction", [TO_BROKER, TO_HOST])
def test_half_open_swallows_one_way_and_its_end(network: Network, direction: int) -> None:
    host, broker = network.connect()
    sender, receiver = (host, broker) if direction == TO_BROKER else (broker, host)
    network.gate.half_open(direction)
    sender.sendall(b"gone")
    assert is_silent(receiver)
    receiver.sendall(b"here")
    assert read(sender, 4) == b"here"
    sender.shutdown(socket.SHUT_WR)
    assert is_silent(receiver)
    network.gate.pass_all()
    assert has_ended(receiver), "what lost bytes is cut"
    host, broker = network.connect()
    host.sendall(b"again")
    assert read(broker, 5) == b"again"


def test_refuses_connections_but_keeps_those_that_it_has(network: Network) -> None:
    host, broker = network.connect()
    network.gate.refuse()
    with pytest.raises(ConnectionRefusedError):
        network.dial()
    host.sendall(b"kept")
    assert read(broker, 4) == b"kept"
    network.gate.pass_all()
    network.connect()


def test_where_nobody_listens_the_connection_ends(network: Network) -> None:
    network.listener.close()
    host = network.dial()
    assert has_ended(host)
    host.close()
    end = time.monotonic() + PATIENCE
    while network.gate.open() > 0 and time.monotonic() < end:
        time.sleep(0.01)
    assert network.gate.open() == 0
