"""What a handler says of one event or call: returned when it went well, raised when it did not."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from outboard._events import NewEvent


class Done:
    """Worker: handled, and these events are to be published before the delivery is settled."""

    __slots__ = ("emits",)

    def __init__(self, emits: Iterable[NewEvent] = ()) -> None:
        self.emits = list(emits)


class Continue:
    """Stage: pass it on, with another payload of the event, or another call.

    What is None stays as it was. Arguments are JSON values; bytes stay bytes.
    """

    __slots__ = ("args", "context", "data", "kwargs")

    def __init__(
        self,
        *,
        data: Any = None,
        args: Iterable[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        context: Mapping[str, str] | None = None,
    ) -> None:
        self.data = data
        self.args = None if args is None else list(args)
        self.kwargs = None if kwargs is None else dict(kwargs)
        self.context = None if context is None else dict(context)

    @property
    def changes_call(self) -> bool:
        """Whether the call is another one now."""
        return not (self.args is None and self.kwargs is None and self.context is None)


class Halt:
    """Stage: end the walk. An event is dropped by verdict; a call gets the answer, if any.

    An answer is a JSON value, and None is one; bytes stay bytes.
    """

    __slots__ = ("answer",)
    NOTHING: Any = object()

    def __init__(self, answer: Any = NOTHING) -> None:
        self.answer = answer


class Accepted:
    """Producer: the other system has it, at this offset (None: it has no offsets)."""

    __slots__ = ("accepted_at", "offset")

    def __init__(
        self,
        offset: int | float | str | bytes | None = None,
        accepted_at: datetime | None = None,
    ) -> None:
        self.offset = offset
        self.accepted_at = accepted_at


class Verdict(Exception):
    """Base of the answers that are raised."""


class _Failed(Verdict):
    default_reason = "FAILED"

    def __init__(
        self,
        message: str = "",
        *,
        reason: str = "",
        detail: str = "",
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        self.reason = reason or self.default_reason
        super().__init__(message or self.reason)
        self.message = message
        self.detail = detail
        self.metadata = dict(metadata or {})


class Retry(_Failed):
    """Failed for now: again later, counted.

    `after` is seconds or a timedelta: not before then. None: as the lane's policy says.
    `reason` is UPPER_SNAKE_CASE of few values: failures are grouped by it.
    """

    default_reason = "RETRY"

    def __init__(
        self,
        message: str = "",
        *,
        after: float | timedelta | None = None,
        reason: str = "",
        detail: str = "",
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message, reason=reason, detail=detail, metadata=metadata)
        self.after = after.total_seconds() if isinstance(after, timedelta) else after


class Reject(_Failed):
    """Failed for good: dead letter. Arguments as of Retry."""

    default_reason = "REJECTED"


class Release(Verdict):
    """Not started: give it to another, not counted."""


def reason_of(error: BaseException) -> str:
    """The class name in UPPER_SNAKE_CASE: ConnectionResetError -> CONNECTION_RESET_ERROR."""
    name = type(error).__name__.strip("_")
    words = re.sub(r"([a-z0-9])([A-Z])|([A-Z])([A-Z][a-z])", r"\1\3_\2\4", name)
    return re.sub(r"[^A-Za-z0-9]+", "_", words).upper() or "ERROR"


def clean(text: str, limit: int) -> str:
    """Text that fits a proto string: valid UTF-8, at most `limit` bytes."""
    data = text.encode("utf-8", "replace")
    if len(data) <= limit:
        return data.decode()
    return data[: limit - 3].decode("utf-8", "ignore") + "..."


def encode_json(value: Any) -> bytes:
    """A value as JSON bytes, as calls carry it."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
