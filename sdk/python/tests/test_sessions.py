"""How sessions begin and end; with gRPC and without."""

from __future__ import annotations

import threading
from collections.abc import Iterator

from conftest import Open, event

import outboard
from outboard import Plugin


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
