"""The config of the notifier."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from outboard import ConfigError

SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["database"],
    "additionalProperties": False,
    "properties": {
        "database": {
            "type": "string",
            "minLength": 1,
            "description": "SQLite file of subscriptions and rows; made when missing.",
        },
        "subscriptions": {
            "type": "object",
            "description": "Story id to subscriber ids, added to the file at start.",
            "additionalProperties": {"type": "array", "items": {"type": "integer"}},
        },
    },
}


def faults(config: dict[str, Any]) -> Iterator[ConfigError]:
    """What is wrong with a config."""
    for key in config.keys() - SCHEMA["properties"].keys():
        yield ConfigError(f"/{key}", "is unknown; known are database and subscriptions")
    path = config.get("database")
    if not isinstance(path, str) or not path:
        yield ConfigError("/database", "is missing; give the path of an SQLite file")
    elif not Path(path).resolve().parent.is_dir():
        yield ConfigError("/database", f"no folder {Path(path).resolve().parent}; make it")
    subscriptions = config.get("subscriptions", {})
    if not isinstance(subscriptions, dict):
        yield ConfigError("/subscriptions", "must be an object of story id to subscriber ids")
        return
    for story, subscribers in subscriptions.items():
        yield from _story_faults(story, subscribers)


def _story_faults(story: str, subscribers: Any) -> Iterator[ConfigError]:
    if not (story.isascii() and story.isdigit()):
        yield ConfigError(f"/subscriptions/{story}", "is no story id; use a number")
    good = isinstance(subscribers, list) and all(type(who) is int for who in subscribers)
    if not good:
        yield ConfigError(f"/subscriptions/{story}", "must be a list of subscriber ids")
