"""Order per key within a session of an `in_order` component."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable

from outboard.plugin.v1 import session_pb2


class Keys:
    """Lets one delivery of each key go at a time. Safe on any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: dict[str, deque[session_pb2.Delivery]] = {}

    def admit(self, deliveries: Iterable[session_pb2.Delivery]) -> list[session_pb2.Delivery]:
        """Those that may start now, in order of arrival; keeps the others behind their key."""
        ready = []
        with self._lock:
            for delivery in deliveries:
                key = delivery.order_key
                if key and key in self._waiting:
                    self._waiting[key].append(delivery)
                    continue
                if key:
                    self._waiting[key] = deque()
                ready.append(delivery)
        return ready

    def finish(
        self, key: str, succeeded: bool
    ) -> tuple[session_pb2.Delivery | None, list[session_pb2.Delivery]]:
        """The next of the key to start, or after a failure all that wait, to be released."""
        if not key:
            return None, []
        with self._lock:
            waiting = self._waiting[key]
            if succeeded and waiting:
                return waiting.popleft(), []
            del self._waiting[key]
            return None, list(waiting)
