"""What handlers return and raise, and what they may know; with gRPC and without."""

from __future__ import annotations

import threading

from conftest import Open, event

import outboard
from outboard import NewEvent, Plugin
from outboard.plugin.v1 import session_pb2, stage_pb2


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
    assert "test_answers.py" in other.verdict.failure.detail
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


def test_a_stage_answers_and_changes_calls(play: Open) -> None:
    app = Plugin("p")

    @app.stage(operations=["*"])
    def store(call: outboard.Call) -> outboard.Continue | outboard.Halt | None:
        if call.operation == "change":
            changed = [*call.args, b"\x00"]
            return outboard.Continue(
                args=changed, kwargs={"raw": b"\xff", "n": 1}, context={"project": "p2"}
            )
        answers = {"echo": call.args, "null": None, "bytes": b"\x00\xff"}
        return outboard.Halt(answers[call.operation]) if call.operation in answers else None

    def call(operation: str) -> session_pb2.Call:
        made = session_pb2.Call(pipeline="queue", operation=operation, context={"project": "p1"})
        made.args.add(data=b'{"ttl":60}')
        made.args.add(data=b"\x89PNG", content_type="image/png")
        return made

    with play(app).open("store") as session:

        def verdict(operation: str) -> stage_pb2.StageVerdict:
            answer = session.answer(session.call(call(operation))).verdict
            assert isinstance(answer, stage_pb2.StageVerdict)
            return answer

        assert session.answer(session.call(call("pass"))).bare
        assert verdict("null").answer == session_pb2.Payload(data=b"null")
        raw = session_pb2.Payload(data=b"\x00\xff", content_type="application/octet-stream")
        assert verdict("bytes").answer == raw
        changed = verdict("change").call
        assert (changed.pipeline, changed.operation) == ("queue", "change")
        assert [arg.data for arg in changed.args] == [b'{"ttl":60}', b"\x89PNG", b"\x00"]
        assert changed.kwargs["raw"].data == b"\xff"
        assert changed.kwargs["n"] == session_pb2.Payload(data=b"1")
        assert dict(changed.context) == {"project": "p2"}
