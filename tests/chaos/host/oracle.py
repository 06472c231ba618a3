"""Judges a run from outside of the host: by what the plugin wrote and synced, and by the bus's file."""

from __future__ import annotations

import bisect
import collections
import dataclasses
import itertools
import sqlite3
from collections.abc import Callable, Set
from pathlib import Path

from load import KEYS, Load
from outboard.event.v1 import event_pb2
from running_host import Ledger

Ids = collections.Counter[str]


class Verdicts:
    """What the plugin answered, from `outboard-faulty --ledger FILE --ledger-all`, by verdict."""

    def __init__(self, ledger: Ledger, produced: Ids | None = None) -> None:
        """`produced`: what got to where a producer puts it, which is done too."""
        self._lines = ledger.lines()
        self._produced = produced or Ids()

    def of(self, verdict: str) -> Ids:
        found = collections.Counter(line[0] for line in self._lines if line[3] == verdict)
        return found + self._produced if verdict == "done" else found


def in_hand(taken: Ledger, ledger: Ledger, pids: list[int]) -> int:
    """Deliveries that these processes, ended by now, took (`--taken FILE`) and never answered.

    Each was in flight when its process, or the host that kills its processes with it, was killed: what a process takes
    from its queue a moment after the host's death was sent to it before.
    """
    wanted = {str(pid) for pid in pids}

    def of(file: Ledger) -> collections.Counter[tuple[str, ...]]:
        return collections.Counter(tuple(line[:3]) for line in file.lines() if line[2] in wanted)

    return (of(taken) - of(ledger)).total()


@dataclasses.dataclass
class Fault:
    """What was done to these replicas, while the ledger grew from so many lines to so many."""

    kind: str
    struck: set[str]
    before: int
    after: int


class SecondEnds:
    """Which fault can be why an event was handled again.

    One of the replicas that it struck answered the event meanwhile; or so shortly before that the broker may not have
    had the acknowledgement yet; or so shortly after that it had the event in hand all the time.
    """

    # In answers of the replica. It acknowledges a quarter of its prefetch (1000) together.
    SHORTLY = 250

    def __init__(self, ledger: Ledger, faults: list[Fault], pids: dict[str, set[str]]) -> None:
        """`pids`: of all processes of plugins that each replica had."""
        self._lines = ledger.lines()
        self._answers = {name: [at for at, line in enumerate(self._lines) if line[2] in own]
                         for name, own in pids.items()}
        self.near = [(fault, self._near(fault)) for fault in faults]

    def _near(self, fault: Fault) -> set[str]:
        ids = set()
        for name in fault.struck:
            answers = self._answers[name]
            begin = max(bisect.bisect_left(answers, fault.before) - self.SHORTLY, 0)
            end = bisect.bisect_left(answers, fault.after) + self.SHORTLY
            ids.update(self._lines[at][0] for at in answers[begin:end])
        return ids

    def why(self) -> list[tuple[str, Fault | None]]:
        """Of each second end the event, and the last fault that can be why."""
        ends = []
        seen: set[str] = set()
        for at, (id_, _, _, verdict) in enumerate(self._lines):
            if verdict != "done":
                continue
            if id_ in seen:
                ends.append((id_, next((fault for fault, near in reversed(self.near)
                                        if fault.before <= at and id_ in near), None)))
            seen.add(id_)
        return ends

    def without_fault(self, died: Set[str]) -> set[str]:
        """Events that were handled again with none of the faults since the host had them in hand first.

        Nor first by one of the processes that died of an event, with answers that they had not sent.
        """
        first: dict[str, int] = {}
        found = set()
        for at, (id_, _, _, verdict) in enumerate(self._lines):
            if verdict != "done" or first.setdefault(id_, at) == at or self._lines[first[id_]][2] in died:
                continue
            if not any(fault.before <= at and first[id_] <= fault.after + self.SHORTLY for fault, _ in self.near):
                found.add(id_)
        return found


