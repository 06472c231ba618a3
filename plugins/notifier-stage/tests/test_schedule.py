"""Which job is next, and what is held in memory."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from pool import Pool
from schedule import Bounds, Room, Schedule


@dataclass(eq=False)
class Work:
    """Does nothing, or what the test says."""

    key: str = "a"
    owner: str = "o"
    size: int = 1
    delays: list[float] = field(default_factory=list)
    why: str = ""
    go: threading.Event | None = None
    started: threading.Event = field(default_factory=threading.Event)
    over: threading.Event = field(default_factory=threading.Event)

    def run(self) -> float | None:
        self.started.set()
        if self.go is not None:
            assert self.go.wait(30)
        if self.delays:
            return self.delays.pop(0)
        self.over.set()
        return None

    def drop(self, why: str) -> None:
        self.why = why
        self.over.set()


def schedule_of(most: int = 10, most_bytes: int = 100, per_owner: int = 10) -> Schedule:
    return Schedule(1, Bounds(most, most_bytes, per_owner))


def pool_of(threads: int, most: int = 10, per_owner: int = 10) -> Pool:
    return Pool("test", threads, per_key=1, bounds=Bounds(most, 100, per_owner))


def test_jobs_come_in_their_order_but_few_of_one_key() -> None:
    schedule = schedule_of()
    first, second, other = Work("a"), Work("a"), Work("b")
    for job in (first, second, other):
        schedule.add(job)
    assert [schedule.take(0), schedule.take(0), schedule.take(0)] == [first, other, None]
    schedule.done(first)
    assert schedule.take(0) is second
    schedule.done(second)
    schedule.done(other)
    assert (schedule.count, schedule.bytes) == (0, 0)


def test_a_job_that_waits_lets_others_of_its_key_go() -> None:
    schedule = schedule_of()
    first, second = Work("a"), Work("a")
    schedule.add(first)
    schedule.add(second)
    assert schedule.take(0) is first
    schedule.again(first, 5)
    assert schedule.take(1) is second
    assert schedule.due() == 5
    schedule.done(second)
    assert schedule.take(4.9) is None
    assert schedule.take(5) is first


def test_number_and_bytes_are_bounded_and_one_large_job_fits() -> None:
    schedule = schedule_of(2, 10)
    large = Work(size=1000)
    assert schedule.room(large) is Room.YES
    schedule.add(large)
    assert schedule.room(Work()) is Room.FULL
    schedule.take(0)
    schedule.done(large)
    schedule.add(Work(size=5))
    assert schedule.room(Work(size=6)) is Room.FULL
    assert schedule.room(Work(size=5)) is Room.YES
    schedule.add(Work(size=5))
    assert schedule.room(Work(size=0)) is Room.FULL


def test_an_owner_has_a_share() -> None:
    schedule = schedule_of(per_owner=1)
    first = Work(owner="dead")
    schedule.add(first)
    assert schedule.room(Work(owner="dead")) is Room.OWNER_FULL
    assert schedule.room(Work(owner="other")) is Room.YES
    assert schedule.take(0) is first
    schedule.again(first, 60)
    assert schedule.room(Work(owner="dead")) is Room.OWNER_FULL
    assert schedule.take(60) is first
    schedule.done(first)
    assert schedule.room(Work(owner="dead")) is Room.YES


def test_what_waits_for_its_time_counts_too() -> None:
    schedule = schedule_of(1)
    job = Work()
    schedule.add(job)
    schedule.take(0)
    schedule.again(job, 60)
    assert schedule.room(Work()) is Room.FULL
    assert schedule.clear(ready_too=False) == [job]
    assert schedule.room(Work()) is Room.YES


def test_a_job_runs_until_it_is_over() -> None:
    pool = pool_of(2)
    job = Work(delays=[0, 0.001, 0])
    assert pool.add(job)
    assert job.over.wait(30)
    pool.close(30)
    assert (pool.pending, job.delays, job.why) == (0, [], "")


def test_a_key_that_hangs_leaves_threads_to_others() -> None:
    pool = pool_of(2)
    go = threading.Event()
    slow, more, other = Work("slow", go=go), Work("slow", go=go), Work("other")
    for job in (slow, more, other):
        pool.add(job)
    assert other.over.wait(30)
    assert not more.started.is_set()
    go.set()
    assert more.over.wait(30)
    pool.close(30)


def test_what_finds_no_room_is_dropped_at_once() -> None:
    pool = pool_of(1, most=1)
    go = threading.Event()
    first, second = Work(go=go), Work()
    assert pool.add(first)
    assert not pool.add(second)
    assert second.why == "too many are pending"
    go.set()
    pool.close(30)


def test_who_waits_for_room_gets_it_or_the_end() -> None:
    pool = pool_of(1, most=1)
    go = threading.Event()
    first, second, third = Work(go=go), Work(), Work()
    pool.add(first)
    waiting = threading.Thread(target=pool.add, args=(second,), kwargs={"wait": True})
    waiting.start()
    go.set()
    assert second.over.wait(30)
    waiting.join(30)
    assert second.why == ""
    go.clear()
    pool.add(Work(go=go))
    waiting = threading.Thread(target=pool.add, args=(third,), kwargs={"wait": True})
    waiting.start()
    closing = threading.Thread(target=pool.close, args=(30,))
    closing.start()
    waiting.join(30)
    assert third.why == "the plugin stops"
    go.set()
    closing.join(30)


def test_an_owner_with_its_share_waits_for_nothing() -> None:
    pool = pool_of(1, most=10, per_owner=1)
    go = threading.Event()
    pool.add(Work(owner="dead", go=go))
    more = Work(owner="dead")
    assert not pool.add(more, wait=True)
    assert more.why == "too many are pending for one subscriber"
    go.set()
    pool.close(30)


def test_a_close_runs_what_is_ready_and_drops_what_waits() -> None:
    pool = pool_of(1)
    go = threading.Event()
    waits, ready = Work(delays=[3600], go=go), Work()
    pool.add(waits)
    pool.add(ready)
    assert waits.started.wait(30)
    closing = threading.Thread(target=pool.close, args=(30,))
    closing.start()
    go.set()
    closing.join(30)
    assert (waits.why, ready.why, ready.over.is_set()) == ("the plugin stops", "", True)
    late = Work()
    assert not pool.add(late)
    assert late.why == "the plugin stops"


def test_a_job_that_breaks_does_not_end_its_thread() -> None:
    class Broken(Work):
        def run(self) -> float | None:
            raise KeyError("nobody knows")

    pool = pool_of(1)
    broken, sound = Broken(), Work()
    pool.add(broken)
    pool.add(sound)
    assert sound.over.wait(30)
    assert broken.why == "an internal error"
    pool.close(30)
