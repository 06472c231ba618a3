"""One open stream between a host and a component, whatever carries it."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from typing import Any, NoReturn, Protocol

import grpc

from outboard._keys import Keys
from outboard._roles import FRAME_LIMIT
from outboard._verdicts import Verdict
from outboard.plugin.v1 import session_pb2

log = logging.getLogger("outboard")

# Answers that come within this time of the last frame leave together, in seconds.
LINGER = 0.001
# Share of a drain's time after which what was not started is given back.
DRAIN_SHARE = 0.8


class Stream(Protocol):
    """What carries frames: a gRPC call's server side, or a test's stand-in."""

    async def read(self) -> Any:
        """The next request, or grpc.aio.EOF."""

    async def write(self, message: Any) -> None:
        """Sends a response."""

    async def abort(self, code: grpc.StatusCode, details: str = "") -> NoReturn:
        """Ends the stream with a status."""


class Context:
    """What a handler may know of a delivery beside the event itself."""

    __slots__ = ("_delivery", "_session")

    def __init__(self, session: Session, delivery: session_pb2.Delivery) -> None:
        self._session = session
        self._delivery = delivery

    @property
    def attempt(self) -> int:
        """1 at first; grows with each counted attempt."""
        return self._delivery.attempt

    @property
    def route(self) -> str:
        """Name of the route, or of the entry of `ingress`, that it came by; empty for a call."""
        return self._delivery.route

    @property
    def order_key(self) -> str:
        """The event's key where the component is in_order and the lane is ordered, else empty."""
        return self._delivery.order_key

    @property
    def config(self) -> dict[str, Any]:
        """The config in force for this session. Do not change it."""
        return self._session.config

    @property
    def state(self) -> Any:
        """What the function marked `@app.on_open` returned for this session."""
        return self._session.state

    @property
    def cancelled(self) -> bool:
        """True once the answer is no longer wanted: stop if that is easy, and return or raise."""
        session = self._session
        return session.lost or self._delivery.delivery_id in session.cancelled

    @property
    def time_limit(self) -> float | None:
        """Seconds for this delivery, from when its turn came; None: no limit."""
        if self._delivery.HasField("time_left"):
            return self._delivery.time_left.ToNanoseconds() / 1e9
        return self._session.time_limit

    def progress(self) -> None:
        """Says that the work goes on, which starts the delivery's time anew."""
        self._session.report_progress(self._delivery.delivery_id)


