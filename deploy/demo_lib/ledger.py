"""How `lost` is counted: from what the publisher was told and what the plugins wrote, not from what the host says.

An event counts as published when `outboard publish` wrote its id into the confirmed log, and as handled when the
plugin's own file has it: a line of the audit file, and a row for each subscriber in the notifier's database (an
event without subscribers leaves no row, so only those with some are looked for). What is in neither, nor among the
lane's dead letters, is missing. The host is asked for one number only: how many events each lane still holds.
Missing beyond that is lost. With nothing held, the count is exact; before, it is a lower bound, because what is held
might be newer.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

AUDIT = "stories/audit"
NOTIFIER = "timeline/notifier"


@dataclass(frozen=True)
class Balance:
    """Of one lane: events with a known trace that were published, and what became of them."""

    published: int
    handled: int
    dead: int
    lost: int

    @property
    def missing(self) -> int:
        return self.published - self.handled - self.dead


class Lines:
    """The whole lines of a growing file, each once."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0

    def new(self) -> list[str]:
        try:
            with self._path.open("rb") as file:
                file.seek(self._offset)
                data = file.read()
        except FileNotFoundError:
            return []
        whole = data[: data.rfind(b"\n") + 1]
        self._offset += len(whole)
        return whole.decode(errors="replace").splitlines()


class Ledger:
    """Reads the three files again and again. Call read_confirmed, then take the status, then balance."""

    def __init__(self, folder: Path, confirmed_log: Path) -> None:
        self._confirmed = Lines(confirmed_log)
        self._audit = Lines(folder / "audit.jsonl")
        self._database = folder / "notifications.db"
        self._last_row = 0
        self._subscribers: dict[int, set[int]] = {}
        self._excess: dict[str, int] = {}
        self.confirmed: set[str] = set()
        self._audited: set[str] = set()
        self._told: dict[str, set[int]] = {}

    def read_confirmed(self) -> None:
        self.confirmed.update(self._confirmed.new())

    def balance(self, events: Iterable[dict[str, Any]], held: dict[str, int],
                dead: dict[str, set[str]]) -> dict[str, Balance]:
        """By lane. `held`: events that the lane still has; `dead`: ids of its dead letters."""
        self._read_audit()
        self._read_notifier()
        wanted: dict[str, set[str]] = {AUDIT: set(), NOTIFIER: set()}
        done: dict[str, set[str]] = {AUDIT: set(), NOTIFIER: set()}
        for event in events:
            event_id = event["id"]
            if event_id not in self.confirmed:
                continue
            wanted[AUDIT].add(event_id)
            if event_id in self._audited:
                done[AUDIT].add(event_id)
            if subscribers := self._subscribers_of(event):
                wanted[NOTIFIER].add(event_id)
                if subscribers <= self._told.get(event_id, set()):
                    done[NOTIFIER].add(event_id)
        return {lane: self._of(lane, wanted[lane], done[lane], held.get(lane, 0), dead.get(lane, set()))
                for lane in wanted}

    def _of(self, lane: str, wanted: set[str], done: set[str], held: int, dead: set[str]) -> Balance:
        given_up = (dead & wanted) - done
        excess = max(0, len(wanted) - len(done) - len(given_up) - held)
        # The files and the status are not read at one instant: what is lost stays lost at the next look.
        lost = min(excess, self._excess.get(lane, 0))
        self._excess[lane] = excess
        return Balance(len(wanted), len(done), len(given_up), lost)

    def _subscribers_of(self, event: dict[str, Any]) -> set[int]:
        if not event["type"].startswith("timeline_event."):
            return set()
        after = event["data"].get("resource_after") or {}
        return self._subscribers.get(after.get("story_id", -1), set())

    def _read_audit(self) -> None:
        for line in self._audit.new():
            self._audited.add(json.loads(line)["id"])

    def _read_notifier(self) -> None:
        if not self._database.exists():
            return
        try:
            with contextlib.closing(sqlite3.connect(self._database, timeout=5)) as db:
                if not self._subscribers:
                    for story, who in db.execute("SELECT story_id, subscriber_id FROM subscriptions"):
                        self._subscribers.setdefault(story, set()).add(who)
                rows = db.execute("SELECT id, event_id, subscriber_id FROM subscription_events WHERE id > ?",
                                  (self._last_row,)).fetchall()
        except sqlite3.OperationalError:
            return  # Its tables are being made, or a commit takes long: next time.
        for row, event_id, subscriber in rows:
            self._told.setdefault(event_id, set()).add(subscriber)
            self._last_row = max(self._last_row, row)