class Books:
    """The file of the embedded bus, with no host on it. The log still holds every event that was accepted."""

    def __init__(self, data: Path, lane: str, begin: str = "") -> None:
        """`begin`: of the ids of the lane's events, where others are in the log too."""
        with sqlite3.connect(f"file:{data / 'bus.sqlite'}?mode=ro", uri=True) as connection:
            self.integrity = connection.execute("PRAGMA integrity_check").fetchone()[0]
            logged = [(at, id_) for at, event in connection.execute('SELECT "offset", event FROM log')
                      if (id_ := event_pb2.Event.FromString(event).id).startswith(begin)]
            self.accepted: Ids = collections.Counter(id_ for _, id_ in logged)
            self.dead: Ids = self._ids(connection.execute("SELECT event FROM dead WHERE lane = ?", (lane,)))
            (queue,) = connection.execute("SELECT queue FROM lane WHERE name = ?", (lane,)).fetchone()
            cursor, ended_to, self.backlog = connection.execute(
                "SELECT cursor, ended_to, backlog FROM queue WHERE id = ?", (queue,)).fetchone()
            self.held: int = connection.execute("SELECT count(*) FROM held WHERE queue = ?", (queue,)).fetchone()[0]
        # Nothing waits: nothing of it at or above the cursor, nothing held. So each of them has a recorded end.
        last = max((at for at, _ in logged), default=-1)
        self.open = max(last + 1 - max(cursor, ended_to), 0)

    @staticmethod
    def _ids(rows: sqlite3.Cursor) -> Ids:
        return collections.Counter(event_pb2.Event.FromString(row[0]).id for row in rows)


def check_ends(books: Books, verdicts: Verdicts, *, confirmed: list[str], rejected: set[str],
               dropped: set[str]) -> None:
    """Each acceptance of an id has exactly one end, done, dropped or dead, and it is the one that its plugin gave it.

    An id whose publisher saw its host die before the answer was published again, so it may be accepted twice.
    """
    assert books.integrity == "ok"
    assert books.accepted.keys() >= set(confirmed), "confirmed, and not in the log"
    assert (books.backlog, books.held, books.open) == (0, 0, 0), "events of the lane without an end"
    done = verdicts.of("done")
    expected_dead = {id_: count for id_, count in books.accepted.items() if id_ in rejected}
    assert dict(books.dead) == expected_dead, "each acceptance of a rejected event is one dead letter, and no other is"
    assert not done.keys() & rejected, "rejected, and yet done"
    assert not (done.keys() | verdicts.of("reject").keys()) & dropped, "of a type that the plugin does not take"
    missing = books.accepted.keys() - done.keys() - rejected - dropped
    assert not missing, f"ended and never handled, so lost: {sorted(missing)[:10]}"
    few = {id_: count for id_, count in books.accepted.items() if id_ not in rejected | dropped and done[id_] < count}
    assert not few, f"handled less often than accepted: {dict(list(few.items())[:10])}"


class Ends:
    """What the plugins wrote, and the dead letters."""

    def __init__(self, load: Load, ledger: Ledger, dead: list[str], produced: Ids | None = None) -> None:
        self.done: Ids = Verdicts(ledger, produced).of("done")
        self.dead = Ids(dead)
        self.load = load

    def missing(self, confirmed: set[str]) -> set[str]:
        """What was confirmed or emitted and has no end."""
        return (confirmed - self.load.dead - self.load.dropped | self.load.emitted.keys()) - self.done.keys()

    def again(self) -> tuple[int, int]:
        """Second ends: handled, dead."""
        return self.done.total() - len(self.done), self.dead.total() - len(self.dead)


def check_order(ledger: Ledger, never: Set[str] = frozenset()) -> None:
    """The first handlings of each key are in the order of the bus, without those that are never handled well."""
    last: dict[int, int] = {}
    seen: set[str] = set()
    for id_, _, _, verdict in ledger.lines():
        if id_[0] != "o" or verdict != "done" or id_ in seen:
            continue
        seen.add(id_)
        number = int(id_[1:])
        before = last.get(number % KEYS, number % KEYS - KEYS)
        following = next(n for n in itertools.count(before + KEYS, KEYS) if f"o{n}" not in never)
        assert number == following, f"o{number} was handled first after o{before}"
        last[number % KEYS] = number


def explain(second: SecondEnds, counted: dict[str, int], load: Load, published_again: set[str],
            say: Callable[[str], None]) -> None:
    """Says which faults made how much of what is near them be handled again.

    By their places in the ledger, so that an event which was in hand for long before a fault is near none.
    """
    ends: collections.Counter[str] = collections.Counter()
    for id_, fault in second.why():
        if id_ in published_again:
            ends["published again"] += 1
        elif id_ in load.emitted:
            ends["emitted again"] += 1
        elif fault is not None:
            ends[fault.kind] += 1
        elif id_ in load.emitting:
            ends["its emit waited until then"] += 1
        else:
            ends["near no fault"] += 1
    near: collections.Counter[str] = collections.Counter()
    for fault, ids in second.near:
        near[fault.kind] += len(ids)
    say(table({kind: f"{count:2}; handled again: {ends.pop(kind, 0):4} of {near[kind]:4} near it"
               for kind, count in counted.items()}
              | {f"handled again, {why}": count for why, count in ends.items()}))


def table(rows: dict[str, object]) -> str:
    width = max(map(len, rows))
    return "\n".join(f"  {name:{width}}  {value}" for name, value in rows.items())
