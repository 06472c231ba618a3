"""A host that is asked all the time what it does, by gRPC, and killed."""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "false")  # before the first import

import grpc
from outboard.event.v1 import event_pb2
from outboard.host.v1 import admin_pb2, publisher_pb2
from running_host import RunningHost, wait_for

# What happens sooner or later, on a busy machine too.
PATIENCE = 120.0


class ObservedHost:
    """What it says about itself is None while it does not answer."""

    def __init__(self, name: str, host: RunningHost) -> None:
        """The host listens for HTTP."""
        self.name = name
        self.host = host
        self._channel = grpc.insecure_channel(f"unix:{self.host.socket}", [
            (f"grpc.{which}_reconnect_backoff_ms", 50) for which in ("initial", "min", "max")])
        self._get_status = self._channel.unary_unary(
            "/outboard.host.v1.AdminService/GetStatus", admin_pb2.GetStatusRequest.SerializeToString,
            admin_pb2.GetStatusResponse.FromString)
        self._publish = self._channel.unary_unary(
            "/outboard.host.v1.PublisherService/Publish", publisher_pb2.PublishRequest.SerializeToString,
            publisher_pb2.PublishResponse.FromString)
        self._http = ""
        self.abandoned = 0  # As its metrics said when it was last asked, over all its lives.

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self._channel.close()
        self.host.__exit__()

    # ---- What it says ----

    def status(self) -> admin_pb2.GetStatusResponse | None:
        try:
            return self._get_status(admin_pb2.GetStatusRequest(), timeout=30)
        except grpc.RpcError:
            return None

    def connected(self) -> bool | None:
        status = self.status()
        return status.bus.connected if status is not None else None

    def ready(self) -> bool | None:
        """What /readyz says."""
        connection = http.client.HTTPConnection(self._http, timeout=30)
        try:
            connection.request("GET", "/readyz")
            return {200: True, 503: False}[connection.getresponse().status]
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()

    def says(self, connected: bool) -> bool:
        """Both of them."""
        return self.connected() is connected and self.ready() is connected

    def pids(self) -> set[str]:
        """Of all processes of plugins that it ever had."""
        return set(re.findall(r"plugin process started .*pid=(\d+)", self.host.log_text()))

    def _count_abandoned(self) -> None:
        connection = http.client.HTTPConnection(self._http, timeout=30)
        try:
            connection.request("GET", "/metrics")
            text = connection.getresponse().read().decode()
        finally:
            connection.close()
        self.abandoned += sum(int(float(count)) for count in re.findall(
            r"^outboard_lane_events_abandoned_total\{.*\} (\S+)$", text, re.MULTILINE))

    def warnings(self) -> str:
        status = self.status()
        return "\n".join(status.warnings) if status is not None else ""

    def in_flight(self) -> dict[int, int]:
        """Unanswered deliveries by process; not of those that serve quarantine alone."""
        status = self.status()
        if status is None:
            return {}
        return {i.pid: i.in_flight for plugin in status.plugins for i in plugin.instances if i.pid and not i.quarantine}

    def publish(self, events: list[event_pb2.Event]) -> list[publisher_pb2.PublishResult] | None:
        """None: nobody knows."""
        try:
            return list(self._publish(publisher_pb2.PublishRequest(events=events), timeout=60).results)
        except grpc.RpcError:
            return None

    # ---- What is done to it ----

    def start(self) -> None:
        self.host.start()
        self._http = self.host.status()["http_address"]
        wait_for(f"{self.name} is connected and ready", lambda: self.says(True), PATIENCE)

    def kill(self) -> list[int]:
        """The processes of its plugins, which end with it."""
        pids = list(self.in_flight())
        self._count_abandoned()
        self.host.kill()
        wait_for("its plugins are gone", lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids), 30)
        return pids

    def drain(self) -> None:
        self._count_abandoned()
        assert self.host.stop() == 0

    def kill_process(self, pid: int) -> bool:
        """Of a plugin. True: it had deliveries in hand; else it lives on, or is gone already.

        So does one that tries a suspect by now: to die twice on the same event is what convicts that.
        """
        with stopped(pid), contextlib.suppress(ProcessLookupError):
            end = time.monotonic() + 1
            while time.monotonic() < end:
                if self.in_flight().get(pid, 0):
                    os.kill(pid, signal.SIGKILL)
                    return True
        return False


@contextlib.contextmanager
def stopped(pid: int) -> Iterator[None]:
    """A process that answers nothing meanwhile; it may be gone."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)
