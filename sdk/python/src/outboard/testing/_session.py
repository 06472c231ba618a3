"""One session of the test host."""

from __future__ import annotations

import itertools
import threading
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from outboard._events import Event, NewEvent
from outboard._roles import Role
from outboard.plugin.v1 import session_pb2
from outboard.testing._links import Link, Status


@dataclass(frozen=True)
class Answer:
    """What a component said of one delivery.

    outcome: DONE, RETRY, REJECT, RELEASE, CONTINUE, HALT or ACCEPTED. bare: came as an id alone.
    verdict: the whole message, None if bare.
    """

    delivery_id: int
    outcome: str
    bare: bool
    verdict: Any = None

    @property
    def reason(self) -> str:
        """Why it failed, or ""."""
        return self.verdict.failure.reason if self.verdict is not None else ""

    @property
    def message(self) -> str:
        """Why it failed, for people, or ""."""
        return self.verdict.failure.message if self.verdict is not None else ""

    @property
    def emits(self) -> list[Event]:
        """What a worker's DONE publishes."""
        return [Event(message) for message in self.verdict.emits] if self.verdict else []


class TestSession:
    """Delivers events to one component and collects its answers. Checks the plugin's half of the
    contract: `Opened` comes first, every id was sent and is answered once. Safe on any thread."""

    __test__ = False

    def __init__(self, link: Link, role: Role, opening: session_pb2.Open) -> None:
        self.frames: list[Any] = []
        self.progress: list[int] = []
        self.faults: list[str] = []
        self.instance_id = ""
        self._link = link
        self._role = role
        self._ids = itertools.count(1)
        self._last = 0
        self._answers: dict[int, Answer] = {}
        self._opened = False
        self._ended: Status | None = None
        self._closing = False
        self._changed = threading.Condition()
        self._reader = threading.Thread(target=self._receive, daemon=True)
        link.send(role.request(open=opening))
        self._reader.start()

    def wait_opened(self, timeout: float = 30.0) -> Self:
        """Waits for Opened; AssertionError with the status if the plugin refused."""
        self._wait(lambda: self._opened or self._ended is not None, timeout, "Opened")
        if not self._opened:
            raise AssertionError(f"the session was refused: {self._ended}")
        return self

    def deliver(
        self,
        *events: NewEvent,
        attempt: int = 1,
        route: str = "test",
        order_keys: Sequence[str] = (),
    ) -> list[int]:
        """Sends events in one frame and returns their delivery ids. Missing ids are made up."""
        deliveries = []
        for index, event in enumerate(events):
            message = event.to_message()
            message.id = message.id or str(uuid.uuid4())
            message.source = message.source or "test"
            message.spec_version = "1.0"
            key = order_keys[index] if index < len(order_keys) else ""
            deliveries.append(
                session_pb2.Delivery(event=message, attempt=attempt, route=route, order_key=key)
            )
        return self.send(deliveries)

    def call(self, call: session_pb2.Call, attempt: int = 1) -> int:
        """Sends a pipeline's call to a stage and returns its delivery id."""
        return self.send([session_pb2.Delivery(call=call, attempt=attempt)])[0]

    def send(self, deliveries: Sequence[session_pb2.Delivery]) -> list[int]:
        """Numbers deliveries and sends them in one frame."""
        with self._changed:
            for delivery in deliveries:
                delivery.delivery_id = self._last = next(self._ids)
            self._link.send(self._role.request(deliveries=deliveries))
        return [delivery.delivery_id for delivery in deliveries]

    def handle(self, *events: NewEvent, timeout: float = 30.0, **how: Any) -> list[Answer]:
        """Delivers events and waits for the answers, which it returns in the order of events."""
        return [self.answer(i, timeout) for i in self.deliver(*events, **how)]

    def answer(self, delivery_id: int, timeout: float = 30.0) -> Answer:
        """Waits for the answer to a delivery."""
        self._wait(
            lambda: delivery_id in self._answers or self._ended is not None,
            timeout,
            f"the answer to delivery {delivery_id}",
        )
        if delivery_id not in self._answers:
            raise AssertionError(f"the session ended without it: {self._ended}")
        return self._answers[delivery_id]

    def answered(self) -> list[int]:
        """Ids answered so far, in order."""
        with self._changed:
            return list(self._answers)

    def wait_answered(self, count: int, timeout: float = 30.0) -> None:
        """Waits until so many deliveries are answered."""
        self._wait(lambda: len(self._answers) >= count, timeout, f"{count} answers")

    def wait_progress(self, delivery_id: int, timeout: float = 30.0) -> None:
        """Waits until the delivery's progress was reported."""
        self._wait(lambda: delivery_id in self.progress, timeout, f"progress of {delivery_id}")

    def cancel(self, *delivery_ids: int) -> None:
        """Says that answers are no longer wanted."""
        self._link.send(self._role.request(cancel_ids=delivery_ids))

    def alive(self) -> None:
        """Sends an empty frame, a sign of life."""
        self._link.send(self._role.request())

    def drain(self, time_left: float | None = None) -> None:
        """Sends Close(DRAIN) and half-closes, as the host does."""
        close = session_pb2.Close(cause=session_pb2.Close.CAUSE_DRAIN)
        if time_left is not None:
            close.time_left.FromNanoseconds(int(time_left * 1e9))
        self._end(close)

    def protocol_error(self, message: str) -> None:
        """Sends Close(PROTOCOL_ERROR) and half-closes."""
        cause = session_pb2.Close.CAUSE_PROTOCOL_ERROR
        self._end(session_pb2.Close(cause=cause, message=message))

    def half_close(self) -> None:
        """Ends the requests without a Close."""
        self._closing = True
        self._link.half_close()

    def break_off(self) -> None:
        """Cancels the stream, as a host that dies."""
        self._closing = True
        self._link.cancel()

    def ended(self, timeout: float = 30.0) -> Status:
        """Waits for the end of the stream and says how it ended."""
        self._wait(lambda: self._ended is not None, timeout, "the end of the session")
        assert self._ended is not None
        return self._ended

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if not self._closing:
            self.drain()
        if kind is not None:
            self._link.cancel()
            return
        self.ended()
        if self.faults:
            raise AssertionError("the plugin broke the contract: " + "; ".join(self.faults))

    def _end(self, close: session_pb2.Close) -> None:
        self._closing = True
        self._link.send(self._role.request(close=close))
        self._link.half_close()

    def _wait(self, condition: Callable[[], bool], timeout: float, what: str) -> None:
        with self._changed:
            if not self._changed.wait_for(condition, timeout):
                raise AssertionError(f"{what} did not come within {timeout} s")

    def _receive(self) -> None:
        while (frame := self._link.receive()) is not None:
            with self._changed:
                self._take(frame)
                self._changed.notify_all()
        with self._changed:
            self._ended = self._link.status()
            self._changed.notify_all()

    def _take(self, frame: Any) -> None:
        self.frames.append(frame)
        if frame.HasField("opened"):
            if self._opened:
                self.faults.append("Opened came twice")
            self._opened, self.instance_id = True, frame.opened.instance_id
        elif not self._opened:
            self.faults.append("a frame came before Opened")
        self.progress.extend(frame.progress_ids)
        for delivery_id in getattr(frame, self._role.bulk_field):
            self._store(Answer(delivery_id, self._role.good, bare=True))
        for verdict in frame.verdicts:
            name = self._role.verdict.Outcome.Name(verdict.outcome).removeprefix("OUTCOME_")
            self._store(Answer(verdict.delivery_id, name, bare=False, verdict=verdict))

    def _store(self, answer: Answer) -> None:
        if not 0 < answer.delivery_id <= self._last:
            self.faults.append(f"delivery {answer.delivery_id} was never sent")
        elif answer.delivery_id in self._answers:
            self.faults.append(f"delivery {answer.delivery_id} was answered twice")
        else:
            self._answers[answer.delivery_id] = answer
