"""How the demo counts what was lost: it must neither miss a loss nor invent one."""

from __future__ import annotations

import json
import sqlite3
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "deploy" / "demo_lib"))

from ledger import AUDIT, NOTIFIER, Balance, Ledger


def story_event(number: int, story: int, kind: str = "timeline_event.post") -> dict:
    return {"id": f"e{number}", "type": kind, "data": {"resource_after": {"story_id": story}}}


class Files:
    """What publisher and plugins write."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.db = sqlite3.connect(folder / "notifications.db", isolation_level=None)
        self.db.execute("CREATE TABLE subscriptions (story_id, subscriber_id)")
        self.db.execute("CREATE TABLE subscription_events (id INTEGER PRIMARY KEY, event_id, subscriber_id)")
        self.db.executemany("INSERT INTO subscriptions VALUES (?, ?)", [(12, 1), (12, 2)])

    def confirm(self, *ids: str) -> None:
        with (self.folder / "confirmed.log").open("a") as log:
            log.writelines(f"{event_id}\n" for event_id in ids)

    def audit(self, *ids: str) -> None:
        with (self.folder / "audit.jsonl").open("a") as log:
            log.writelines(json.dumps({"id": event_id}) + "\n" for event_id in ids)

    def tell(self, event_id: str, *subscribers: int) -> None:
        self.db.executemany("INSERT INTO subscription_events (event_id, subscriber_id) VALUES (?, ?)",
                            [(event_id, who) for who in subscribers])


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def look(ledger: Ledger, events: list, held: dict | None = None, dead: dict | None = None) -> dict[str, Balance]:
    ledger.read_confirmed()
    return ledger.balance(events, held or {}, dead or {})


def make_ledger(files: Files) -> Ledger:
    return Ledger(files.folder, files.folder / "confirmed.log")


def test_counts_what_is_in_the_plugins_files(files: Files) -> None:
    files.confirm("e1", "e2")
    files.audit("e1", "e2", "e2")
    files.tell("e1", 1, 2)
    found = look(make_ledger(files), [story_event(1, 12), story_event(2, 12, "story.post"), story_event(3, 12)])
    assert found == {AUDIT: Balance(2, 2, 0, 0), NOTIFIER: Balance(1, 1, 0, 0)}


def test_missing_is_not_lost_while_the_lane_holds_it(files: Files) -> None:
    files.confirm("e1")
    ledger = make_ledger(files)
    for _ in range(3):
        found = look(ledger, [story_event(1, 12)], {AUDIT: 1, NOTIFIER: 1})
    assert (found[AUDIT].missing, found[AUDIT].lost, found[NOTIFIER].lost) == (1, 0, 0)


def test_missing_that_nobody_holds_is_lost_at_the_second_look(files: Files) -> None:
    files.confirm("e1", "e2")
    files.audit("e1", "e2")
    files.tell("e1", 1, 2)
    files.tell("e2", 1)  # One of two subscribers.
    ledger = make_ledger(files)
    events = [story_event(1, 12), story_event(2, 12)]
    assert look(ledger, events)[NOTIFIER].lost == 0
    assert look(ledger, events)[NOTIFIER].lost == 1
    assert look(ledger, events)[AUDIT].lost == 0


def test_a_dead_letter_is_an_end(files: Files) -> None:
    files.confirm("e1")
    files.audit("e1")
    ledger = make_ledger(files)
    for _ in range(2):
        found = look(ledger, [story_event(1, 12)], {}, {NOTIFIER: {"e1", "somebody else's"}})
    assert found[NOTIFIER] == Balance(1, 0, 1, 0)


def test_events_without_subscribers_are_not_looked_for(files: Files) -> None:
    files.confirm("e1")
    files.audit("e1")
    assert look(make_ledger(files), [story_event(1, 99)])[NOTIFIER].published == 0


def test_reads_only_whole_lines(files: Files) -> None:
    files.confirm("e1")
    ledger = make_ledger(files)
    with (files.folder / "audit.jsonl").open("a") as log:
        log.write('{"id": ')
        log.flush()
        assert look(ledger, [story_event(1, 99)])[AUDIT].handled == 0
        log.write('"e1"}\n')
        log.flush()
        assert look(ledger, [story_event(1, 99)])[AUDIT].handled == 1
