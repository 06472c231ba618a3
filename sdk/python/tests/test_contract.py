"""The contract's rules, with and without gRPC between the test and the engine."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator

import pytest

import outboard
from outboard import NewEvent, Plugin
from outboard.testing import Host

Open = Callable[[Plugin], Host]


@pytest.fixture(params=["local", "serving"])
def play(request: pytest.FixtureRequest) -> Iterator[Open]:
    """Plays the host for a plugin, without gRPC and with it."""
    hosts: list[Host] = []

    def start(app: Plugin) -> Host:
        host = Host.local(app) if request.param == "local" else Host.serving(app)
        hosts.append(host)
        return host

    yield start
    for host in hosts:
        host.close()


def event(kind: str = "story.post", data: object = None) -> NewEvent:
    return NewEvent(kind, data, source="storyboard")


def test_a_return_is_done_as_a_bare_id(play: Open) -> None:
    app = Plugin("p")
    seen: list[tuple[str, str, object]] = []

    @app.worker
    def work(event: outboard.Event) -> None:
        seen.append((event.id, event.type, event.json()))

    with play(app).open() as session:
        [answer] = session.handle(NewEvent("story.post", {"a": 1}, id="e1"))
    assert (answer.outcome, answer.bare) == ("DONE", True)
    assert seen == [("e1", "story.post", {"a": 1})]


def test_done_carries_emits(play: Open) -> None:
    app = Plugin("p")

    @app.worker(emits=["mail.*"])
    def work(event: outboard.Event) -> outboard.Done:
        return outboard.Done(emits=[NewEvent("mail.sent", {"to": 1}, subject="story/1")])

    with play(app).open() as session:
        [answer] = session.handle(event())
    assert (answer.outcome, answer.bare) == ("DONE", False)
    [mail] = answer.emits
    assert (mail.id, mail.source, mail.type, mail.subject) == ("", "", "mail.sent", "story/1")
    assert mail.json() == {"to": 1}
    assert mail.datacontenttype == "application/json"


def test_what_is_raised_becomes_the_verdict(play: Open) -> None:
    app = Plugin("p")

    @app.worker
    def work(event: outboard.Event) -> None:
        if event.type == "retry":
            raise outboard.Retry("busy", after=2.5, reason="MAIL_BUSY")
        if event.type == "reject":
            raise outboard.Reject("no such story", reason="NO_STORY", metadata={"story": "12"})
        if event.type == "release":
            raise outboard.Release
        raise ConnectionResetError("peer \udcff went away")

    with play(app).open() as session:
        retry, reject, release, other = session.handle(
            event("retry"), event("reject"), event("release"), event("other")
        )
    assert (retry.outcome, retry.reason, retry.message) == ("RETRY", "MAIL_BUSY", "busy")
    assert retry.verdict.retry_after.ToMilliseconds() == 2500
    assert (reject.outcome, reject.reason) == ("REJECT", "NO_STORY")
    assert dict(reject.verdict.failure.metadata) == {"story": "12"}
    assert (release.outcome, release.reason) == ("RELEASE", "")
    assert (other.outcome, other.reason) == ("RETRY", "CONNECTION_RESET_ERROR")
    assert other.message == "ConnectionResetError: peer ? went away"
    assert "test_contract.py" in other.verdict.failure.detail
    assert not other.verdict.HasField("retry_after")


def test_a_wrong_return_value_is_a_retry_that_says_so(play: Open) -> None:
    app = Plugin("p")

    @app.worker
    def work(event: outboard.Event) -> int:
        return 7

    with play(app).open() as session:
        [answer] = session.handle(event())
    assert (answer.outcome, answer.reason) == ("RETRY", "INVALID_RETURN_VALUE")
    assert "type int" in answer.message


def test_exit_in_a_handler_is_a_retry_and_the_thread_goes_on(play: Open) -> None:
    app = Plugin("p")

    @app.worker(concurrency=1)
    def work(event: outboard.Event) -> None:
        if event.type == "exit":
            raise SystemExit(3)

    with play(app).open() as session:
        first, second = session.handle(event("exit"), event())
    assert (first.outcome, first.reason) == ("RETRY", "SYSTEM_EXIT")
    assert second.outcome == "DONE"


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


def test_context_tells_of_the_delivery_and_the_config(play: Open) -> None:
    app = Plugin("p")
    seen: list[object] = []

    @app.on_open
    def prepare(config: dict[str, object]) -> str:
        return f"state of {config['name']}"

    @app.worker
    def work(event: outboard.Event, ctx: outboard.Context) -> None:
        seen.append((ctx.attempt, ctx.route, ctx.config, ctx.state, ctx.time_limit, ctx.cancelled))

    with play(app).open(config={"name": "n"}, time_limit=1.5) as session:
        session.handle(event(), attempt=3, route="stories")
    assert seen == [(3, "stories", {"name": "n"}, "state of n", 1.5, False)]


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


def test_progress_is_reported(play: Open) -> None:
    app = Plugin("p")
    gate = threading.Event()

    @app.worker
    def work(event: outboard.Event, ctx: outboard.Context) -> None:
        ctx.progress()
        gate.wait(30)

    with play(app).open() as session:
        [delivery_id] = session.deliver(event())
        session.wait_progress(delivery_id)
        assert session.answered() == []
        gate.set()
        session.answer(delivery_id)


def test_drain_answers_everything_and_ends_with_ok(play: Open) -> None:
    app = Plugin("p")
    gate = threading.Event()

    @app.worker(concurrency=2)
    def work(event: outboard.Event) -> None:
        gate.wait(30)

    session = play(app).open()
    ids = session.deliver(*[event() for _ in range(20)])
    session.drain()
    gate.set()
    assert session.ended().code == "OK"
    assert sorted(session.answered()) == ids
    assert session.faults == []


def test_a_drain_that_runs_out_of_time_releases_what_was_not_started(play: Open) -> None:
    app = Plugin("p")

    @app.worker(concurrency=1)
    def work(event: outboard.Event, ctx: outboard.Context) -> None:
        while not ctx._session.releasing:
            threading.Event().wait(0.005)

    session = play(app).open()
    ids = session.deliver(event(), event(), event())
    session.drain(time_left=0.2)
    assert session.ended().code == "OK"
    assert [session.answer(i).outcome for i in ids] == ["DONE", "RELEASE", "RELEASE"]


def test_an_orderly_half_close_without_close_counts_as_drain(play: Open) -> None:
    app = Plugin("p")

    @app.worker
    def work(event: outboard.Event) -> None:
        return None

    session = play(app).open()
    ids = session.deliver(event(), event())
    session.half_close()
    assert session.ended().code == "OK"
    assert sorted(session.answered()) == ids


def test_a_protocol_error_ends_the_session_without_waiting(play: Open) -> None:
    app = Plugin("p")
    gate = threading.Event()

    @app.worker(concurrency=1)
    def work(event: outboard.Event) -> None:
        gate.wait(30)

    host = play(app)
    session = host.open()
    session.deliver(event())
    session.protocol_error("delivery 99 was never sent")
    assert session.ended().code == "OK"
    assert session.answered() == []
    gate.set()
    with host.open() as again:
        assert again.handle(event())[0].outcome == "DONE"


def test_a_broken_stream_drops_its_queue_and_the_next_session_works(play: Open) -> None:
    app = Plugin("p")
    gate, started = threading.Event(), threading.Event()
    handled: list[str] = []

    @app.worker(concurrency=1)
    def work(event: outboard.Event) -> None:
        handled.append(event.type)
        started.set()
        gate.wait(30)

    host = play(app)
    session = host.open()
    session.deliver(event("one"), event("two"), event("three"))
    assert started.wait(30)
    session.break_off()
    session.ended()
    with host.open() as again:
        [delivery_id] = again.deliver(event("four"))
        # The engine learns of the end on its own loop; an answered Describe and Open came after it.
        gate.set()
        assert again.answer(delivery_id).outcome == "DONE"
    assert handled[0] == "one"
    assert handled[-1] == "four"


def test_two_sessions_are_served_side_by_side(play: Open) -> None:
    app = Plugin("p")

    @app.worker
    def work(event: outboard.Event, ctx: outboard.Context) -> None:
        if ctx.config["fails"]:
            raise outboard.Reject

    host = play(app)
    with host.open(config={"fails": False}) as good, host.open(config={"fails": True}) as bad:
        good_ids = good.deliver(*[event() for _ in range(100)])
        bad_ids = bad.deliver(*[event() for _ in range(100)])
        assert {good.answer(i).outcome for i in good_ids} == {"DONE"}
        assert {bad.answer(i).outcome for i in bad_ids} == {"REJECT"}


def test_an_empty_frame_is_a_sign_of_life(play: Open) -> None:
    app = Plugin("p")

    @app.worker
    def work(event: outboard.Event) -> None:
        return None

    with play(app).open() as session:
        session.alive()
        assert session.handle(event())[0].outcome == "DONE"


def test_an_unknown_component_is_refused_with_the_names(play: Open) -> None:
    app = Plugin("mailer")

    @app.worker
    def notify(event: outboard.Event) -> None:
        return None

    status = play(app).open("notifi", wait=False).ended()
    assert status.code == "NOT_FOUND"
    assert status.details == "no worker named 'notifi' in mailer; it has: notify"


def test_a_bad_config_is_refused_by_describe_and_open(play: Open) -> None:
    app = Plugin("p", "1.2", config_schema={"type": "object"})

    @app.check_config
    def check(config: dict[str, object]) -> Iterator[outboard.ConfigError]:
        if "smtp" not in config:
            yield outboard.ConfigError("/smtp", "is missing; name the mail server")

    @app.worker
    def work(event: outboard.Event) -> None:
        return None

    host = play(app)
    described = host.describe({})
    assert [(e.path, e.message) for e in described.config_errors] == [
        ("/smtp", "is missing; name the mail server")
    ]
    assert described.config_schema_json == '{"type": "object"}'
    assert not host.describe({"smtp": "localhost"}).config_errors
    assert "not JSON" in host.describe("{").config_errors[0].message
    status = host.open("work", {}, wait=False).ended()
    assert status.code == "FAILED_PRECONDITION"
    assert status.details == "config/smtp: is missing; name the mail server"
    assert host.open("work", "[1]", wait=False).ended().code == "INVALID_ARGUMENT"
    with host.open(config={"smtp": "localhost"}) as session:
        assert session.handle(event())[0].outcome == "DONE"


def test_a_failing_on_open_refuses_the_session(play: Open) -> None:
    app = Plugin("p")

    @app.on_open
    async def prepare(config: dict[str, object]) -> None:
        raise FileNotFoundError("no /var/spool")

    @app.worker
    def work(event: outboard.Event) -> None:
        return None

    status = play(app).open(wait=False).ended()
    assert status.code == "FAILED_PRECONDITION"
    assert status.details == "opening work failed: FileNotFoundError: no /var/spool"


def test_describe_tells_what_was_declared(play: Open) -> None:
    app = Plugin("p", "1.2")

    @app.worker(events=["story.#"], emits=["mail.*"], max_in_flight=500)
    def plain(event: outboard.Event) -> None:
        return None

    @app.worker(name="other", in_order=True, disabled=lambda config: "not today")
    async def coroutine(event: outboard.Event) -> None:
        return None

    host = play(app)
    described = host.describe()
    first, second = described.components
    assert (described.name, described.version) == ("p", "1.2")
    assert described.sdk.startswith("outboard-python ")
    assert (first.name, list(first.event_types), list(first.emits)) == (
        "plain", ["story.#"], ["mail.*"],
    )  # fmt: skip
    assert (first.concurrency, first.max_in_flight, first.in_order) == (8, 500, False)
    assert (second.name, second.concurrency, second.in_order) == ("other", 100, True)
    assert (second.disabled, second.disabled_reason) == (True, "not today")
    with host.open("plain") as session:
        assert session.instance_id == described.instance_id


def test_an_answer_too_large_for_a_frame_is_rejected(play: Open) -> None:
    app = Plugin("p")

    @app.worker
    def work(event: outboard.Event) -> outboard.Done:
        size = 5_000_000 if event.type == "huge" else 1_500_000
        return outboard.Done(emits=[NewEvent("big", b"x" * size)])

    with play(app).open() as session:
        huge, *large = session.handle(event("huge"), *[event() for _ in range(6)])
    assert (huge.outcome, huge.reason) == ("REJECT", "ANSWER_TOO_LARGE")
    assert {a.outcome for a in large} == {"DONE"}
    assert max(frame.ByteSize() for frame in session.frames) <= 4 * 1024 * 1024


def test_stages_and_producers_use_the_same_engine(play: Open) -> None:
    app = Plugin("p")

    @app.stage
    def redact(event: outboard.Event) -> outboard.Continue | outboard.Halt | None:
        if event.type == "drop":
            return outboard.Halt()
        return outboard.Continue(data={"name": "***"}) if event.type == "change" else None

    @app.producer
    def forward(event: outboard.Event) -> outboard.Accepted:
        return outboard.Accepted(offset=42)

    host = play(app)
    with host.open("redact") as session:
        drop, change, keep = session.handle(event("drop"), event("change", {"n": 1}), event())
    assert (drop.outcome, change.outcome) == ("HALT", "CONTINUE")
    assert change.verdict.event.binary_data == b'{"name":"***"}'
    assert change.verdict.event.source == "storyboard"
    assert (keep.outcome, keep.bare) == ("CONTINUE", True)
    with host.open("forward") as session:
        [accepted] = session.handle(event())
    assert (accepted.outcome, accepted.verdict.offset.int_value) == ("ACCEPTED", 42)
