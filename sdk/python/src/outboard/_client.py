"""Publishing events to a host."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import grpc

from outboard._events import NewEvent
from outboard.host.v1 import publisher_pb2

_METHOD = "/outboard.host.v1.PublisherService/Publish"


class PublishError(Exception):
    """The host did not take every event. `results` holds what became of each."""

    def __init__(self, results: Sequence[publisher_pb2.PublishResult]) -> None:
        failed = [(i, r) for i, r in enumerate(results) if not r.confirmed]
        index, first = failed[0]
        super().__init__(
            f"{len(failed)} of {len(results)} events were not published; "
            f"the first, at index {index}: {first.message} (code {first.code})"
        )
        self.results = list(results)


class Publisher:
    """Publishes events to the host at `target`: `host:port` or `unix:/path`. Safe on any thread."""

    def __init__(self, target: str) -> None:
        self._channel = grpc.insecure_channel(target)
        self._publish = self._channel.unary_unary(
            _METHOD,
            request_serializer=publisher_pb2.PublishRequest.SerializeToString,
            response_deserializer=publisher_pb2.PublishResponse.FromString,
        )

    def publish(
        self, *events: NewEvent, timeout: float | None = 30.0
    ) -> list[publisher_pb2.PublishResult]:
        """Publishes in order; returns when the bus has confirmed every event.

        Raises PublishError if it refused one, grpc.RpcError if the host was not reached or did not
        answer: then it is not known whether the bus has the events.
        """
        return _checked(self._publish(_request(events), timeout=timeout))

    def close(self) -> None:
        """Closes the connection."""
        self._channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class AsyncPublisher:
    """The same for asyncio."""

    def __init__(self, target: str) -> None:
        self._channel = grpc.aio.insecure_channel(target)
        self._publish: Any = self._channel.unary_unary(
            _METHOD,
            request_serializer=publisher_pb2.PublishRequest.SerializeToString,
            response_deserializer=publisher_pb2.PublishResponse.FromString,
        )

    async def publish(
        self, *events: NewEvent, timeout: float | None = 30.0
    ) -> list[publisher_pb2.PublishResult]:
        """As Publisher.publish."""
        return _checked(await self._publish(_request(events), timeout=timeout))

    async def close(self) -> None:
        """Closes the connection."""
        await self._channel.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


def _request(events: Sequence[NewEvent]) -> publisher_pb2.PublishRequest:
    return publisher_pb2.PublishRequest(events=[event.to_published() for event in events])


def _checked(response: publisher_pb2.PublishResponse) -> list[publisher_pb2.PublishResult]:
    results = list(response.results)
    if not all(result.confirmed for result in results):
        raise PublishError(results)
    return results
