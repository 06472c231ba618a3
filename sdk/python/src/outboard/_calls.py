"""Calls as authors of stages see them."""

from __future__ import annotations

import json
from typing import Any

from outboard._verdicts import Continue, encode_json
from outboard.plugin.v1 import session_pb2


class Call:
    """A request on its way through a pipeline; arguments are JSON values."""

    __slots__ = ("_message",)

    def __init__(self, message: session_pb2.Call) -> None:
        self._message = message

    @property
    def pipeline(self) -> str:
        """Name of the pipeline."""
        return self._message.pipeline

    @property
    def operation(self) -> str:
        """Name of the operation."""
        return self._message.operation

    @property
    def args(self) -> list[Any]:
        """Positional arguments."""
        return [decode_payload(payload) for payload in self._message.args]

    @property
    def kwargs(self) -> dict[str, Any]:
        """Named arguments."""
        return {name: decode_payload(payload) for name, payload in self._message.kwargs.items()}

    @property
    def context(self) -> dict[str, str]:
        """Context of the caller: traceparent, project, user, ..."""
        return dict(self._message.context)

    def changed(self, target: session_pb2.Call, to: Continue) -> None:
        """Writes this call, with what `to` has in the place of its own, into `target`."""
        target.CopyFrom(self._message)
        if to.args is not None:
            del target.args[:]
            for arg in to.args:
                fill_payload(target.args.add(), arg)
        if to.kwargs is not None:
            target.kwargs.clear()
            for name, value in to.kwargs.items():
                fill_payload(target.kwargs[name], value)
        if to.context is not None:
            target.context.clear()
            target.context.update(to.context)


def fill_payload(target: session_pb2.Payload, value: Any) -> None:
    """Writes a JSON value, or bytes as they are."""
    if isinstance(value, bytes):
        target.data = value
        target.content_type = "application/octet-stream"
    else:
        target.data = encode_json(value)


def decode_payload(payload: session_pb2.Payload) -> Any:
    """JSON is parsed; any other media type stays bytes."""
    if payload.content_type in ("", "application/json"):
        return json.loads(payload.data)
    return payload.data
