"""Who waits for whom: threads, tasks, order per key, cancelling; with gRPC and without."""

from __future__ import annotations

import asyncio
import threading

from conftest import Open, event

import outboard
from outboard import Plugin


def test_a_slow_event_does_not_hold_back_others(play: Open) -> None:
    app = Plugin("p")
    gate = threading.Event()

    @app.worker(concurrency=2)
    def work(event: outboard.Event) -> None:
        if event.type == "slow":
            gate.wait(30)

    with play(app).open() as session:
        slow, *fast = session.deliver(event("slow"), *[event() for _ in range(50)])
        for delivery_id in fast:
            assert session.answer(delivery_id).outcome == "DONE"
        assert slow not in session.answered()
        gate.set()
        assert session.answer(slow).outcome == "DONE"
    assert session.answered()[-1] == slow


def test_answers_leave_before_the_frame_is_done(play: Open) -> None:
    app = Plugin("p")
    gate = threading.Event()

    @app.worker(concurrency=1)
    def work(event: outboard.Event) -> None:
        if event.type == "slow":
            gate.wait(30)

    with play(app).open() as session:
        ids = session.deliver(event(), event(), event("slow"), event())
        session.answer(ids[1])
        assert session.answered() == ids[:2]
        gate.set()
        session.answer(ids[3])


def test_events_start_in_the_order_of_arrival_and_use_all_threads(play: Open) -> None:
    app = Plugin("p")
    started: list[str] = []
    all_busy = threading.Barrier(4, timeout=30)

    @app.worker(concurrency=4)
    def work(event: outboard.Event) -> None:
        started.append(event.type)
        all_busy.wait()

    with play(app).open() as session:
        answers = session.handle(*[event(f"e{i:02}") for i in range(12)])
    assert [a.outcome for a in answers] == ["DONE"] * 12
    for start in range(0, 12, 4):
        assert sorted(started[start : start + 4]) == [f"e{i:02}" for i in range(start, start + 4)]


def test_coroutines_run_at_once_up_to_the_concurrency(play: Open) -> None:
    app = Plugin("p")
    running = 0
    most = 0

    @app.worker(concurrency=5)
    async def work(event: outboard.Event) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.001)
        running -= 1
        if event.type == "bad":
            raise outboard.Retry(reason="BAD")

    with play(app).open() as session:
        answers = session.handle(*[event() for _ in range(40)], event("bad"))
    assert [a.outcome for a in answers] == ["DONE"] * 40 + ["RETRY"]
    assert most == 5


def test_a_coroutine_that_never_waits_still_lets_answers_out(play: Open) -> None:
    app = Plugin("p")

    @app.worker
    async def work(event: outboard.Event, ctx: outboard.Context) -> None:
        return None

    with play(app).open() as session:
        ids = session.deliver(*[event() for _ in range(3000)])
        session.wait_answered(3000)
        assert session.answered() == ids


def test_one_key_goes_in_order_and_a_failure_releases_its_rest(play: Open) -> None:
    app = Plugin("p")
    handled: list[str] = []

    @app.worker(in_order=True, concurrency=4)
    def work(event: outboard.Event, ctx: outboard.Context) -> None:
        handled.append(f"{ctx.order_key}{event.type}")
        if event.type == "bad":
            raise outboard.Retry(reason="BAD")

    kinds = ["1", "1", "2", "bad", "3", "2", "4"]
    keys = ["a", "b", "a", "a", "a", "b", "a"]
    with play(app).open() as session:
        answers = session.handle(*[event(kind) for kind in kinds], order_keys=keys)
        assert [a.outcome for a in answers] == [
            "DONE", "DONE", "DONE", "RETRY", "RELEASE", "DONE", "RELEASE",
        ]  # fmt: skip
        [again] = session.handle(event("bad2"), order_keys=["a"])
    assert again.outcome == "DONE"
    assert [h for h in handled if h[0] == "a"] == ["a1", "a2", "abad", "abad2"]
    assert [h for h in handled if h[0] == "b"] == ["b1", "b2"]


def test_async_in_order_keeps_the_order_too(play: Open) -> None:
    app = Plugin("p")
    handled: list[str] = []

    @app.worker(in_order=True)
    async def work(event: outboard.Event, ctx: outboard.Context) -> None:
        await asyncio.sleep(0.002 if event.type in ("0", "5") else 0)
        handled.append(ctx.order_key + event.type)

    with play(app).open() as session:
        session.handle(*[event(str(i)) for i in range(10)], order_keys=["a", "b"] * 5)
    assert [h for h in handled if h[0] == "a"] == ["a0", "a2", "a4", "a6", "a8"]
    assert [h for h in handled if h[0] == "b"] == ["b1", "b3", "b5", "b7", "b9"]


def test_cancel_reaches_the_handler_and_releases_what_was_not_started(play: Open) -> None:
    app = Plugin("p")
    started = threading.Event()

    @app.worker(concurrency=1)
    def work(event: outboard.Event, ctx: outboard.Context) -> None:
        started.set()
        for _ in range(3000):
            if ctx.cancelled:
                raise outboard.Retry(reason="CANCELLED")
            threading.Event().wait(0.01)

    with play(app).open() as session:
        first, second = session.deliver(event(), event())
        assert started.wait(30)
        session.cancel(second)
        session.cancel(first)
        assert session.answer(first).reason == "CANCELLED"
        assert session.answer(second).outcome == "RELEASE"
