"""Which job is next: the core of the pool. Pure: no clock, no threads."""

from __future__ import annotations

import collections
import enum
import heapq
import itertools
from dataclasses import dataclass
from typing import Protocol


class Job(Protocol):
    """Work that may have to be done more than once."""

    key: str
    """Of what at most a few are under way at once."""
    owner: str
    """Of whom at most a share is pending."""
    size: int
    """Bytes that it holds in memory."""

    def run(self) -> float | None:
        """Does it; None: it is over, else it is to be run again after so many seconds."""

    def drop(self, why: str) -> None:
        """It is given up."""


class Room(enum.Enum):
    """Whether there is room for one more job."""

    YES = enum.auto()
    FULL = enum.auto()
    OWNER_FULL = enum.auto()


@dataclass(frozen=True)
class Bounds:
    """Of what a schedule holds, whether ready, under way or waiting for its time."""

    jobs: int
    bytes: int
    per_owner: int
    """Jobs of one owner."""


class Schedule:
    """Jobs that wait, in the order in which they came or fell due. One lock of the user guards it."""

    def __init__(self, per_key: int, bounds: Bounds) -> None:
        self._per_key, self._bounds = per_key, bounds
        self._numbers = itertools.count()
        self._later: list[tuple[float, int, Job]] = []
        self._ready: collections.deque[Job] = collections.deque()
        self._running: collections.Counter[str] = collections.Counter()
        # Ready, but of a key of which enough are under way.
        self._held: dict[str, collections.deque[Job]] = {}
        self._owners: collections.Counter[str] = collections.Counter()
        self.count = 0
        self.bytes = 0

    def room(self, job: Job) -> Room:
        """For that job. One of any size always fits an empty schedule."""
        if self._owners[job.owner] >= self._bounds.per_owner:
            return Room.OWNER_FULL
        if self.count >= self._bounds.jobs or (self.count and self.bytes + job.size > self._bounds.bytes):
            return Room.FULL
        return Room.YES

    def add(self, job: Job) -> None:
        """Takes a job for which there is room."""
        self.count += 1
        self.bytes += job.size
        self._owners[job.owner] += 1
        self._ready.append(job)

    def take(self, now: float) -> Job | None:
        """The next job that may run; it is under way until `done` or `again`."""
        while self._later and self._later[0][0] <= now:
            self._ready.append(heapq.heappop(self._later)[2])
        while self._ready:
            job = self._ready.popleft()
            if self._running[job.key] < self._per_key:
                self._running[job.key] += 1
                return job
            self._held.setdefault(job.key, collections.deque()).append(job)
        return None

    def due(self) -> float | None:
        """When the next one falls due of those that wait for their time."""
        return self._later[0][0] if self._later else None

    def done(self, job: Job) -> None:
        """It is over."""
        self._free(job.key)
        self._forget(job)

    def again(self, job: Job, at: float) -> None:
        """It is to run again."""
        self._free(job.key)
        heapq.heappush(self._later, (at, next(self._numbers), job))

    def clear(self, *, ready_too: bool) -> list[Job]:
        """Takes out what waits for its time, and with `ready_too` all that is not under way."""
        jobs = [job for _, _, job in self._later]
        self._later = []
        if ready_too:
            jobs += [*self._ready, *itertools.chain(*self._held.values())]
            self._ready.clear()
            self._held.clear()
        for job in jobs:
            self._forget(job)
        return jobs

    def _free(self, key: str) -> None:
        self._running[key] -= 1
        if self._running[key] <= 0:
            del self._running[key]
        held = self._held.get(key)
        if held:
            # Before those that came later.
            self._ready.appendleft(held.popleft())
            if not held:
                del self._held[key]

    def _forget(self, job: Job) -> None:
        self.count -= 1
        self.bytes -= job.size
        self._owners[job.owner] -= 1
        if self._owners[job.owner] <= 0:
            del self._owners[job.owner]
