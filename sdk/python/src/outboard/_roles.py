"""What differs between the roles: names on the wire, and how results become verdicts.

The session engine (`_session`) is one for all of them.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from outboard._calls import Call, fill_payload
from outboard._events import Event, _encode
from outboard._verdicts import (
    Accepted,
    Continue,
    Done,
    Halt,
    Reject,
    Release,
    Retry,
    clean,
    reason_of,
)
from outboard.plugin.v1 import (
    plugin_pb2,
    producer_pb2,
    session_pb2,
    stage_pb2,
    worker_pb2,
)

MESSAGE_LIMIT = 4096
DETAIL_LIMIT = 16384
# A response frame stays below gRPC's default limit of 4 MiB, with room for the frame itself.
FRAME_LIMIT = 4 * 1024 * 1024 - 65536


class InvalidReturnValue(Exception):
    """A handler returned what its role does not know."""


@dataclass(frozen=True)
class Role:
    """One role of the contract."""

    word: str
    number: plugin_pb2.Role
    service: str
    method: str
    request: Any
    response: Any
    verdict: Any
    bulk_field: str
    good: str
    fill: Callable[[Any, Any, Any], None]

    @property
    def good_outcome(self) -> int:
        """The outcome after which the next of a key may go."""
        return int(self.verdict.Outcome.Value(f"OUTCOME_{self.good}"))

    def verdict_of(self, delivery: session_pb2.Delivery, result: Any) -> Any:
        """The verdict for a result that is not None."""
        verdict = self.verdict(delivery_id=delivery.delivery_id)
        verdict.outcome = self.good_outcome
        self.fill(verdict, delivery, result)
        if verdict.ByteSize() > FRAME_LIMIT:
            return self.failure_of(
                delivery.delivery_id,
                Reject(
                    f"the answer has {verdict.ByteSize()} bytes; at most {FRAME_LIMIT} fit a frame",
                    reason="ANSWER_TOO_LARGE",
                ),
            )
        return verdict

    def failure_of(self, delivery_id: int, error: BaseException) -> Any:
        """The verdict for what a handler raised."""
        if isinstance(error, Release):
            return self.release(delivery_id)
        verdict = self.verdict(delivery_id=delivery_id)
        rejected = isinstance(error, Reject)
        outcome = "OUTCOME_REJECT" if rejected else "OUTCOME_RETRY"
        verdict.outcome = self.verdict.Outcome.Value(outcome)
        _fill_failure(verdict.failure, error)
        if isinstance(error, Retry) and error.after is not None:
            verdict.retry_after.FromNanoseconds(int(max(0.0, error.after) * 1e9))
        return verdict

    def release(self, delivery_id: int) -> Any:
        """The verdict of a delivery that was not started."""
        outcome = self.verdict.Outcome.Value("OUTCOME_RELEASE")
        return self.verdict(delivery_id=delivery_id, outcome=outcome)


def _fill_failure(failure: session_pb2.Failure, error: BaseException) -> None:
    if isinstance(error, Retry | Reject):
        failure.reason = clean(error.reason, 128)
        failure.message = clean(error.message, MESSAGE_LIMIT)
        failure.detail = clean(error.detail, DETAIL_LIMIT)
        for name, value in error.metadata.items():
            failure.metadata[clean(str(name), 128)] = clean(str(value), MESSAGE_LIMIT)
        return
    failure.reason = clean(reason_of(error), 128)
    failure.message = clean(f"{type(error).__name__}: {error}", MESSAGE_LIMIT)
    failure.detail = clean("".join(traceback.format_exception(error)), DETAIL_LIMIT)


def _wrong(result: Any, wanted: str) -> InvalidReturnValue:
    kind = type(result).__name__
    return InvalidReturnValue(f"the handler returned a value of type {kind}; return {wanted}")


def _fill_worker(verdict: Any, delivery: Any, result: Any) -> None:
    if not isinstance(result, Done):
        raise _wrong(result, "None or outboard.Done(emits=[...])")
    verdict.emits.extend([event.to_message() for event in result.emits])


def _fill_stage(verdict: Any, delivery: Any, result: Any) -> None:
    if isinstance(result, Halt):
        verdict.outcome = stage_pb2.StageVerdict.OUTCOME_HALT
        if result.answer is not Halt.NOTHING:
            fill_payload(verdict.answer, result.answer)
        return
    if not isinstance(result, Continue):
        raise _wrong(result, "None, outboard.Continue(...) or outboard.Halt(...)")
    if delivery.HasField("event"):
        if result.data is not None:
            verdict.event.CopyFrom(delivery.event)
            verdict.event.binary_data = _encode(result.data)[0]
    elif result.changes_call:
        Call(delivery.call).changed(verdict.call, result)


def _fill_producer(verdict: Any, delivery: Any, result: Any) -> None:
    if not isinstance(result, Accepted):
        raise _wrong(result, "None or outboard.Accepted(offset)")
    if result.accepted_at is not None:
        verdict.accepted_at.FromDatetime(result.accepted_at)
    offset = result.offset
    if offset is None:
        return
    for kind, field in ((int, "int"), (float, "double"), (str, "string"), (bytes, "bytes")):
        if isinstance(offset, kind):
            setattr(verdict.offset, f"{field}_value", offset)
            return
    raise _wrong(offset, "an offset of type int, float, str or bytes")


def subject_of(delivery: session_pb2.Delivery) -> Event | Call:
    """What a stage's handler gets."""
    return Event(delivery.event) if delivery.HasField("event") else Call(delivery.call)


WORKER = Role(
    word="worker",
    number=plugin_pb2.ROLE_WORKER,
    service="outboard.plugin.v1.WorkerService",
    method="Handle",
    request=worker_pb2.HandleRequest,
    response=worker_pb2.HandleResponse,
    verdict=worker_pb2.WorkerVerdict,
    bulk_field="done_ids",
    good="DONE",
    fill=_fill_worker,
)
STAGE = Role(
    word="stage",
    number=plugin_pb2.ROLE_STAGE,
    service="outboard.plugin.v1.StageService",
    method="Process",
    request=stage_pb2.ProcessRequest,
    response=stage_pb2.ProcessResponse,
    verdict=stage_pb2.StageVerdict,
    bulk_field="continue_ids",
    good="CONTINUE",
    fill=_fill_stage,
)
PRODUCER = Role(
    word="producer",
    number=plugin_pb2.ROLE_PRODUCER,
    service="outboard.plugin.v1.ProducerService",
    method="Produce",
    request=producer_pb2.ProduceRequest,
    response=producer_pb2.ProduceResponse,
    verdict=producer_pb2.ProducerVerdict,
    bulk_field="accepted_ids",
    good="ACCEPTED",
    fill=_fill_producer,
)
ROLES = (WORKER, STAGE, PRODUCER)
