"""One `kill -9` of a Python worker that has events in hand."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from enum import Enum, auto
from typing import Any

from ledger import NOTIFIER

Json = dict[str, Any]
PLUGIN = "notifier"
PATIENCE = 4.0  # Seconds until another instance is tried: events may all go to the others.


class Stage(Enum):
    WAITING = auto()
    FROZEN = auto()
    KILLED = auto()
    RESTARTED = auto()
    OVER = auto()


def plugin_of(status: Json, name: str = PLUGIN) -> Json:
    return next((plugin for plugin in status["plugins"] if plugin["name"] == name), {"instances": [], "suspects": []})


def lane_of(status: Json, name: str = NOTIFIER) -> Json:
    return next((lane for lane in status["lanes"] if lane["name"] == name), {"redelivered": 0})


class Killing:
    """Stops a worker where it is (SIGSTOP), so that what it gets stays unanswered, and kills it when it has some.

    At 5 events a second a worker that answers in milliseconds would nearly always be idle when the kill comes.
    """

    def __init__(self) -> None:
        self.stage = Stage.WAITING
        self.in_hand = 0
        self.summary = ""
        self._number = -1
        self._pid = 0
        self._tried: list[int] = []
        self._since = 0.0
        self._redelivered = 0

    @property
    def label(self) -> str:
        return f"{PLUGIN}#{self._number}"

    def begin(self, status: Json) -> bool:
        """Freezes a worker; False: none is ready."""
        ready = [i for i in plugin_of(status)["instances"] if i["state"] == "ready" and i["pid"] > 0]
        fresh = [i for i in ready if i["number"] not in self._tried] or ready
        if not fresh:
            return False
        self._number, self._pid = fresh[0]["number"], fresh[0]["pid"]
        self._tried = [*self._tried, self._number] if len(self._tried) < len(ready) else [self._number]
        self._since = time.monotonic()
        os.kill(self._pid, signal.SIGSTOP)
        self.stage = Stage.FROZEN
        return True

    def step(self, status: Json) -> str:
        """Goes on as far as the status allows; what happened, for people."""
        if self.stage is Stage.FROZEN:
            return self._kill(status)
        if self.stage is Stage.KILLED:
            return self._see_restart(status)
        if self.stage is Stage.RESTARTED:
            return self._see_redelivery(status)
        return ""

    def let_go(self) -> None:
        """The demo ends: nobody stays frozen."""
        if self.stage is Stage.FROZEN:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGCONT)
            self.stage = Stage.WAITING

    def _instance(self, status: Json) -> Json | None:
        return next((i for i in plugin_of(status)["instances"]
                     if i["number"] == self._number and not i["quarantine"]), None)

    def _kill(self, status: Json) -> str:
        victim = self._instance(status)
        if victim is None or victim["pid"] != self._pid:  # It ended by itself.
            self.stage = Stage.WAITING
            return ""
        self.in_hand = victim["in_flight"]
        if self.in_hand == 0:
            if time.monotonic() - self._since > PATIENCE:
                self.let_go()
                self.begin(status)
            return ""
        self._redelivered = lane_of(status)["redelivered"]
        os.kill(self._pid, signal.SIGKILL)
        self._since = time.monotonic()
        self.stage = Stage.KILLED
        return (f"kill -9 {self._pid}: {self.label}, the Python worker, with {_events(self.in_hand)} in hand")

    def _see_restart(self, status: Json) -> str:
        instance = self._instance(status)
        if instance is None or instance["state"] != "ready" or instance["pid"] in (0, self._pid):
            return ""
        self.stage = Stage.RESTARTED
        self.summary = f"restarted after {time.monotonic() - self._since:.1f} s as pid {instance['pid']}"
        return f"{self.label} {self.summary}"

    def _see_redelivery(self, status: Json) -> str:
        again = lane_of(status)["redelivered"] - self._redelivered
        if again < self.in_hand or plugin_of(status)["suspects"]:
            return ""
        self.stage = Stage.OVER
        self.summary = f"{self.label} killed with {_events(self.in_hand)} in hand, {self.summary}, {again} redelivered"
        return f"what it had in hand came again, {_events(again)}, each tried alone first, and was handled"


def _events(count: int) -> str:
    return f"{count} event" if count == 1 else f"{count} events"
