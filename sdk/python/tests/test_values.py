"""Events, verdicts, declarations and the publisher."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import grpc
import pytest

import outboard
from outboard import AsyncPublisher, Event, NewEvent, Plugin, Publisher, PublishError
from outboard._verdicts import clean, reason_of
from outboard.event.v1 import event_pb2
from outboard.host.v1 import publisher_pb2


def test_an_event_reads_every_kind_of_attribute() -> None:
    when = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone(timedelta(hours=2)))
    made = NewEvent(
        "story.post",
        "text",
        subject="story/12",
        time=when,
        datacontenttype="text/plain",
        attributes={"n": 7, "flag": True, "raw": b"\0"},
    )
    event = Event(made.to_message())
    assert (event.subject, event.time, event.datacontenttype) == ("story/12", when, "text/plain")
    assert event.attributes == {
        "n": 7, "flag": True, "raw": b"\0", "subject": "story/12",
        "time": when.astimezone(UTC), "datacontenttype": "text/plain",
    }  # fmt: skip
    assert event.data == b"text"


def test_an_event_without_optional_parts_has_none() -> None:
    event = Event(event_pb2.Event(id="1", source="s", type="t"))
    assert (event.subject, event.time, event.data, event.attributes) == (None, None, b"", {})


def test_time_may_be_text() -> None:
    message = event_pb2.Event()
    message.attributes["time"].ce_string = "2026-01-02T03:04:05Z"
    assert Event(message).time == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def test_data_of_other_kinds_is_bytes() -> None:
    assert Event(event_pb2.Event(text_data="é")).data == "é".encode()
    message = event_pb2.Event()
    message.proto_data.value = b"\x08\x01"
    assert Event(message).data == b"\x08\x01"


def test_json_data_says_what_it_is() -> None:
    message = NewEvent("t", {"ä": [1, None]}).to_message()
    assert message.binary_data == '{"ä":[1,null]}'.encode()
    assert Event(message).datacontenttype == "application/json"


@pytest.mark.parametrize("bad", [1.5, [1]])
def test_an_attribute_of_another_type_is_refused_by_name(bad: Any) -> None:
    with pytest.raises(TypeError, match="attribute 'x' is a"):
        NewEvent("t", attributes={"x": bad}).to_message()


def test_a_published_event_needs_a_source_and_gets_an_id() -> None:
    with pytest.raises(ValueError, match="needs a source"):
        NewEvent("t").to_published()
    message = NewEvent("t", source="s").to_published()
    assert len(message.id) == 36
    assert message.spec_version == "1.0"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("ConnectionResetError", "CONNECTION_RESET_ERROR"),
        ("HTTPError", "HTTP_ERROR"),
        ("KeyError", "KEY_ERROR"),
        ("SMTPServerDisconnected", "SMTP_SERVER_DISCONNECTED"),
        ("Http2Error", "HTTP2_ERROR"),
        ("_Private", "PRIVATE"),
        ("timeout", "TIMEOUT"),
    ],
)
def test_a_reason_is_the_class_name(name: str, reason: str) -> None:
    assert reason_of(type(name, (Exception,), {})()) == reason


def test_text_is_cut_at_a_character() -> None:
    assert clean("äää", 6) == "äää"
    assert clean("ääää", 7) == "ää..."


def test_wrong_declarations_are_refused() -> None:
    app = Plugin("p")
    with pytest.raises(TypeError, match=r"events must be a list of strings: \['story.#'\]"):
        app.worker(events="story.#")(lambda event: None)
    with pytest.raises(TypeError, match=r"takes \(event\) or \(event, ctx\)"):
        app.worker(lambda a, b, c: None)
    with pytest.raises(ValueError, match="concurrency is -1"):
        app.worker(concurrency=-1)(lambda event: None)
    with pytest.raises(TypeError, match="a worker has no option 'operations'; it has name, events"):
        app.worker(operations=["create"])  # type: ignore[call-overload]

    @app.worker
    def work(event: Event) -> None:
        return None

    with pytest.raises(ValueError, match="two workers named 'work'"):
        app.worker(work)


def test_a_decorated_function_stays_a_function() -> None:
    app = Plugin("p")

    @app.worker(events=["a.*"])
    def work(event: Event) -> outboard.Done:
        return outboard.Done(emits=[NewEvent("b")])

    assert work(Event(event_pb2.Event())).emits[0].type == "b"


class _Publishers(grpc.GenericRpcHandler):  # type: ignore[misc]
    """A PublisherService that refuses events of type "bad"."""

    def service(self, details: Any) -> Any:
        def publish(request: publisher_pb2.PublishRequest, context: Any) -> Any:
            results = [
                publisher_pb2.PublishResult(code=3, message="bad type")
                if event.type == "bad"
                else publisher_pb2.PublishResult(dropped_by="screen")
                if event.type == "dropped"
                else publisher_pb2.PublishResult(
                    confirmed=True,
                    matched=2,
                    receipts=[
                        publisher_pb2.Receipt(lane="a/x", offset={"int_value": 42}),
                    ]
                    if request.receipts_within.ToMilliseconds() == 2500
                    else [],
                )
                for event in request.events
            ]
            return publisher_pb2.PublishResponse(results=results)

        assert details.method == "/outboard.host.v1.PublisherService/Publish"
        return grpc.unary_unary_rpc_method_handler(
            publish,
            request_deserializer=publisher_pb2.PublishRequest.FromString,
            response_serializer=publisher_pb2.PublishResponse.SerializeToString,
        )


def test_a_plugin_finds_the_host_and_its_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str | None] = []

    class Asking(_Publishers):
        def service(self, details: grpc.HandlerCallDetails) -> Any:
            seen.append(dict(details.invocation_metadata).get("authorization"))
            return super().service(details)

    server = grpc.server(ThreadPoolExecutor(1), handlers=[Asking()])
    target = f"unix:{tmp_path}/s"
    server.add_insecure_port(target)
    server.start()
    event = NewEvent("t", source="s")

    async def publish() -> None:
        async with AsyncPublisher() as publisher:
            await publisher.publish(event)

    try:
        monkeypatch.delenv("OUTBOARD_PUBLISH", raising=False)
        with pytest.raises(ValueError, match="publish: in its configuration"):
            Publisher()
        monkeypatch.setenv("OUTBOARD_PUBLISH", target)
        monkeypatch.setenv("OUTBOARD_TOKEN", "mine")
        with Publisher() as publisher:
            publisher.publish(event)
        asyncio.run(publish())
        with Publisher(target) as publisher:
            publisher.publish(event)
        with Publisher(target, token="another") as publisher:
            publisher.publish(event)
    finally:
        server.stop(None).wait()
    assert seen == ["Bearer mine"] * 2 + [None, "Bearer another"], "to others it is not shown"


def test_publishing_confirms_or_says_what_failed(tmp_path: Path) -> None:
    server = grpc.server(ThreadPoolExecutor(1), handlers=[_Publishers()])
    target = f"unix:{tmp_path}/s"
    server.add_insecure_port(target)
    server.start()
    good, bad = NewEvent("t", source="s"), NewEvent("bad", source="s")
    try:
        with Publisher(target) as publisher:
            assert [r.matched for r in publisher.publish(good, good)] == [2, 2]
            assert not publisher.publish(good)[0].receipts
            [asked] = publisher.publish(good, receipts_within=2.5)
            assert asked.receipts[0].offset.int_value == 42
            with pytest.raises(PublishError, match=r"1 of 2 .* index 1: bad type") as caught:
                publisher.publish(good, bad)
            assert caught.value.results[0].confirmed
            [dropped] = publisher.publish(NewEvent("dropped", source="s"))
            assert (dropped.confirmed, dropped.dropped_by) == (False, "screen"), "and no error"

        async def publish() -> int:
            async with AsyncPublisher(target) as publisher:
                [result] = await publisher.publish(good, receipts_within=2.5)
                return result.matched + len(result.receipts)

        assert asyncio.run(publish()) == 3
    finally:
        server.stop(None).wait()