class Session:
    """Reads frames, hands deliveries to the component's crew, sends what the crew answers.

    Lives on the event loop's thread. A crew's threads use only `done`, `verdicts`, `answer` and
    `report_progress`, and read the flags. Lists grow by atomic appends, and a flush takes a prefix.
    Done ids and verdicts leave within LINGER of each other; neither waits for the rest of a frame.
    """

    def __init__(self, component: Any, stream: Stream, instance_id: str) -> None:
        self.component = component
        self.role = component.role
        self.config: dict[str, Any] = {}
        self.state: Any = None
        self.time_limit: float | None = None
        self.done: list[int] = []
        self.verdicts: list[Any] = []
        self.cancelled: set[int] = set()
        self.lost = False
        self.releasing = False
        self.signalled = False
        self.keys = Keys() if component.in_order else None
        self.wake = asyncio.Event()
        self._progress: list[int] = []
        self._stream = stream
        self._instance_id = instance_id
        self._loop = asyncio.get_running_loop()
        self._received = 0
        self._answered = 0
        self._draining = False

    # Called by crews, on any thread.

    def signal(self) -> None:
        """Has the loop send what was answered; the caller has appended it before."""
        self.signalled = True
        try:
            self._loop.call_soon_threadsafe(self.wake.set)
        except RuntimeError:  # the loop is closed: nobody is there to be answered
            self.lost = True

    def answer(self, verdict: Any) -> None:
        """Answers with a verdict that is more than a bare id."""
        self.verdicts.append(verdict)
        if not self.signalled:
            self.signal()

    def report_progress(self, delivery_id: int) -> None:
        """Reports that the delivery is being worked on."""
        self._progress.append(delivery_id)
        if not self.signalled:
            self.signal()

    def skips(self, delivery_id: int) -> bool:
        """True for a delivery that is not to be started; it has been answered if that helps."""
        if self.lost:
            return True
        if self.releasing or delivery_id in self.cancelled:
            self.answer(self.role.release(delivery_id))
            return True
        return False

    def fail(self, delivery: session_pb2.Delivery, error: BaseException) -> None:
        """Answers for what a handler raised."""
        if not isinstance(error, Verdict):
            log.warning(
                "%s: %s of delivery %d (attempt %d): answered RETRY",
                self.component.name,
                repr(error)[:500],
                delivery.delivery_id,
                delivery.attempt,
            )
            log.debug("traceback", exc_info=error)
        self.answer(self.role.failure_of(delivery.delivery_id, error))

    def succeed(self, delivery: session_pb2.Delivery, result: Any) -> bool:
        """Answers for a result that is not None; False if it was no valid one."""
        try:
            verdict = self.role.verdict_of(delivery, result)
        except Exception as error:
            self.fail(delivery, error)
            return False
        self.answer(verdict)
        return bool(verdict.outcome == self.role.good_outcome)

    # The stream.

    async def run(self, first: Any, opening: Callable[[Session], Awaitable[str]]) -> None:
        """Serves the stream to its end, after its first frame has been read.

        `opening` prepares the session; a text that it returns says what forbids it.
        """
        await self._open(first, opening)
        writer = asyncio.ensure_future(self._write())
        try:
            await self._read()
            self._draining = True
            self.wake.set()
            await writer
        except (asyncio.CancelledError, ConnectionError):
            log.debug("%s: the stream was cancelled", self.component.name)
            raise
        finally:
            self.lost = True
            writer.cancel()

    async def _open(self, frame: Any, opening: Callable[[Session], Awaitable[str]]) -> None:
        opened = frame.open
        try:
            config = json.loads(opened.config_json or "{}")
        except ValueError as error:
            await self._refuse(f"Open.config_json is not JSON: {error}")
        if not isinstance(config, dict):
            await self._refuse("Open.config_json must be a JSON object")
        self.config = config
        if opened.HasField("time_limit"):
            self.time_limit = opened.time_limit.ToNanoseconds() / 1e9
        fault = await opening(self)
        if fault:
            await self._stream.abort(grpc.StatusCode.FAILED_PRECONDITION, fault)
        await self._stream.write(
            self.role.response(opened=session_pb2.Opened(instance_id=self._instance_id))
        )
        self._accept(frame)

    async def _refuse(self, fault: str) -> NoReturn:
        await self._stream.abort(grpc.StatusCode.INVALID_ARGUMENT, fault)

    async def _read(self) -> None:
        """Reads until Close or the end of the requests."""
        read = self._stream.read
        while True:
            frame = await read()
            if frame is grpc.aio.EOF:
                return
            self._accept(frame)
            if frame.HasField("close"):
                self._close(frame.close)
                return

    def _accept(self, frame: Any) -> None:
        if frame.cancel_ids:
            self.cancelled.update(frame.cancel_ids)
        deliveries = frame.deliveries
        if not deliveries:
            return
        if self._received == self._answered:
            self.cancelled.clear()
        self._received += len(deliveries)
        ready = deliveries if self.keys is None else self.keys.admit(deliveries)
        if ready:
            self.component.crew.take(self, ready)

    def _close(self, close: session_pb2.Close) -> None:
        if close.cause == session_pb2.Close.CAUSE_PROTOCOL_ERROR:
            log.error("%s: the host closed the session: %s", self.component.name, close.message)
            self.lost = True
        elif close.HasField("time_left"):
            left = close.time_left.ToNanoseconds() / 1e9
            self._loop.call_later(left * DRAIN_SHARE, self._release_rest)

    def _release_rest(self) -> None:
        self.releasing = True

    async def _write(self) -> None:
        """Sends answers until the session is over."""
        write, clock, last = self._stream.write, self._loop.time, 0.0
        while not self._over():
            await self.wake.wait()
            wait = last + LINGER - clock()
            if wait > 0 and not self._draining and self._more_may_come():
                await asyncio.sleep(wait)
            self.wake.clear()
            self.signalled = False
            for frame in self._frames():
                await write(frame)
            last = clock()

    def _more_may_come(self) -> bool:
        """Something is in hand whose answer could go into the same frame."""
        return self._received > self._answered + len(self.done) + len(self.verdicts)

    def _over(self) -> bool:
        return self._draining and (self.lost or self._answered >= self._received)

    def _frames(self) -> list[Any]:
        """Takes what was answered. A prefix, as threads append meanwhile."""
        verdicts, frames = self.verdicts, []
        count = len(verdicts)
        taken = verdicts[:count]
        del verdicts[:count]
        ids = self.done[: len(self.done)]
        del self.done[: len(ids)]
        progress = self._progress[: len(self._progress)]
        del self._progress[: len(progress)]
        if ids or progress:
            frame = self.role.response(progress_ids=progress)
            getattr(frame, self.role.bulk_field).extend(ids)
            frames.append(frame)
        frames.extend(self._packed(taken))
        self._answered += len(ids) + count
        if self.cancelled:
            self.cancelled.difference_update(ids)
            self.cancelled.difference_update([verdict.delivery_id for verdict in taken])
        return frames

    def _packed(self, verdicts: list[Any]) -> list[Any]:
        """Verdicts in frames of a size that every host takes."""
        frames: list[Any] = []
        size = 0
        for verdict in verdicts:
            bytes_needed = verdict.ByteSize() + 16
            if not frames or size + bytes_needed > FRAME_LIMIT:
                frames.append(self.role.response())
                size = 0
            frames[-1].verdicts.append(verdict)
            size += bytes_needed
        return frames
