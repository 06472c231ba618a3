"""What is published, by whom, and what has to become of it."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import random
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Protocol

import grpc
from outboard.event.v1 import event_pb2
from outboard.host.v1 import publisher_pb2

KEYS = 40


def make_event(id_: str, source: str, subject: str, *, kind: str = "story.post", **more: str) -> event_pb2.Event:
    """`more`: further attributes, where they are not empty."""
    event = event_pb2.Event(id=id_, source=source, spec_version="1.0", type=kind, binary_data=b'{"some": "data"}')
    for name, value in {"subject": subject, **more}.items():
        if value:
            event.attributes[name].ce_string = value
    return event


class Publisher(Protocol):
    """A host, to publish to."""

    def publish(self, events: list[event_pb2.Event]) -> list[publisher_pb2.PublishResult] | None:
        """None: nobody knows."""


class Feeder(threading.Thread):
    """Publishes events in order, a batch after the other, each until all of it is confirmed.

    So what is confirmed in one batch was published before anything of the next.
    """

    def __init__(self, replicas: Sequence[Publisher], events: list[event_pb2.Event], batch: int, seed: int) -> None:
        super().__init__(daemon=True)
        self._replicas = replicas
        self._chance = random.Random(seed)
        self._events = events
        self._batch = batch
        self._released = threading.Condition()
        self._limit = 0
        self._at = 0  # Published before it.
        self._stopped = False
        self.confirmed: set[str] = set()
        self.again: set[str] = set()  # Published again, as nobody knew; so it may be there twice.
        self.refused: list[str] = []  # For good, which no event of ours deserves.
        self.start()

    def release(self, share: float) -> None:
        """Lets so much of what it still holds back go out; 1: all."""
        with self._released:
            left = len(self._events) - self._limit
            self._limit += left if share == 1 else int(left * share)
            self._released.notify()

    def release_batch(self) -> None:
        """One more, if all is published that was released."""
        with self._released:
            if self._at >= self._limit:
                self._limit = min(self._at + self._batch, len(self._events))
                self._released.notify()

    def close(self) -> None:
        """Nothing follows what is released."""
        with self._released:
            del self._events[-(-self._limit // self._batch) * self._batch:]
            self._limit = len(self._events)
            self._released.notify()

    def finish(self) -> None:
        self.release(1)
        self.join(600)
        assert not self.is_alive(), "publishing did not finish"
        assert not self.refused, self.refused

    def stop(self) -> None:
        self._stopped = True
        self.release(1)
        self.join()

    def run(self) -> None:
        replica = self._chance.choice(self._replicas)
        for at in itertools.count(0, self._batch):
            with self._released:
                self._at = at
                self._released.wait_for(lambda at=at: at < self._limit or at >= len(self._events))
                left = self._events[at:at + self._batch]
            if not left:
                return
            while left and not self._stopped:
                left = self._confirm(replica, left)
                if left:
                    self.again.update(event.id for event in left)
                    time.sleep(0.05)
                    replica = self._chance.choice(self._replicas)

    def _confirm(self, replica: Publisher, events: list[event_pb2.Event]) -> list[event_pb2.Event]:
        """Those that are not confirmed."""
        results = replica.publish(events)
        if results is None:
            return events
        left = []
        for event, result in zip(events, results, strict=True):
            if result.confirmed:
                self.confirmed.add(event.id)
                continue
            left.append(event)
            if result.code not in (grpc.StatusCode.UNAVAILABLE.value[0], grpc.StatusCode.RESOURCE_EXHAUSTED.value[0]):
                self.refused.append(f"{event.id}: {result.code} {result.message}")
        return left


class Load:
    """Events, and what has to become of each: mostly they are handled well."""

    def __init__(self, count: int, every: int = 500, poison: bool = True, *, staged: int = 0, killers: int = 0) -> None:
        """`staged`: so many more, for a lane with the stage of stager.py. `killers`: each so many-th of a lane."""
        self.pool: list[event_pb2.Event] = []
        self.ordered: list[event_pb2.Event] = []
        self.staged: list[event_pb2.Event] = []
        self.dead: set[str] = set()
        self.guilty: set[str] = set()  # Of those, what kills its plugin.
        self.dropped: set[str] = set()
        self.emitting: set[str] = set()  # In hand until their emits are confirmed, or refused.
        self.emitted: dict[str, str] = {}  # And by which event.
        self.poison: set[str] = set()  # Their emits are refused, which closes a channel on which others wait.
        self.plain: set[str] = set()  # Asks for nothing, so that its first attempt is its last.
        self._every, self._killers = every, killers
        for n in range(count // 5):
            fault = self._kill(f"o{n}", n, "segv") or ("retry-until:2" if n % every == 3 else "")
            self.ordered.append(make_event(f"o{n}", "tracker", f"key/{n % KEYS}", faulty=fault))
        for n in range(count - len(self.ordered)):
            self.pool.append(self._make(n, n % every, poison))
        for n in range(staged):
            act = self._kill(f"f{n}", n, "die") or self._act(f"f{n}", n % every)
            self.staged.append(make_event(f"f{n}", "foundry", f"story/{n % 50}", stage=act))
        self.plain = {event.id for event in self.pool + self.ordered if "faulty" not in event.attributes}

    def _kill(self, id_: str, n: int, act: str) -> str:
        if not self._killers or n % self._killers != self._killers // 2:
            return ""
        self.guilty.add(id_)
        self.dead.add(id_)
        return act

    def _make(self, n: int, kind: int, poison: bool) -> event_pb2.Event:
        id_, type_ = f"e{n}", "story.post"
        fault = self._kill(id_, n, "segv")
        if fault:
            pass
        elif kind == 7:
            fault = "reject"
            self.dead.add(id_)
        elif kind == 11:
            type_ = "task.put"  # Nobody takes it.
            self.dropped.add(id_)
        elif kind == 13 and poison:
            fault = "emit:poison.pill"  # The broker refuses it.
            self.dead.add(id_)
            self.poison.add(id_)
            self.emitting.add(id_)
        elif kind % 100 == 9:
            fault = "retry-until:2"
        elif kind % 100 == 15:
            fault = "emit:echo.story"
            self.emitting.add(id_)
            self.emitted[emit_id("storyboard", id_, "faulty")] = id_
        return make_event(id_, "storyboard", f"story/{n % 50}", kind=type_, faulty=fault)

    def _act(self, id_: str, kind: int) -> str:
        """What the stage does with it."""
        act = {7: "reject", 11: "halt", 13: "change"}.get(kind) or ("retry-once" if kind % 100 == 9 else "")
        if act == "reject":
            self.dead.add(id_)
        elif act == "halt":
            self.dropped.add(id_)
        return act

    @contextlib.contextmanager
    def feeders(self, replicas: Sequence[Publisher], chance: random.Random, batch: int = 100) -> Iterator[list[Feeder]]:
        """Three for the pool. A batch of the ordered ones has each key once, so the bus has a key in order."""
        parts = [*((self.pool[i::3], batch) for i in range(3)), (self.ordered, KEYS)]
        if self.staged:
            parts.append((self.staged, batch))
        made = [Feeder(replicas, part, batch, chance.randrange(1 << 32)) for part, batch in parts]
        try:
            yield made
        finally:
            for feeder in made:
                feeder.stop()

    def ids(self) -> set[str]:
        return {event.id for event in self.pool + self.ordered + self.staged}

    def keep(self, published: set[str]) -> None:
        """Forgets what of it was never published."""
        for events in (self.pool, self.ordered, self.staged):
            events[:] = [event for event in events if event.id in published]
        for ids in (self.dead, self.guilty, self.dropped, self.emitting):
            ids &= published
        self.emitted = {emit: id_ for emit, id_ in self.emitted.items() if id_ in published}


def finish(feeders: list[Feeder]) -> set[str]:
    """What was confirmed, which is everything."""
    for feeder in feeders:
        feeder.finish()
    return set().union(*(feeder.confirmed for feeder in feeders))


def emit_id(source: str, id_: str, component: str) -> str:
    """As the host derives it, of the first emit."""
    text = f"{len(source)}:{source}{len(id_)}:{id_}{len(component)}:{component}0"
    return hashlib.sha256(text.encode()).digest()[:16].hex()
