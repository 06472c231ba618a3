"""The status as lines."""

from __future__ import annotations

import time
from collections import deque
from typing import Any

from ledger import AUDIT, NOTIFIER, Balance
from screen import Screen, visible

Json = dict[str, Any]
WINDOW = 5.0  # Seconds that a rate is taken over.
TRACES = {AUDIT: "in the audit file", NOTIFIER: "with subscribers in the notifier's database"}
STATE_COLOURS = {"running": "green", "ready": "green", "circuit": "red", "no session": "red", "backoff": "red",
                 "stopped": "red"}


class Rates:
    """Events a second by lane, over the last seconds."""

    def __init__(self) -> None:
        self._looks: deque[tuple[float, dict[str, int]]] = deque()

    def add(self, status: Json) -> None:
        now = time.monotonic()
        self._looks.append((now, {lane["name"]: lane["done"] for lane in status["lanes"]}))
        while len(self._looks) > 2 and self._looks[1][0] <= now - WINDOW:
            self._looks.popleft()

    def of(self, lane: str) -> float:
        if len(self._looks) < 2:
            return 0.0
        (begin, before), (end, after) = self._looks[0], self._looks[-1]
        return (after.get(lane, 0) - before.get(lane, 0)) / max(end - begin, 1e-3)


def grid(rows: list[list[str]]) -> list[str]:
    """Columns: the first two to the left, the rest to the right."""
    widths = [max(visible(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [" " * (width - visible(cell)) + cell if i > 1 else cell + " " * (width - visible(cell))
                 for i, (cell, width) in enumerate(zip(row, widths, strict=True))]
        lines.append("  ".join(cells).rstrip())
    return lines


def total_lost(balances: dict[str, Balance]) -> int:
    return sum(balance.lost for balance in balances.values())


def lanes(screen: Screen, status: Json, rates: Rates) -> list[str]:
    rows = [["LANE", "STATE", "RATE", "DONE", "BACKLOG", "LAG", "RETRIES", "REDELIVERED", "DEAD"]]
    for lane in status["lanes"]:
        lag = f"{lane['lag_seconds'] or 0:.1f} s" if lane["backlog"] else "-"
        rows.append([lane["name"], _state(screen, lane["state"]), f"{rates.of(lane['name']):.1f}/s", str(lane["done"]),
                     str(lane["backlog"]), lag, str(lane["retries"]), str(lane["redelivered"]), str(lane["dead"])])
    return grid(rows)


def instances(screen: Screen, status: Json) -> list[str]:
    rows = [["INSTANCE", "STATE", "PID", "IN FLIGHT", "RESTARTS"]]
    for plugin in status["plugins"]:
        for instance in plugin["instances"]:
            mark = "q" if instance["quarantine"] else ""
            rows.append([f"{plugin['name']}#{mark}{instance['number']}", _state(screen, instance["state"]),
                         str(instance["pid"] or "-"), str(instance["in_flight"]), str(instance["restarts"])])
    return grid(rows)


def count(screen: Screen, confirmed: int, balances: dict[str, Balance]) -> list[str]:
    """The lines that matter."""
    lost = total_lost(balances)
    word = screen.paint("red" if lost else "green", f"lost {lost}")
    parts = [f"{b.handled} of {b.published} {TRACES.get(lane, lane)}" for lane, b in balances.items()]
    return [f"{confirmed} published and confirmed, {word}", f"  found: {', '.join(parts)}"]


def line(status: Json, rates: Rates, confirmed: int, balances: dict[str, Balance], elapsed: float) -> str:
    """All of it on one line, for logs."""
    lanes_said = "; ".join(f"{lane['name']} {lane['state']} {rates.of(lane['name']):.1f}/s done {lane['done']} "
                           f"backlog {lane['backlog']} lag {lane['lag_seconds'] or 0:.1f}s" for lane in status["lanes"])
    ready = sum(i["state"] == "ready" for p in status["plugins"] for i in p["instances"])
    everyone = sum(len(p["instances"]) for p in status["plugins"])
    return (f"{elapsed:4.0f}s confirmed {confirmed}; {lanes_said}; instances {ready}/{everyone} ready; "
            f"lost {total_lost(balances)}")


def _state(screen: Screen, state: str) -> str:
    return screen.paint(STATE_COLOURS.get(state, "yellow"), state)
