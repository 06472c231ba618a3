"""The sqlite producer: rows as Hermes reads them, whatever is killed."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

from producing import ProducingHost, assert_order, publish_and_kill
from running_host import event, events


def hermes_reads(path: Path, offset: int = 1) -> list[dict[str, Any]]:
    """What a client of Hermes gets from that offset on: the event, its offset, its time."""
    if not path.exists():
        return []
    connection = sqlite3.connect(path)
    try:
        rows = connection.execute(
            "SELECT msgid, data, timestamp FROM hermesmessages WHERE msgid >= ? ORDER BY msgid ASC", (offset,))
        return [{**json.loads(data), "offset": msgid, "timestamp": timestamp} for msgid, data, timestamp in rows]
    except sqlite3.OperationalError:  # The table is not made yet.
        return []
    finally:
        connection.close()


def of_hermes(number: int) -> dict[str, Any]:
    return event(number, data={"evcategory": "base", "eventtype": "added", "objtype": "User", "objpkey": number,
                               "objattrs": {"login": "é"}, "step": 0, "isPartiallyProcessed": False})


def test_hermes_reads_what_was_published(tmp_path: Path) -> None:
    path = tmp_path / "bus.db"
    with ProducingHost(tmp_path, "sqlite", {"path": str(path)}) as host:
        host.publish([of_hermes(number) for number in range(100)])
        host.wait_done(100)
        read = hermes_reads(path)
        assert sorted(row["objpkey"] for row in read) == list(range(100))
        assert [row["offset"] for row in read] == list(range(1, 101))
        assert read[0]["objattrs"] == {"login": "é"}
        assert hermes_reads(path, 91) == read[90:]
        assert host.stop() == 0
    assert hermes_reads(path) == read
    assert not path.with_name("bus.db-wal").exists(), "the database was closed with the drain"


def test_kills_lose_and_double_nothing_and_keep_the_order(tmp_path: Path) -> None:
    path = tmp_path / "bus.db"
    with ProducingHost(tmp_path, "sqlite", {"path": str(path)}) as host:
        ids = publish_and_kill(host, [list(events(3000, start)) for start in range(0, 12000, 3000)],
                               lambda: len(hermes_reads(path)))
        numbers = [row["number"] for row in hermes_reads(path)]
        assert len(numbers) == len(ids) == 12000, "each once: what came again was known"
        assert_order(numbers, 50)
        assert host.dead() == []


def test_what_is_no_text_is_dead_and_the_rest_of_its_key_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "bus.db"
    with ProducingHost(tmp_path, "sqlite", {"path": str(path)}) as host:
        binary = event(1, subject="story/1", datacontenttype="application/octet-stream", data_base64="//8=")
        del binary["data"]
        host.publish([event(0, subject="story/1"), binary, event(2, subject="story/1")])
        host.wait_idle("all/sqlite")
        assert [(letter["event_id"], letter["reason"]) for letter in host.dead()] == [("e1", "NOT_TEXT")]
        assert [row["number"] for row in hermes_reads(path)] == [0, 2]


def test_a_locked_database_is_tried_again(tmp_path: Path) -> None:
    path = tmp_path / "bus.db"
    with ProducingHost(tmp_path, "sqlite", {"path": str(path)}, retry={"max_attempts": 100}) as host:
        host.publish([event(0)])
        host.wait_done(1)
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        host.publish([event(1)])
        other.execute("COMMIT")
        other.close()
        host.wait_done(2)
        assert [row["number"] for row in hermes_reads(path)] == [0, 1]


def test_a_faulty_config_is_found_by_check(tmp_path: Path) -> None:
    said = ProducingHost(tmp_path, "sqlite", {"path": "x", "format": "xml"}).check_fails()
    assert "format" in said
