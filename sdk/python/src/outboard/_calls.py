"""Calls as authors of stages see them."""

from __future__ import annotations

import json
from typing import Any

from outboard._verdicts import encode_json
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
        return [_decode(payload) for payload in self._message.args]

    @property
    def kwargs(self) -> dict[str, Any]:
        """Named arguments."""
        return {name: _decode(payload) for name, payload in self._message.kwargs.items()}

    @property
    def context(self) -> dict[str, str]:
        """Context of the caller: traceparent, project, user, ..."""
        return dict(self._message.context)

    def changed(
        self, target: session_pb2.Call, args: list[Any] | None, kwargs: dict[str, Any] | None
    ) -> None:
        """Writes this call with other arguments into `target`."""
        target.CopyFrom(self._message)
        if args is not None:
            del target.args[:]
            target.args.extend([session_pb2.Payload(data=encode_json(arg)) for arg in args])
        if kwargs is not None:
            target.kwargs.clear()
            for name, value in kwargs.items():
                target.kwargs[name].data = encode_json(value)


def _decode(payload: session_pb2.Payload) -> Any:
    """JSON is parsed; any other media type stays bytes."""
    if payload.content_type in ("", "application/json"):
        return json.loads(payload.data)
    return payload.data
