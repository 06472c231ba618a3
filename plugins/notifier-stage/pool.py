"""Threads that run jobs, some of them again later. Everything it holds is bounded."""

from __future__ import annotations

import logging
import threading
import time

from schedule import Bounds, Job, Room, Schedule

log = logging.getLogger("notifier-stage")

WHY_STOPPED = "the plugin stops"
WHY = {
    Room.YES: "",
    Room.FULL: "too many are pending",
    Room.OWNER_FULL: "too many are pending for one subscriber",
}


class Pool:
    """Runs each job on one of its threads until the job says that it is over. Safe on any thread."""

    def __init__(self, name: str, threads: int, *, per_key: int, bounds: Bounds) -> None:
        self._schedule = Schedule(per_key, bounds)
        self._changed = threading.Condition()
        self._closing = False
        self._threads = [
            threading.Thread(target=self._work, name=f"{name}-{number}", daemon=True) for number in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def pending(self) -> int:
        """Jobs that are not over."""
        with self._changed:
            return self._schedule.count

    def add(self, job: Job, *, wait: bool = False) -> bool:
        """Takes a job, or drops it: at once, or with `wait` only where its owner has its share already."""
        with self._changed:
            if wait:
                self._changed.wait_for(lambda: self._closing or self._schedule.room(job) is not Room.FULL)
            room = self._schedule.room(job)
            why = WHY_STOPPED if self._closing else WHY[room]
            if not why:
                self._schedule.add(job)
                self._changed.notify_all()
        if why:
            job.drop(why)
        return not why

    def wait_idle(self, timeout: float) -> bool:
        """Waits until all jobs are over; False: they are not within so many seconds."""
        with self._changed:
            return self._changed.wait_for(lambda: self._schedule.count == 0, timeout)

    def close(self, grace: float) -> None:
        """Takes no more; gives what is ready so many seconds, and drops the rest."""
        with self._changed:
            self._closing = True
            dropped = self._schedule.clear(ready_too=False)
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._schedule.count == 0, grace)
            dropped += self._schedule.clear(ready_too=True)
            self._changed.notify_all()
        for job in dropped:
            job.drop(WHY_STOPPED)

    def _work(self) -> None:
        while (job := self._next()) is not None:
            again: float | None = None
            try:
                again = job.run()
            except Exception:
                log.exception("a job failed in a way that nobody foresaw")
                job.drop("an internal error")
            self._finish(job, again)

    def _next(self) -> Job | None:
        with self._changed:
            while True:
                now = time.monotonic()
                job = self._schedule.take(now)
                if job is not None:
                    return job
                if self._closing and self._schedule.count == 0:
                    return None
                due = self._schedule.due()
                self._changed.wait(None if due is None else max(0.0, due - now))

    def _finish(self, job: Job, again: float | None) -> None:
        with self._changed:
            dropped = again is not None and self._closing
            if again is None or dropped:
                self._schedule.done(job)
            else:
                self._schedule.again(job, time.monotonic() + again)
            self._changed.notify_all()
        if dropped:
            job.drop(WHY_STOPPED)
