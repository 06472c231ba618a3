"""The SQLite file of subscriptions and of what subscribers were told."""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from timeline import Notice

TABLES = """
CREATE TABLE IF NOT EXISTS subscriptions (
  story_id INTEGER NOT NULL, subscriber_id INTEGER NOT NULL,
  PRIMARY KEY (story_id, subscriber_id)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS subscription_events (
  id INTEGER PRIMARY KEY, event_id TEXT NOT NULL, subscriber_id INTEGER NOT NULL,
  author_id INTEGER, event_type TEXT NOT NULL, event_info TEXT,
  UNIQUE (event_id, subscriber_id));
"""
ADD = """
INSERT OR IGNORE INTO subscription_events
  (event_id, subscriber_id, author_id, event_type, event_info)
SELECT ?, subscriber_id, ?, ?, ? FROM subscriptions WHERE story_id = ?
"""
# One commit carries at most so many events.
BATCH = 256
# Waits so long for another process that writes, in seconds.
BUSY = 20.0


class _Job:
    def __init__(self, event_id: str, notice: Notice) -> None:
        self.row = (
            event_id,
            notice.author_id,
            notice.event_type,
            notice.event_info,
            notice.story_id,
        )
        self.loop = asyncio.get_running_loop()
        self.future: asyncio.Future[None] = self.loop.create_future()

    def finish(self, error: BaseException | None) -> None:
        """On the loop's thread."""
        if self.future.done():
            return
        if error is None:
            self.future.set_result(None)
        else:
            self.future.set_exception(error)


class Store:
    """One thread writes, with what has gathered in one transaction: group commit.

    Several processes may share the file. A row is there once, however often its event comes.
    """

    def __init__(self, path: str) -> None:
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._db = sqlite3.connect(
            path, timeout=BUSY, isolation_level=None, check_same_thread=False
        )
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")
        self._db.executescript(TABLES)
        self._thread = threading.Thread(target=self._run, name="store", daemon=True)
        self._thread.start()

    async def add(self, event_id: str, notice: Notice) -> None:
        """Writes a row for each subscriber of the story; returns when they are on the disk."""
        job = _Job(event_id, notice)
        self._jobs.put(job)
        await job.future

    def close(self) -> None:
        """Writes what is left and closes the file."""
        self._jobs.put(None)
        self._thread.join()
        self._db.close()

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            jobs = [job]
            while len(jobs) < BATCH and not self._jobs.empty():
                following = self._jobs.get()
                if following is None:
                    self._jobs.put(None)
                    break
                jobs.append(following)
            self._write(jobs)

    def _write(self, jobs: Sequence[_Job]) -> None:
        error = self._commit(jobs)
        if error is not None and len(jobs) > 1:
            # One of them may be at fault: each alone, so that it fails alone.
            for job in jobs:
                self._write([job])
            return
        for job in jobs:
            job.loop.call_soon_threadsafe(job.finish, error)

    def _commit(self, jobs: Iterable[_Job]) -> BaseException | None:
        try:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                self._db.executemany(ADD, [job.row for job in jobs])
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise
        except Exception as error:
            return error
        return None


_stores: dict[Path, Store] = {}
_lock = threading.Lock()


def store_at(path: str, subscriptions: Mapping[str, Sequence[int]]) -> Store:
    """The store of a file, made when missing; adds the given subscriptions. One for each file."""
    with _lock:
        place = Path(path).resolve()
        if place not in _stores:
            _stores[place] = Store(str(place))
    rows = [(int(story), who) for story, all_of in subscriptions.items() for who in all_of]
    if rows:
        with sqlite3.connect(place, timeout=BUSY) as db:
            db.executemany("INSERT OR IGNORE INTO subscriptions VALUES (?, ?)", rows)
        db.close()
    return _stores[place]
