"""Replicas of a host on one RabbitMQ, each behind a gate of its own; who watches what they say.

What the plugins write goes straight to files, and what the oracle asks the broker goes past the gates.
"""

from __future__ import annotations

import contextlib
import datetime
import re
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from broker import Broker
from gate import Gate
from observed import PATIENCE, ObservedHost
from running_host import RunningHost, wait_for

# Silence for two of these is the end of a connection.
HEARTBEAT = "3s"


class Replica(ObservedHost):
    """One host behind its gate."""

    def __init__(self, name: str, folder: Path, broker: Broker, vhost: str, *, plugins: list[dict[str, Any]],
                 routes: list[dict[str, Any]], bus: dict[str, Any] | None = None) -> None:
        self.gate = Gate(broker.port)
        url = broker.url(vhost).replace(f":{broker.port}/", f":{self.gate.port}/")
        super().__init__(name, RunningHost(
            folder, plugins=plugins, routes=routes, host={"http": "127.0.0.1:0", "replica": name},
            bus={"kind": "rabbitmq", "url": url, "heartbeat": HEARTBEAT, **(bus or {})}))
        self.watcher = Watcher(self)

    def __enter__(self) -> Self:
        super().__enter__()
        self.watcher.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.watcher.stop()
        super().__exit__(kind, error, trace)
        self.gate.close()

    def dropped(self) -> list[float]:
        """When the broker closed a connection.

        It may have failed inside, as queues without a leader make it do; what a fault asks it for it does later.
        """
        return [datetime.datetime.fromisoformat(at).timestamp() for at in re.findall(
            r"^(\S+) .*the broker closed the connection: (?:INTERNAL_ERROR|CONNECTION_FORCED)", self.host.log_text(),
            re.MULTILINE)]

    def start(self) -> None:
        super().start()
        self.watcher.expect(True)

    def kill(self) -> list[int]:
        self.watcher.expect(None)
        return super().kill()

    def drain(self) -> None:
        self.watcher.expect(None)
        super().drain()


@contextlib.contextmanager
def cut_off(replicas: list[Replica], restore: Callable[[], None]) -> Iterator[None]:
    """While the broker cannot be reached; ends by restoring it.

    From where they have noticed it until then they must say so all the time, and soon afterwards again that they are
    connected.
    """
    names = ", ".join(replica.name for replica in replicas)
    wait_for(f"{names}: no broker", lambda: all(replica.says(False) for replica in replicas), PATIENCE)
    for replica in replicas:
        replica.watcher.expect(False)
    yield
    for replica in replicas:
        replica.watcher.expect(None)
    restore()
    await_connected(replicas)


def await_connected(replicas: list[Replica]) -> None:
    for replica in replicas:
        wait_for(f"{replica.name} is connected again", lambda r=replica: r.says(True), PATIENCE)
        replica.watcher.expect(True)


class Watcher:
    """Asks `status` and `/readyz` of a replica all the time, and notes each answer that is not the truth."""

    def __init__(self, replica: Replica) -> None:
        self._replica = replica
        self._lock = threading.Lock()
        self._expected: bool | None = None  # None: either may be true at the moment
        self._epoch = 0
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.asked = 0
        self.wrong: list[tuple[float, str]] = []  # And when.

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join()

    def expect(self, connected: bool | None) -> None:
        with self._lock:
            self._expected = connected
            self._epoch += 1

    def _run(self) -> None:
        while not self._stopped.wait(0.2):
            self._ask("status", self._replica.connected)
            self._ask("/readyz", self._replica.ready)

    def _ask(self, what: str, ask: Callable[[], bool | None]) -> None:
        with self._lock:
            expected, epoch = self._expected, self._epoch
        said = ask()
        with self._lock:
            # What changed meanwhile may be told as it was or as it is.
            if expected is None or epoch != self._epoch:
                return
            self.asked += 1
            if said is not expected:
                self.wrong.append((time.time(), f"{time.strftime('%X', time.gmtime())} {self._replica.name}: {what} "
                                   f"says {said}, but it is {expected}; warnings: {self._replica.warnings()}"))
