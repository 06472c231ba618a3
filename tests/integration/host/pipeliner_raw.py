"""pipeliner.py without an SDK: the stubs of the protos and nothing else. The same stages, with the same record."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent import futures
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import grpc
from outboard.plugin.v1 import plugin_pb2, session_pb2, stage_pb2

RECORDS = Path(sys.argv[1])
BOTH = ["with_args", "does_nothing", "calls_the_latest", "change", "answer", "slow", "fail", "die", "nothing"]
OPERATIONS = {
    "first": [*BOTH, "with_kwargs", "with_args_kwargs"],
    "second": BOTH,
    "lovely": ["create", "delete"],
    "store": ["create", "delete", "exists"],
}
CONTINUE, RETRY, REJECT = (stage_pb2.StageVerdict.OUTCOME_CONTINUE, stage_pb2.StageVerdict.OUTCOME_RETRY,
                           stage_pb2.StageVerdict.OUTCOME_REJECT)
queues: set[str] = set()


def write(line: dict[str, Any]) -> None:
    with RECORDS.open("a") as file:
        file.write(json.dumps(line) + "\n")


def halt(value: Any) -> stage_pb2.StageVerdict:
    answer = (session_pb2.Payload(data=value, content_type="application/octet-stream") if isinstance(value, bytes)
              else session_pb2.Payload(data=json.dumps(value).encode()))
    return stage_pb2.StageVerdict(outcome=stage_pb2.StageVerdict.OUTCOME_HALT, answer=answer)


def decoded(payload: session_pb2.Payload) -> Any:
    return json.loads(payload.data) if payload.content_type in ("", "application/json") else payload.data


def told(value: Any) -> Any:
    """Of bytes, how many: a record is JSON."""
    return len(value) if isinstance(value, bytes) else value


def walked_on() -> stage_pb2.StageVerdict:
    return stage_pb2.StageVerdict(outcome=CONTINUE)


def first(call: session_pb2.Call, args: list[Any], kwargs: dict[str, Any], _: Callable[[], bool]) -> Any:
    if call.operation == "with_args":
        return halt(args[0])
    if call.operation == "with_kwargs":
        return halt(kwargs.get("name", args[0] if args else None))
    if call.operation == "with_args_kwargs":
        return halt([*args, kwargs])
    if call.operation == "change":
        changed = session_pb2.Call()
        changed.CopyFrom(call)
        changed.args[0].data = b'"changed"'
        changed.kwargs.clear()
        changed.kwargs["added"].data = b"true"
        return stage_pb2.StageVerdict(outcome=CONTINUE, call=changed)
    return walked_on()


def second(call: session_pb2.Call, args: list[Any], kwargs: dict[str, Any], cancelled: Callable[[], bool]) -> Any:
    if call.operation == "calls_the_latest":
        return halt(True)
    if call.operation == "change":
        return halt({"args": args, "kwargs": kwargs})
    if call.operation == "answer":
        return halt(args[0])
    if call.operation == "nothing":
        return stage_pb2.StageVerdict(outcome=stage_pb2.StageVerdict.OUTCOME_HALT)
    if call.operation == "slow":
        end = time.monotonic() + float(args[0])
        while time.monotonic() < end and not cancelled():
            time.sleep(0.01)
        if cancelled():
            write({"stage": "second", "cancelled": kwargs.get("tag", "")})
    if call.operation == "die" and not args:  # `outboard conform` gives some.
        os._exit(5)
    if call.operation == "fail":
        facts = {f"fact{n}": f"value {n}" for n in range(args[2] if len(args) > 2 else 0)}
        failure = session_pb2.Failure(reason=args[1], message="as asked", detail="where it happened",
                                      metadata={"queue": "q1", **facts})
        return stage_pb2.StageVerdict(outcome=RETRY if args[0] == "retry" else REJECT, failure=failure)
    return walked_on()


def lovely(call: session_pb2.Call, args: list[Any], _: dict[str, Any], __: Callable[[], bool]) -> Any:
    if call.operation == "delete" and args[0] == "lovely":
        return halt("lovely queues are not deleted")
    return walked_on()


def store(call: session_pb2.Call, args: list[Any], _: dict[str, Any], __: Callable[[], bool]) -> Any:
    if call.operation == "create":
        new = args[0] not in queues
        queues.add(args[0])
        return halt(new)
    if call.operation == "delete":
        queues.discard(args[0])
        return halt(None)
    return halt(args[0] in queues)


def describe(_: plugin_pb2.DescribeRequest, __: grpc.ServicerContext) -> plugin_pb2.DescribeResponse:
    components = [plugin_pb2.Component(name=name, role=plugin_pb2.ROLE_STAGE, operations=hooked, concurrency=8)
                  for name, hooked in OPERATIONS.items()]
    return plugin_pb2.DescribeResponse(name="pipeliner", version="1.0", components=components)


class Session:
    """One stream: a thread reads, a pool handles, this one writes."""

    def __init__(self, requests: Iterator[stage_pb2.ProcessRequest], context: grpc.ServicerContext,
                 pool: futures.Executor) -> None:
        self.requests = requests
        self.context = context
        self.pool = pool
        self.out: SimpleQueue[stage_pb2.ProcessResponse | None] = SimpleQueue()
        self.cancelled: set[int] = set()
        self.stage = ""
        self.open = 0
        self.over = False
        self.lock = threading.Lock()

    def run(self) -> Iterator[stage_pb2.ProcessResponse]:
        threading.Thread(target=self.read, daemon=True).start()
        while (frame := self.out.get()) is not None:
            yield frame
        if self.stage not in OPERATIONS:
            self.context.abort(grpc.StatusCode.NOT_FOUND, f"no component {self.stage}")

    def read(self) -> None:
        try:
            for request in self.requests:
                if request.HasField("open"):
                    self.stage = request.open.component
                    if self.stage not in OPERATIONS:
                        self.out.put(None)
                        return
                    self.out.put(stage_pb2.ProcessResponse(opened=session_pb2.Opened()))
                self.cancelled.update(request.cancel_ids)
                for delivery in request.deliveries:
                    with self.lock:
                        self.open += 1
                    self.pool.submit(self.handle, delivery)
        except grpc.RpcError:
            pass  # The host is gone.
        with self.lock:
            self.over = True
            if self.open == 0:
                self.out.put(None)

    def handle(self, delivery: session_pb2.Delivery) -> None:
        try:
            verdict = self.judge(delivery)
        except Exception as error:  # No arguments of that kind, or an event.
            failure = session_pb2.Failure(reason="INVALID_ARGUMENT", message=repr(error))
            verdict = stage_pb2.StageVerdict(outcome=REJECT, failure=failure)
        verdict.delivery_id = delivery.delivery_id
        with self.lock:
            self.out.put(stage_pb2.ProcessResponse(verdicts=[verdict]))
            self.open -= 1
            if self.over and self.open == 0:
                self.out.put(None)

    def judge(self, delivery: session_pb2.Delivery) -> Any:
        call = delivery.call
        args = [decoded(arg) for arg in call.args]
        kwargs = {name: decoded(value) for name, value in call.kwargs.items()}
        write({"stage": self.stage, "operation": call.operation, "args": [told(arg) for arg in args],
               "kwargs": {name: told(value) for name, value in kwargs.items()}, "context": dict(call.context)})
        stage = {"first": first, "second": second, "lovely": lovely, "store": store}[self.stage]
        return stage(call, args, kwargs, lambda: delivery.delivery_id in self.cancelled)


def main() -> None:
    handlers = futures.ThreadPoolExecutor(32)
    server = grpc.server(futures.ThreadPoolExecutor(32))
    server.add_generic_rpc_handlers((
        grpc.method_handlers_generic_handler("outboard.plugin.v1.PluginService", {
            "Describe": grpc.unary_unary_rpc_method_handler(
                describe, plugin_pb2.DescribeRequest.FromString, plugin_pb2.DescribeResponse.SerializeToString)}),
        grpc.method_handlers_generic_handler("outboard.plugin.v1.StageService", {
            "Process": grpc.stream_stream_rpc_method_handler(
                lambda requests, context: Session(requests, context, handlers).run(),
                stage_pb2.ProcessRequest.FromString, stage_pb2.ProcessResponse.SerializeToString)}),
    ))
    server.add_insecure_port(os.environ["OUTBOARD_LISTEN"])
    server.start()
    sys.stdin.read()  # Until the host is gone, or wants the end.
    server.stop(2).wait()
    os._exit(0)


main()
