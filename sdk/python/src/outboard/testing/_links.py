"""How the test host's frames get to a plugin and back."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Coroutine, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, NoReturn, Protocol, TypeVar

import grpc

from outboard._app import Plugin
from outboard._roles import Role
from outboard._server import run_session

Result = TypeVar("Result")


@dataclass(frozen=True)
class Status:
    """How a session's stream ended: the name of a gRPC status code, and its text."""

    code: str
    details: str = ""


class Link(Protocol):
    """One stream, seen from the host."""

    def send(self, frame: Any) -> None:
        """Sends a request frame."""

    def half_close(self) -> None:
        """Says that no more requests come."""

    def cancel(self) -> None:
        """Breaks the stream, as a host that dies."""

    def receive(self) -> Any:
        """The next response frame; None at the end of the stream. Blocks."""

    def status(self) -> Status:
        """How the stream ended; after receive() gave None."""


class GrpcLink:
    """A stream over a channel."""

    def __init__(self, channel: grpc.Channel, role: Role) -> None:
        self._requests: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._call = channel.stream_stream(
            f"/{role.service}/{role.method}",
            request_serializer=role.request.SerializeToString,
            response_deserializer=role.response.FromString,
        )(self._outgoing())

    def send(self, frame: Any) -> None:
        """Sends a request frame."""
        self._requests.put(frame)

    def half_close(self) -> None:
        """Says that no more requests come."""
        self._requests.put(None)

    def cancel(self) -> None:
        """Breaks the stream."""
        self._call.cancel()
        self._requests.put(None)

    def receive(self) -> Any:
        """The next response frame, or None."""
        try:
            return next(self._call, None)
        except grpc.RpcError:
            return None

    def status(self) -> Status:
        """How the stream ended."""
        return Status(self._call.code().name, self._call.details() or "")

    def _outgoing(self) -> Iterator[Any]:
        while (frame := self._requests.get()) is not None:
            yield frame


class LoopThread:
    """An event loop on a thread of its own."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, Result], timeout: float = 30.0) -> Result:
        """Runs a coroutine on the loop and returns its result."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(timeout)

    def stop(self) -> None:
        """Ends loop and thread."""
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(10)
        self.loop.close()


class _Aborted(Exception):
    pass


class LocalLink:
    """A stream within this process: the engine runs on the loop thread, nothing is encoded."""

    def __init__(self, runner: LoopThread, app: Plugin, role: Role) -> None:
        self._runner = runner
        self._requests: asyncio.Queue[Any] = asyncio.Queue()
        self._responses: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._status = Status("UNKNOWN")
        self._future: Future[None] = asyncio.run_coroutine_threadsafe(
            self._run(app, role), runner.loop
        )

    def send(self, frame: Any) -> None:
        """Sends a request frame."""
        self._put(frame)

    def half_close(self) -> None:
        """Says that no more requests come."""
        self._put(grpc.aio.EOF)

    def cancel(self) -> None:
        """Breaks the stream."""
        self._future.cancel()

    def receive(self) -> Any:
        """The next response frame, or None."""
        return self._responses.get()

    def status(self) -> Status:
        """How the stream ended."""
        return self._status

    async def read(self) -> Any:
        """The plugin's side: the next request."""
        return await self._requests.get()

    async def write(self, message: Any) -> None:
        """The plugin's side: a response."""
        self._responses.put(message)

    async def abort(self, code: grpc.StatusCode, details: str = "") -> NoReturn:
        """The plugin's side: ends the stream with a status."""
        self._status = Status(code.name, details)
        raise _Aborted

    def _put(self, frame: Any) -> None:
        self._runner.loop.call_soon_threadsafe(self._requests.put_nowait, frame)

    async def _run(self, app: Plugin, role: Role) -> None:
        try:
            await run_session(app, role, self)
            self._status = Status("OK")
        except _Aborted:
            pass
        except asyncio.CancelledError:
            self._status = Status("CANCELLED")
            raise
        except Exception as error:
            self._status = Status("UNKNOWN", repr(error))
        finally:
            self._responses.put(None)
