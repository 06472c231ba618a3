"""Events as authors see them: `Event` arrives, `NewEvent` leaves."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from outboard.event.v1 import event_pb2

AttributeValue = bool | int | str | bytes | datetime


class Event:
    """One event, read straight from the wire message: what is not asked for costs nothing."""

    __slots__ = ("_message",)

    def __init__(self, message: event_pb2.Event) -> None:
        self._message = message

    @property
    def id(self) -> str:
        """Unique within `source`; the same again when the event is delivered again."""
        return self._message.id

    @property
    def source(self) -> str:
        """URI reference of where it happened."""
        return self._message.source

    @property
    def type(self) -> str:
        """For example "story.post"."""
        return self._message.type

    @property
    def data(self) -> bytes:
        """The payload as it was published; b"" if there is none."""
        message = self._message
        data = message.binary_data
        if data or message.WhichOneof("data") in (None, "binary_data"):
            return data
        return message.proto_data.value or message.text_data.encode()

    def json(self) -> Any:
        """The payload parsed as JSON; ValueError if it is none."""
        return json.loads(self.data)

    @property
    def subject(self) -> str | None:
        """What it is about within the source, for example "story/12"."""
        value = self._attribute("subject")
        return None if value is None else str(value)

    @property
    def time(self) -> datetime | None:
        """When it happened, with a time zone."""
        value = self._attribute("time")
        if isinstance(value, str):
            value = datetime.fromisoformat(value)
        return value if isinstance(value, datetime) else None

    @property
    def datacontenttype(self) -> str | None:
        """Media type of the payload."""
        value = self._attribute("datacontenttype")
        return None if value is None else str(value)

    @property
    def attributes(self) -> dict[str, AttributeValue]:
        """All optional and extension attributes, a new dict each time."""
        return {name: _plain(value) for name, value in self._message.attributes.items()}

    @property
    def message(self) -> event_pb2.Event:
        """The wire message. Do not change it."""
        return self._message

    def _attribute(self, name: str) -> AttributeValue | None:
        attributes = self._message.attributes
        return _plain(attributes[name]) if name in attributes else None

    def __repr__(self) -> str:
        return f"Event(id={self.id!r}, source={self.source!r}, type={self.type!r})"


class NewEvent:
    """An event to emit or to publish.

    `data` is bytes, text (sent as UTF-8) or anything that JSON can hold (sent as application/json).
    An emit needs neither `id` nor `source`: the host derives them.
    """

    __slots__ = ("attributes", "data", "datacontenttype", "id", "source", "subject", "time", "type")

    def __init__(
        self,
        type: str,
        data: Any = None,
        *,
        id: str = "",
        source: str = "",
        subject: str | None = None,
        time: datetime | None = None,
        datacontenttype: str | None = None,
        attributes: Mapping[str, AttributeValue] | None = None,
    ) -> None:
        if not type:
            raise ValueError("an event needs a type, for example 'story.post'")
        self.type = type
        self.data = data
        self.id = id
        self.source = source
        self.subject = subject
        self.time = time
        self.datacontenttype = datacontenttype
        self.attributes = attributes

    def to_message(self) -> event_pb2.Event:
        """The wire message."""
        message = event_pb2.Event(id=self.id, source=self.source, type=self.type)
        content_type = self.datacontenttype
        if self.data is not None:
            encoded, implied = _encode(self.data)
            message.binary_data = encoded
            content_type = content_type or implied
        named = {"subject": self.subject, "time": self.time, "datacontenttype": content_type}
        for name, value in {**(self.attributes or {}), **named}.items():
            if value is not None:
                _set(message.attributes[name], name, value)
        return message

    def to_published(self) -> event_pb2.Event:
        """The wire message for a publisher: needs a source, gets an id if it has none."""
        if not self.source:
            raise ValueError(
                f"a published event needs a source; event of type {self.type!r} has none"
            )
        message = self.to_message()
        message.id = message.id or str(uuid.uuid4())
        message.spec_version = "1.0"
        return message

    def __repr__(self) -> str:
        return f"NewEvent(type={self.type!r}, subject={self.subject!r})"


def _encode(data: Any) -> tuple[bytes, str | None]:
    if isinstance(data, bytes | bytearray | memoryview):
        return bytes(data), None
    if isinstance(data, str):
        return data.encode(), None
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return text.encode(), "application/json"


def _set(target: event_pb2.AttributeValue, name: str, value: AttributeValue) -> None:
    if isinstance(value, bool):
        target.ce_boolean = value
    elif isinstance(value, int):
        target.ce_integer = value
    elif isinstance(value, str):
        target.ce_string = value
    elif isinstance(value, bytes):
        target.ce_bytes = value
    elif isinstance(value, datetime):
        target.ce_timestamp.FromDatetime(value.astimezone(UTC))
    else:
        raise TypeError(
            f"attribute {name!r} is a {type(value).__name__}; use bool, int, str, bytes or datetime"
        )


def _plain(value: event_pb2.AttributeValue) -> AttributeValue:
    field = value.WhichOneof("attr")
    if field is None:
        return ""
    if field == "ce_timestamp":
        return value.ce_timestamp.ToDatetime(tzinfo=UTC)
    plain: AttributeValue = getattr(value, field)
    return plain
