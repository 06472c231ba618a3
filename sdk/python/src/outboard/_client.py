"""Publishing events to a host."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import grpc

from outboard._connection import Connection, find
from outboard._events import NewEvent
from outboard.host.v1 import publisher_pb2

_METHOD = "/outboard.host.v1.PublisherService/Publish"


class PublishError(Exception):
    """The host did not take every event. `results` holds what became of each."""

    def __init__(self, results: Sequence[publisher_pb2.PublishResult]) -> None:
        failed = [(i, r) for i, r in enumerate(results) if not _settled(r)]
        index, first = failed[0]
        super().__init__(
            f"{len(failed)} of {len(results)} events were not published; "
            f"the first, at index {index}: {first.message} (code {first.code})"
        )
        self.results = list(results)


class Publisher(Connection):
    """Publishes events to the host at `target`: `host:port` or `unix:/path`. Safe on any thread.

    Without a target: a plugin that the host launched, and lets publish, finds the host and its own
    token in its environment. `credentials` for TLS: grpc.ssl_channel_credentials.
    """

    def __init__(
        self,
        target: str | None = None,
        *,
        token: str | None = None,
        credentials: grpc.ChannelCredentials | None = None,
    ) -> None:
        super().__init__(target, token=token, credentials=credentials)
        self._publish = self._channel.unary_unary(
            _METHOD,
            request_serializer=publisher_pb2.PublishRequest.SerializeToString,
            response_deserializer=publisher_pb2.PublishResponse.FromString,
        )

    def publish(
        self,
        *events: NewEvent,
        timeout: float | None = 30.0,
        receipts_within: float | None = None,
    ) -> list[publisher_pb2.PublishResult]:
        """Publishes in order; returns when the bus has confirmed every event.

        With `receipts_within` (seconds, 300 at most) it returns once each lane has ended each
        event, at the latest after so long on top of `timeout`: each result then has `receipts`,
        with the offsets that producers gave.

        One that a stage before the bus dropped is not `confirmed`; `dropped_by` names the stage.

        Raises PublishError if it refused one, grpc.RpcError if the host was not reached or did not
        answer: then it is not known whether the bus has the events.
        """
        request = _request(events, receipts_within)
        longer = _longer(timeout, receipts_within)
        return _checked(self._publish(request, timeout=longer, metadata=self._metadata))


class AsyncPublisher:
    """The same for asyncio."""

    def __init__(
        self,
        target: str | None = None,
        *,
        token: str | None = None,
        credentials: grpc.ChannelCredentials | None = None,
    ) -> None:
        target, self._metadata = find(target, token)
        self._channel = (
            grpc.aio.secure_channel(target, credentials)
            if credentials
            else grpc.aio.insecure_channel(target)
        )
        self._publish: Any = self._channel.unary_unary(
            _METHOD,
            request_serializer=publisher_pb2.PublishRequest.SerializeToString,
            response_deserializer=publisher_pb2.PublishResponse.FromString,
        )

    async def publish(
        self,
        *events: NewEvent,
        timeout: float | None = 30.0,
        receipts_within: float | None = None,
    ) -> list[publisher_pb2.PublishResult]:
        """As Publisher.publish."""
        request = _request(events, receipts_within)
        longer = _longer(timeout, receipts_within)
        return _checked(await self._publish(request, timeout=longer, metadata=self._metadata))

    async def close(self) -> None:
        """Closes the connection."""
        await self._channel.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


def _request(
    events: Sequence[NewEvent], receipts_within: float | None
) -> publisher_pb2.PublishRequest:
    request = publisher_pb2.PublishRequest(events=[event.to_published() for event in events])
    if receipts_within is not None:
        request.receipts_within.FromNanoseconds(round(receipts_within * 1e9))
    return request


def _longer(timeout: float | None, receipts_within: float | None) -> float | None:
    return None if timeout is None else timeout + (receipts_within or 0.0)


def _checked(response: publisher_pb2.PublishResponse) -> list[publisher_pb2.PublishResult]:
    results = list(response.results)
    if not all(_settled(result) for result in results):
        raise PublishError(results)
    return results


def _settled(result: publisher_pb2.PublishResult) -> bool:
    return result.confirmed or bool(result.dropped_by)
