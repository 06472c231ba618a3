"""A stage or producer without an SDK that breaks one rule on purpose: liar.py LIE."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
from google.protobuf import unknown_fields
from outboard.plugin.v1 import plugin_pb2, producer_pb2, session_pb2, stage_pb2, worker_pb2

ID = "the-only-one"
LIE = sys.argv[1]


def changed(delivery: session_pb2.Delivery) -> stage_pb2.StageVerdict:
    """A verdict on an event or a call that the lie spoils."""
    verdict = stage_pb2.StageVerdict(
        delivery_id=delivery.delivery_id, outcome=stage_pb2.StageVerdict.OUTCOME_CONTINUE
    )
    if delivery.HasField("call"):
        verdict.call.CopyFrom(delivery.call)
        if LIE == "other-operation":
            verdict.call.operation = "another"
        if LIE in ("empty-answer", "answer-to-continue"):
            verdict.ClearField("call")
            verdict.answer.data = b"" if LIE == "empty-answer" else b"1"
        if LIE == "empty-answer":
            verdict.outcome = stage_pb2.StageVerdict.OUTCOME_HALT
        return verdict
    verdict.event.CopyFrom(delivery.event)
    if LIE == "other-id":
        verdict.event.id = "another"
    if LIE == "other-source":
        verdict.event.source = "another"
    if LIE == "no-type":
        verdict.event.type = ""
    if LIE == "change-and-halt":
        verdict.outcome = stage_pb2.StageVerdict.OUTCOME_HALT
    return verdict


def accepted(delivery: session_pb2.Delivery) -> producer_pb2.ProducerVerdict:
    verdict = producer_pb2.ProducerVerdict(
        delivery_id=delivery.delivery_id, outcome=producer_pb2.ProducerVerdict.OUTCOME_ACCEPTED
    )
    if LIE == "empty-offset":
        verdict.offset.SetInParent()
    if LIE == "offset-of-reject":
        verdict.outcome = producer_pb2.ProducerVerdict.OUTCOME_REJECT
        verdict.failure.reason = "NO"
        verdict.offset.int_value = 1
    return verdict


def done(delivery: session_pb2.Delivery) -> worker_pb2.WorkerVerdict:
    if LIE == "strict" and unknown_fields.UnknownFieldSet(delivery):
        raise ValueError("a field that nobody knows")
    if LIE == "json-only" and delivery.event.WhichOneof("data") != "binary_data":
        raise ValueError("no data")
    return worker_pb2.WorkerVerdict(
        delivery_id=delivery.delivery_id, outcome=worker_pb2.WorkerVerdict.OUTCOME_DONE
    )


ROLES: dict[str, tuple[str, str, Any, Any, Any]] = {
    "stage": ("Stage", "Process", stage_pb2.ProcessRequest, stage_pb2.ProcessResponse, changed),
    "producer": ("Producer", "Produce", producer_pb2.ProduceRequest, producer_pb2.ProduceResponse, accepted),
    "worker": ("Worker", "Handle", worker_pb2.HandleRequest, worker_pb2.HandleResponse, done),
}
ROLE = "producer" if "offset" in LIE else "worker" if LIE in ("strict", "json-only", "first-only") else "stage"
SERVICE, METHOD, REQUEST, RESPONSE, ANSWER = ROLES[ROLE]


def describe(request: plugin_pb2.DescribeRequest, context: grpc.ServicerContext) -> plugin_pb2.DescribeResponse:
    component = plugin_pb2.Component(name="liar", role=f"ROLE_{ROLE.upper()}")
    if ROLE == "stage":
        component.operations.append("create")
    return plugin_pb2.DescribeResponse(name="liar", instance_id=ID, components=[component])


def session(requests: Iterator[Any], context: grpc.ServicerContext) -> Iterator[Any]:
    for request in requests:
        if request.HasField("open"):
            if request.open.component != "liar":
                context.abort(grpc.StatusCode.NOT_FOUND, "no such component")
            yield RESPONSE(opened=session_pb2.Opened(instance_id=ID))
        deliveries = request.deliveries[:100] if LIE == "first-only" else request.deliveries
        if deliveries:
            yield RESPONSE(verdicts=[ANSWER(delivery) for delivery in deliveries])


def main() -> None:
    server = grpc.server(ThreadPoolExecutor(16))
    handlers: dict[str, Any] = {
        "PluginService": {"Describe": grpc.unary_unary_rpc_method_handler(
            describe, plugin_pb2.DescribeRequest.FromString, plugin_pb2.DescribeResponse.SerializeToString)},
        f"{SERVICE}Service": {METHOD: grpc.stream_stream_rpc_method_handler(
            session, REQUEST.FromString, RESPONSE.SerializeToString)},
    }
    for service, methods in handlers.items():
        generic = grpc.method_handlers_generic_handler(f"outboard.plugin.v1.{service}", methods)
        server.add_generic_rpc_handlers((generic,))
    server.add_insecure_port(os.environ["OUTBOARD_LISTEN"])
    server.start()
    sys.stdin.buffer.read()
    server.stop(0).wait()


if __name__ == "__main__":
    main()
