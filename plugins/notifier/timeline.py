"""Reads StoryBoard's 12-key notifications."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import outboard


@dataclass(frozen=True)
class Notice:
    """What subscribers of a story are told."""

    story_id: int
    author_id: int | None
    event_type: str
    event_info: str | None


def parse(data: bytes) -> Notice | None:
    """The notice of a timeline event; None for what no subscriber of a story wants.

    Raises outboard.Reject for what is no notification of StoryBoard.
    """
    try:
        body = json.loads(data)
    except ValueError as error:
        raise _bad(f"the data is not JSON: {error}") from error
    if not isinstance(body, dict) or "resource" not in body:
        raise _bad("the data is not StoryBoard's object with a resource")
    if body["resource"] != "timeline_event":
        return None
    after = body.get("resource_after")
    if not isinstance(after, dict):
        raise _bad("a timeline_event without resource_after")
    if after.get("story_id") is None:  # of a worklist or a board
        return None
    return Notice(
        story_id=_number(after, "story_id"),
        author_id=None if body.get("author_id") is None else _number(body, "author_id"),
        event_type=_text(after, "event_type") or "",
        event_info=_text(after, "event_info", optional=True),
    )


def _number(body: dict[str, Any], key: str) -> int:
    """StoryBoard writes ids as numbers or as text."""
    value = body[key]
    try:
        number = int(value)
    except (TypeError, ValueError) as error:
        raise _bad(f"{key} is {value!r}, not a number") from error
    if isinstance(value, bool | float) or not 0 <= number < 2**63:
        raise _bad(f"{key} is {value!r}, not an id")
    return number


def _text(body: dict[str, Any], key: str, *, optional: bool = False) -> str | None:
    """event_info is JSON within a string; an object is taken too."""
    value = body.get(key)
    if value is None and optional:
        return None
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False)
    if not isinstance(value, str) or not (value or optional):
        raise _bad(f"{key} is {value!r}, not a text")
    return value


def _bad(message: str) -> outboard.Reject:
    return outboard.Reject(message, reason="BAD_NOTIFICATION")
