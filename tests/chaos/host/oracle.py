"""Judges a run from outside of the host: by what the plugin wrote and synced, and by the bus's file."""

from __future__ import annotations

import collections
import sqlite3
from pathlib import Path

from outboard.event.v1 import event_pb2
from running_host import Ledger

Ids = collections.Counter[str]


class Verdicts:
    """What the plugin answered, from `outboard-faulty --ledger FILE --ledger-all`, by verdict."""

    def __init__(self, ledger: Ledger) -> None:
        self._lines = ledger.lines()

    def of(self, verdict: str) -> Ids:
        return collections.Counter(line[0] for line in self._lines if line[3] == verdict)


def in_hand(taken: Ledger, ledger: Ledger, pids: list[int]) -> int:
    """Deliveries that these processes, ended by now, took (`--taken FILE`) and never answered.

    Each was in flight when its process, or the host that kills its processes with it, was killed: what a process takes
    from its queue a moment after the host's death was sent to it before.
    """
    wanted = {str(pid) for pid in pids}

    def of(file: Ledger) -> collections.Counter[tuple[str, ...]]:
        return collections.Counter(tuple(line[:3]) for line in file.lines() if line[2] in wanted)

    return (of(taken) - of(ledger)).total()


class Books:
    """The file of the embedded bus, with no host on it. The log still holds every event that was accepted."""

    def __init__(self, data: Path, lane: str) -> None:
        with sqlite3.connect(f"file:{data / 'bus.sqlite'}?mode=ro", uri=True) as connection:
            self.integrity = connection.execute("PRAGMA integrity_check").fetchone()[0]
            self.accepted: Ids = self._ids(connection.execute("SELECT event FROM log"))
            self.dead: Ids = self._ids(connection.execute("SELECT event FROM dead WHERE lane = ?", (lane,)))
            (queue,) = connection.execute("SELECT queue FROM lane WHERE name = ?", (lane,)).fetchone()
            cursor, ended_to, self.backlog = connection.execute(
                "SELECT cursor, ended_to, backlog FROM queue WHERE id = ?", (queue,)).fetchone()
            (last,) = connection.execute('SELECT max("offset") FROM log').fetchone()
            self.held: int = connection.execute("SELECT count(*) FROM held WHERE queue = ?", (queue,)).fetchone()[0]
        # Nothing waits: nothing at or above the cursor, nothing held. So each event of the log has a recorded end.
        self.open = int(max(last + 1 - max(cursor, ended_to), 0)) if last is not None else 0

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
