"""What became of notifications: numbers, and a line in the log for what is lost."""

from __future__ import annotations

import collections
import logging
import threading
import time
from collections.abc import Callable
from typing import Any

log = logging.getLogger("notifier-stage")
# Seconds between two lines for the same cause.
QUIET = 10.0


class Counts:
    """Safe on any thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._sent = self._retried = self._skipped = 0
        self._dropped: collections.Counter[str] = collections.Counter()
        self._unsaid: collections.Counter[str] = collections.Counter()
        self._said: dict[str, float] = {}

    def sent(self) -> None:
        """A subscriber was told."""
        with self._lock:
            self._sent += 1

    def retried(self) -> None:
        """An attempt failed and another one follows."""
        with self._lock:
            self._retried += 1

    def skipped(self) -> None:
        """A subscription is not confirmed."""
        with self._lock:
            self._skipped += 1

    def dropped(self, why: str, what: str) -> None:
        """Something will never be sent. `why` is one of few; `what` names it in the log."""
        with self._lock:
            self._dropped[why] += 1
            self._unsaid[why] += 1
            now = self._clock()
            if now - self._said.get(why, -QUIET) < QUIET:
                return
            self._said[why] = now
            since, total = self._unsaid.pop(why), self._dropped[why]
        more = f" (and {since - 1} more)" if since > 1 else ""
        log.warning("dropped, %s: %s%s; %d so far", why, what, more, total)

    def as_json(self) -> dict[str, Any]:
        """The numbers so far."""
        with self._lock:
            return {
                "sent": self._sent,
                "retried": self._retried,
                "skipped": self._skipped,
                "dropped": dict(self._dropped),
            }
