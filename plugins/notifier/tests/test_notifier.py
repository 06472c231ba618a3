"""The notifier behind the contract."""

from __future__ import annotations

import json
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import store
from main import app
from outboard import NewEvent
from outboard.testing import Host

MAIN = Path(__file__).resolve().parent.parent / "main.py"


def timeline_event(event_id: str, story: Any = 12, **changes: Any) -> NewEvent:
    """A notification as StoryBoard's event_create() publishes it."""
    after = {
        "id": 7, "created_at": "2026-01-02T03:04:05+00:00", "event_type": "user_comment",
        "event_info": '{"comment_id": 3, "title": "Tést"}', "story_id": story, "worklist_id": None,
        "board_id": None, "author_id": 5, "comment_id": 3,
    }  # fmt: skip
    body = {
        "author_id": 5, "method": "POST", "url": None, "path": "/v1/stories/12/comments",
        "query_string": None, "status": 200, "resource": "timeline_event", "resource_id": 7,
        "sub_resource": None, "sub_resource_id": None, "resource_before": None,
        "resource_after": after, **changes,
    }  # fmt: skip
    return NewEvent(
        "timeline_event.post", body, id=event_id, source="storyboard", subject=f"story/{story}"
    )


def rows(path: Path) -> list[tuple[Any, ...]]:
    db = sqlite3.connect(path)
    try:
        return db.execute(
            "SELECT event_id, author_id, subscriber_id, event_type, event_info"
            " FROM subscription_events ORDER BY event_id, subscriber_id"
        ).fetchall()
    finally:
        db.close()


@pytest.fixture
def host() -> Iterator[Host]:
    """Plays the host for the notifier in this process."""
    with Host.local(app) as host:
        yield host
    for each in store._stores.values():
        each.close()
    store._stores.clear()


@pytest.fixture
def config(tmp_path: Path) -> dict[str, Any]:
    """Story 12 has two subscribers, story 13 one."""
    return {"database": str(tmp_path / "n.db"), "subscriptions": {"12": [1, 2], "13": [3]}}


def test_each_subscriber_of_the_story_gets_a_row(host: Host, config: dict[str, Any]) -> None:
    with host.open(config=config) as session:
        answers = session.handle(
            timeline_event("a"), timeline_event("b", "13", author_id=None), timeline_event("c", 99)
        )
    assert [(a.outcome, a.bare) for a in answers] == [("DONE", True)] * 3
    info = '{"comment_id": 3, "title": "Tést"}'
    assert rows(Path(config["database"])) == [
        ("a", 5, 1, "user_comment", info),
        ("a", 5, 2, "user_comment", info),
        ("b", None, 3, "user_comment", info),
    ]


def test_a_redelivery_adds_no_row(host: Host, config: dict[str, Any]) -> None:
    with host.open(config=config) as session:
        session.handle(timeline_event("a"), timeline_event("a"))
    with host.open(config=config) as session:
        session.handle(timeline_event("a"), attempt=2)
    assert [row[:3] for row in rows(Path(config["database"]))] == [("a", 5, 1), ("a", 5, 2)]


def test_a_subscription_written_by_another_program_counts(
    host: Host, config: dict[str, Any]
) -> None:
    with host.open(config=config) as session:
        db = sqlite3.connect(config["database"])
        with db:
            db.execute("INSERT INTO subscriptions VALUES (14, 9)")
        db.close()
        session.handle(timeline_event("a", 14))
    assert [row[:3] for row in rows(Path(config["database"]))] == [("a", 5, 9)]


@pytest.mark.parametrize(
    "event",
    [
        timeline_event("a", resource="task"),
        timeline_event("a", story=None),
        timeline_event("a", resource_after={"event_type": "board_created", "board_id": 1}),
    ],
)
def test_what_concerns_no_story_is_done_without_a_row(
    host: Host, config: dict[str, Any], event: NewEvent
) -> None:
    with host.open(config=config) as session:
        assert session.handle(event)[0].outcome == "DONE"
    assert rows(Path(config["database"])) == []


@pytest.mark.parametrize(
    ("event", "message"),
    [
        (NewEvent("timeline_event.post", b"{", id="a"), "the data is not JSON"),
        (NewEvent("timeline_event.post", [1], id="a"), "not StoryBoard's object"),
        (timeline_event("a", resource_after=None), "without resource_after"),
        (timeline_event("a", story="twelve"), "story_id is 'twelve', not a number"),
        (timeline_event("a", story=2**70), "not an id"),
        (timeline_event("a", resource_after={"story_id": 1}), "event_type is None"),
    ],
)
def test_a_malformed_notification_is_rejected(
    host: Host, config: dict[str, Any], event: NewEvent, message: str
) -> None:
    with host.open(config=config) as session:
        bad, good = session.handle(event, timeline_event("b"))
    assert (bad.outcome, bad.reason) == ("REJECT", "BAD_NOTIFICATION")
    assert message in bad.message
    assert good.outcome == "DONE"


def test_one_failing_row_does_not_fail_its_batch(host: Host, config: dict[str, Any]) -> None:
    with host.open(config=config) as session:
        db = sqlite3.connect(config["database"])
        db.executescript(
            "CREATE TRIGGER refuse BEFORE INSERT ON subscription_events WHEN NEW.event_id = 'e5'"
            " BEGIN SELECT RAISE(FAIL, 'no e5'); END;"
        )
        db.close()
        answers = session.handle(*[timeline_event(f"e{i}", 13) for i in range(10)])
    assert [a.outcome for a in answers] == ["DONE"] * 5 + ["RETRY"] + ["DONE"] * 4
    assert answers[5].reason == "INTEGRITY_ERROR"
    assert len(rows(Path(config["database"]))) == 9


def test_a_bad_config_is_told_whole(host: Host, tmp_path: Path) -> None:
    described = host.describe(
        {"database": str(tmp_path / "no" / "n.db"), "subscriptions": {"x": [1], "1": "2"}, "db": 1}
    )
    assert {error.path for error in described.config_errors} == {
        "/database", "/subscriptions/x", "/subscriptions/1", "/db",
    }  # fmt: skip
    assert [e.path for e in host.describe({}).config_errors] == ["/database"]
    assert json.loads(described.config_schema_json)["required"] == ["database"]


def test_killed_in_the_middle_nothing_answered_is_missing(config: dict[str, Any]) -> None:
    count = 20_000
    events = [timeline_event(f"e{i:05}") for i in range(count)]
    with Host.launch([sys.executable, str(MAIN)]) as host:
        assert host.process is not None
        session = host.open(config=config)
        ids = session.deliver(*events)
        session.wait_answered(100)
        host.process.kill()
        session.ended()
        answered = {f"e{ids.index(i):05}" for i in session.answered()}
    assert 100 <= len(answered) < count
    written = rows(Path(config["database"]))
    assert answered <= {row[0] for row in written}
    with Host.launch([sys.executable, str(MAIN)]) as host, host.open(config=config) as session:
        assert {a.outcome for a in session.handle(*events, timeout=120)} == {"DONE"}
    assert len(rows(Path(config["database"]))) == 2 * count
