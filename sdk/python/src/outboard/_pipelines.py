"""Calling the pipelines of a host."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

import grpc
from google.protobuf.message import DecodeError

from outboard._calls import decode_payload, fill_payload
from outboard._connection import Connection
from outboard.host.v1 import pipeline_pb2
from outboard.plugin.v1 import session_pb2

_METHOD = "/outboard.host.v1.PipelineService/Invoke"
_ERROR = "type.googleapis.com/outboard.host.v1.InvokeError"


class Answer:
    """What a pipeline said to a call."""

    __slots__ = ("_payload", "stage")

    def __init__(self, response: pipeline_pb2.InvokeResponse) -> None:
        self.stage: str = response.stage
        """The stage that ended the walk; empty: none did."""
        self._payload = response.answer if response.HasField("answer") else None

    @property
    def given(self) -> bool:
        """Whether there is an answer: a null is one."""
        return self._payload is not None

    @property
    def value(self) -> Any:
        """The answer: a JSON value, or bytes of another media type; None where there is none."""
        return None if self._payload is None else decode_payload(self._payload)


class InvokeError(Exception):
    """A call failed."""

    def __init__(self, error: grpc.RpcError) -> None:
        assert isinstance(error, grpc.Call)
        super().__init__(error.details())
        self.code: grpc.StatusCode = error.code()
        """Such as NOT_FOUND, UNAVAILABLE, UNIMPLEMENTED."""
        found = _details(error)
        self.stage: str = found.stage
        """The stage that failed; empty: none had the call."""
        self.reason: str = found.failure.reason or self.code.name
        """As the stage says it; the name of the code where no host said anything."""
        self.message: str = found.failure.message or error.details() or ""
        self.detail: str = found.failure.detail
        self.metadata: dict[str, str] = dict(found.failure.metadata)


class PipelineCalls:
    """Calls with one context and time limit: what Pipelines.with_options gives."""

    def __init__(
        self,
        invoke: Callable[..., pipeline_pb2.InvokeResponse],
        context: Mapping[str, str] | None,
        timeout: float | None,
    ) -> None:
        self._invoke = invoke
        self._context = context
        self._timeout = timeout

    def invoke(self, pipeline: str, operation: str, /, *args: Any, **kwargs: Any) -> Answer:
        """As Pipelines.invoke."""
        call = session_pb2.Call(pipeline=pipeline, operation=operation, context=self._context)
        for arg in args:
            fill_payload(call.args.add(), arg)
        for name, value in kwargs.items():
            fill_payload(call.kwargs[name], value)
        try:
            return Answer(
                self._invoke(pipeline_pb2.InvokeRequest(call=call), timeout=self._timeout)
            )
        except grpc.RpcError as error:
            raise InvokeError(error) from None


class Pipelines(Connection):
    """Calls pipelines of the host at `target`: `host:port` or `unix:/path`. Safe on any thread.

    Target, token and credentials as of Publisher.
    """

    def __init__(
        self,
        target: str | None = None,
        *,
        token: str | None = None,
        credentials: grpc.ChannelCredentials | None = None,
    ) -> None:
        super().__init__(target, token=token, credentials=credentials)
        invoke = self._channel.unary_unary(
            _METHOD,
            request_serializer=pipeline_pb2.InvokeRequest.SerializeToString,
            response_deserializer=pipeline_pb2.InvokeResponse.FromString,
        )
        self._invoke = functools.partial(invoke, metadata=self._metadata)
        self._calls = self.with_options()

    def invoke(self, pipeline: str, operation: str, /, *args: Any, **kwargs: Any) -> Answer:
        """Calls an operation with JSON values (bytes stay bytes) and waits for its answer, 30 s.

        All named arguments are the operation's, whatever their names. Raises InvokeError where a
        stage failed, or none hooks the operation, or the host was not reached.
        """
        return self._calls.invoke(pipeline, operation, *args, **kwargs)

    def with_options(
        self, *, context: Mapping[str, str] | None = None, timeout: float | None = 30.0
    ) -> PipelineCalls:
        """For calls with a context that the stages see, or another time limit in seconds.

        They go over this connection, and end with it. A timeout of None: the stages' limits alone.
        """
        return PipelineCalls(self._invoke, context, timeout)


def _details(error: grpc.Call) -> pipeline_pb2.InvokeError:
    """The InvokeError among the details of a status, which is a google.rpc.Status."""
    found = pipeline_pb2.InvokeError()
    try:
        _read_details(error, found)
    except DecodeError:  # Not the host's: a proxy stands between.
        found.Clear()
    return found


def _read_details(error: grpc.Call, found: pipeline_pb2.InvokeError) -> None:
    for key, value in error.trailing_metadata() or ():
        if key != "grpc-status-details-bin":
            continue
        for detail in pipeline_pb2.InvokeStatus.FromString(value).details:
            if detail.type_url == _ERROR:
                found.ParseFromString(detail.value)
