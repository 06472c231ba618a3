"""The stage behind the contract."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import main
import pytest
from counts import Counts
from outboard import NewEvent
from outboard.plugin.v1 import session_pb2
from outboard.testing import Answer, Host, TestSession
from servers import Inbox

MESSAGE = {"body": {"event": "Started"}}


@pytest.fixture
def host() -> Iterator[Host]:
    """Plays the host for the stage in this process."""
    with Host.local(main.app) as host:
        yield host
    main.close()


def call(session: TestSession, operation: str, *args: Any, pipeline: str = "message", **kwargs: Any) -> Answer:
    message = session_pb2.Call(pipeline=pipeline, operation=operation)
    for arg in args:
        message.args.add(data=json.dumps(arg).encode())
    for name, value in kwargs.items():
        message.kwargs[name].data = json.dumps(value).encode()
    return session.answer(session.call(message))


def listed(inbox: Inbox) -> dict[str, Any]:
    return {"subscriptions": [{"queue": "q", "project": "p1", "subscriber": f"{inbox.url}/t"}]}


@pytest.mark.parametrize(
    ("args", "kwargs"),
    [
        (("q", [MESSAGE], "c1", "p1"), {}),
        (("q",), {"messages": [MESSAGE], "client_uuid": "c1", "project": "p1"}),
        ((), {"queue": "q", "messages": [MESSAGE], "client_uuid": "c1", "project": "p1"}),
    ],
)
def test_arguments_come_by_position_or_by_name(
    host: Host, inbox: Inbox, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> None:
    with host.open(config=listed(inbox)) as session:
        answer = call(session, "post", *args, **kwargs)
        assert (answer.outcome, answer.bare) == ("CONTINUE", True)
        [post] = inbox.wait(1)
    assert post.body == {**MESSAGE, "queue_name": "q", "Message_Type": "Notification"}


@pytest.mark.parametrize(
    ("operation", "pipeline", "args"),
    [
        ("post", "message", ()),
        ("post", "message", ("q",)),
        ("post", "message", ("q", "text")),
        ("post", "message", ("q", [1])),
        ("post", "message", (5, [{}])),
        ("create", "subscription", ("q",)),
        ("confirm", "subscription", ()),
        ("create", "queue", ("q",)),
        ("create", "subscription", ("q", "http://x", 60, {})),
        ("confirm", "subscription", ("q", "s1", None, False)),
    ],
)
def test_whatever_comes_passes(host: Host, inbox: Inbox, operation: str, pipeline: str, args: tuple[Any, ...]) -> None:
    with host.open(config=listed(inbox)) as session:
        answer = call(session, operation, *args, pipeline=pipeline)
    assert (answer.outcome, answer.bare) == ("CONTINUE", True)
    assert inbox.posts == []


def test_events_pass_and_the_log_says_where_the_stage_belongs(
    host: Host, inbox: Inbox, caplog: pytest.LogCaptureFixture
) -> None:
    main._warn_of_events.cache_clear()
    with host.open(config=listed(inbox)) as session:
        answers = session.handle(NewEvent("a.post", {}), NewEvent("b.post", {}))
    assert [(a.outcome, a.bare) for a in answers] == [("CONTINUE", True)] * 2
    assert caplog.text.count("belongs into pipelines") == 1


def test_sessions_of_one_config_share_a_notifier(host: Host, inbox: Inbox) -> None:
    with host.open(config=listed(inbox)) as first, host.open(config=listed(inbox)) as second:
        call(first, "post", "q", [MESSAGE], "c1", "p1")
        inbox.wait(1)
        call(second, "post", "q", [MESSAGE], "c1", "p1")
        inbox.wait(2)
    assert len(main._notifiers) == 1


def test_the_numbers_can_be_asked_for(host: Host, inbox: Inbox) -> None:
    with host.open(config=listed(inbox)) as session:
        answer = call(session, "notifier_stats")
    assert answer.outcome == "HALT"
    assert json.loads(answer.verdict.answer.data) == {
        "sent": 0, "retried": 0, "skipped": 0, "dropped": {}, "lookups": 0, "pending": 0,
    }  # fmt: skip


def test_a_bad_config_is_told(host: Host) -> None:
    assert [e.path for e in host.describe({}).config_errors] == ["/host"]
    assert [e.path for e in host.describe({"host": "unix:/tmp/s"}).config_errors] == []


def test_drops_are_counted_and_not_each_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    now = [0.0]
    counts = Counts(lambda: now[0])
    for number in range(5):
        counts.dropped("refused", f"number {number}")
    counts.dropped("other", "x")
    now[0] = 11
    counts.dropped("refused", "the last")
    assert [record.getMessage() for record in caplog.records] == [
        "dropped, refused: number 0; 1 so far",
        "dropped, other: x; 1 so far",
        "dropped, refused: the last (and 4 more); 6 so far",
    ]
    assert counts.as_json()["dropped"] == {"refused": 6, "other": 1}
