"""Tells the subscribers of a queue of each message posted to it, as Zaqar's notifier stage."""

from __future__ import annotations

import functools
import json
import logging
import signal
import threading
from typing import Any

import outboard
from notifier import Notifier
from settings import SCHEMA, faults, read
from subscribers import Caller

log = logging.getLogger("notifier-stage")

# Seconds for what is ready when the plugin stops; the host gives it 5.
GRACE = 4.0

app = outboard.Plugin("notifier-stage", version="0.1.0", config_schema=SCHEMA)
app.check_config(faults)

_notifiers: dict[str, Notifier] = {}
_lock = threading.Lock()


@app.on_open
def notifier_of(config: dict[str, Any]) -> Notifier:
    """The notifier of a config: one for all sessions, so that its bounds hold."""
    key = json.dumps(config, sort_keys=True)
    with _lock:
        if key not in _notifiers:
            _notifiers[key] = Notifier(read(config))
        return _notifiers[key]


# `create` and `confirm` matter in the pipeline of subscriptions alone.
@app.stage(operations=["post", "create", "confirm", "notifier_stats"])
def notify(call: outboard.Call | outboard.Event, ctx: outboard.Context) -> outboard.Halt | None:
    """Lets each call pass as it is; notifications follow behind it."""
    notifier: Notifier = ctx.state
    if isinstance(call, outboard.Event):
        _warn_of_events()
        return None
    if call.operation == "notifier_stats":
        return outboard.Halt(notifier.stats())
    try:
        _note(notifier, call)
    except Exception:
        log.exception("operation %s of pipeline %s was not understood; it passes", call.operation, call.pipeline)
    return None


@functools.cache
def _warn_of_events() -> None:
    log.warning("events pass as they are and nobody is told of them: the stage belongs into pipelines, not on routes")


def _note(notifier: Notifier, call: outboard.Call) -> None:
    of_subscriptions = call.pipeline == notifier.settings.subscription_pipeline
    if call.operation == "post":
        given = _Arguments(call)
        messages = given.get(1, "messages")
        if not isinstance(messages, list) or not all(isinstance(message, dict) for message in messages):
            raise TypeError("messages is no list of objects")
        notifier.posted(given.caller(3), messages)
    elif call.operation == "create" and of_subscriptions:
        given = _Arguments(call)
        notifier.subscribed(given.caller(4), str(given.get(1, "subscriber")))
    elif call.operation == "confirm" and of_subscriptions:
        given = _Arguments(call)
        if given.get(3, "confirmed", default=True) is False:
            notifier.unsubscribed(given.caller(2), str(given.get(1, "subscription_id")))


_MISSING: Any = object()


class _Arguments:
    """Of a call, by name or by position, as callers please."""

    def __init__(self, call: outboard.Call) -> None:
        self._args = call.args
        self._kwargs = call.kwargs
        self._context = call.context

    def get(self, position: int, *names: str, default: Any = _MISSING) -> Any:
        """Raises TypeError where it is missing and has no default."""
        for name in names:
            if name in self._kwargs:
                return self._kwargs[name]
        if position < len(self._args):
            return self._args[position]
        if default is _MISSING:
            raise TypeError(f"{names[0]} is missing")
        return default

    def caller(self, project_at: int) -> Caller:
        """Whose queue it is."""
        queue = self.get(0, "queue", "queue_name")
        if not isinstance(queue, str):
            raise TypeError("queue is no text")
        project = self.get(project_at, "project", default=None)
        return Caller(queue, None if project is None else str(project), self._context)


class _JsonLines(logging.Formatter):
    """As the host reads them."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {"level": record.levelname.lower(), "message": record.getMessage()}
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line)


def close() -> None:
    """Sends what is ready and forgets all notifiers."""
    with _lock:
        closing = list(_notifiers.values())
        _notifiers.clear()
    for notifier in closing:
        notifier.close(GRACE)
        log.info("the end: %s", json.dumps(notifier.stats()))


def main() -> None:
    """Serves until the host is gone."""
    handler = logging.StreamHandler()
    handler.setFormatter(_JsonLines())
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    outboard.serve(app)
    # What the host sends a plugin that still sends its last notifications.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    close()


if __name__ == "__main__":
    main()
