"""Clients that lie, never read or come in crowds: the host stays up within its memory, and others are served."""

from __future__ import annotations

import contextlib
import itertools
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from outboard.event.v1 import event_pb2
from outboard.host.v1 import admin_pb2, publisher_pb2
from running_host import Ledger, RunningHost, event, faulty, resident, wait_for

LARGE = 256 * 1024
MEGABYTES_LEFT = 120  # So much may the host grow, of several hundred that are sent.

# What gRPC makes of it is its own affair.
GARBAGE = [
    b"\x00" * 4096,
    b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\xff" * 4096,
    # A frame of settings that says to be of 16 MB, and headers that never end.
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\xff\xff\xff\x04\x00\x00\x00\x00\x00" + b"a" * 65536,
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00"
    + b"\x00\x40\x00\x01\x00\x00\x00\x00\x01" + b"\x00" * 16384 + b"\x00\x40\x00\x09\x00\x00\x00\x00\x01" * 100,
]


class Host(RunningHost):
    """One that hands all to a good plugin, whose ledger is at hand."""

    def __init__(self, folder: Path, **more: Any) -> None:
        self.ledger = Ledger(folder / "ledger")
        plugin = faulty("--ledger", str(self.ledger.path), "--ledger-sync", "none", name="good")
        routes = [{"name": "all", "source": {"service": "storyboard"}, "to": ["good"]}]
        super().__init__(folder, plugins=[plugin], routes=routes, **more)
        self.numbers = itertools.count()

    def serves(self) -> None:
        """Others are served: what they publish is handled, by the same process."""
        assert self.process is not None
        assert self.process.poll() is None
        published = set(self.publish([event(next(self.numbers)) for _ in range(100)]))
        assert len(published) == 100
        wait_for("it is handled", lambda: published <= set(self.ledger.handled()))
        assert int(self.plugin("good").get("restarts", 0)) == 0

    def memory(self) -> int:
        assert self.process is not None
        return resident(self.process.pid)


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    with Host(tmp_path) as running:
        running.serves()
        yield running
        running.serves()
        assert running.stop() == 0


def connect(host: RunningHost) -> socket.socket:
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(10)
    client.connect(str(host.socket))
    return client


def channel(host: RunningHost, **options: int) -> grpc.Channel:
    return grpc.insecure_channel(f"unix:{host.socket}", options=[(f"grpc.{k}", v) for k, v in options.items()])


@pytest.mark.parametrize("garbage", GARBAGE, ids=["zeros", "http1", "preface", "large frame", "endless headers"])
def test_garbage_on_the_admin_socket_harms_nobody(host: Host, garbage: bytes) -> None:
    before = host.memory()
    with contextlib.ExitStack() as clients:
        for _ in range(20):
            client = clients.enter_context(connect(host))
            with contextlib.suppress(OSError):  # It may have been closed by then.
                client.sendall(garbage)
        host.serves()
    assert host.memory() < before + MEGABYTES_LEFT


def test_a_tail_that_is_never_read_waits_by_itself(host: Host) -> None:
    with channel(host) as deaf:
        tail = deaf.unary_stream("/outboard.host.v1.AdminService/Tail", admin_pb2.TailRequest.SerializeToString,
                                 admin_pb2.TailResponse.FromString)
        calls = [tail(admin_pb2.TailRequest()) for _ in range(10)]
        before = host.memory()
        for _ in range(6):
            host.publish([event(next(host.numbers), data="x" * LARGE) for _ in range(100)])
        host.serves()
        assert host.memory() < before + MEGABYTES_LEFT
        reader = tail(admin_pb2.TailRequest(last=3), timeout=10)
        assert len(list(itertools.islice(reader, 3))) == 3
        reader.cancel()
        for call in calls:
            call.cancel()


def test_a_publisher_that_never_reads_its_answers_is_not_read_either(host: Host) -> None:
    def requests() -> Iterator[publisher_pb2.PublishStreamRequest]:
        for number in range(2000):
            one = event_pb2.Event(id=f"g{number}", source="nobody", type="t", binary_data=b"x" * LARGE)
            yield publisher_pb2.PublishStreamRequest(request_id=number, events=[one])

    with channel(host) as deaf:
        before = host.memory()
        stream = deaf.stream_stream("/outboard.host.v1.PublisherService/PublishStream",
                                    publisher_pb2.PublishStreamRequest.SerializeToString,
                                    publisher_pb2.PublishStreamResponse.FromString)
        call = stream(requests())
        for _ in range(5):
            host.serves()
        assert host.memory() < before + MEGABYTES_LEFT
        call.cancel()


def test_large_metadata_is_refused(host: Host) -> None:
    with channel(host, max_metadata_size=64 << 20) as client:
        status = client.unary_unary("/outboard.host.v1.AdminService/GetStatus",
                                    admin_pb2.GetStatusRequest.SerializeToString,
                                    admin_pb2.GetStatusResponse.FromString)
        before = host.memory()
        for _ in range(20):
            with pytest.raises(grpc.RpcError) as refused:
                status(admin_pb2.GetStatusRequest(), metadata=[("large", "x" * (1 << 20))], timeout=10)
            assert refused.value.code() in (grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.UNAVAILABLE)
        assert host.memory() < before + MEGABYTES_LEFT


def test_a_message_above_the_limit_is_refused(host: Host) -> None:
    with channel(host) as client:
        publish = client.unary_unary("/outboard.host.v1.PublisherService/Publish",
                                     publisher_pb2.PublishRequest.SerializeToString,
                                     publisher_pb2.PublishResponse.FromString)
        huge = event_pb2.Event(id="g", source="nobody", type="t", binary_data=b"x" * (40 << 20))
        with pytest.raises(grpc.RpcError) as refused:
            publish(publisher_pb2.PublishRequest(events=[huge]), timeout=20)
        assert refused.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED


def test_many_connections_harm_nobody(host: Host) -> None:
    with contextlib.ExitStack() as clients:
        for _ in range(500):
            clients.enter_context(connect(host)).sendall(GARBAGE[2][:24])
        host.serves()
    assert host.process is not None
    files = Path(f"/proc/{host.process.pid}/fd")
    wait_for("they are let go", lambda: len(os.listdir(files)) < 200)


def test_more_connections_than_the_soft_limit_of_files_leave_no_port_deaf(tmp_path: Path) -> None:
    low = ["sh", "-c", 'ulimit -Sn 100; exec "$@"', "sh"]
    with Host(tmp_path, wrapper=low) as host, contextlib.ExitStack() as crowd:
        for _ in range(300):
            client = crowd.enter_context(socket.socket(socket.AF_UNIX))
            client.connect(str(host.socket))
        host.serves()
