"""Stages of request pipelines for tests, with a record of what they were asked in the file that argv names."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import outboard

app = outboard.Plugin("pipeliner")
RECORDS = Path(sys.argv[1])


def told(value: Any) -> Any:
    """Of bytes, how many: a record is JSON."""
    return len(value) if isinstance(value, bytes) else value


def note(stage: str, call: outboard.Call) -> None:
    line = {"stage": stage, "operation": call.operation, "args": [told(arg) for arg in call.args],
            "kwargs": {name: told(value) for name, value in call.kwargs.items()}, "context": call.context}
    with RECORDS.open("a") as file:
        file.write(json.dumps(line) + "\n")


# The two stages of the pipeline tests of Zaqar: First hooks all of these, Second not with_args_kwargs.
@app.stage(operations=["with_args", "with_kwargs", "with_args_kwargs", "does_nothing", "calls_the_latest",
                       "change", "answer", "slow", "fail", "die", "nothing"], concurrency=8)
def first(call: outboard.Call, ctx: outboard.Context) -> Any:
    note("first", call)
    if call.operation == "with_args":
        return outboard.Halt(call.args[0])
    if call.operation == "with_kwargs":
        return outboard.Halt(call.kwargs.get("name", call.args[0] if call.args else None))
    if call.operation == "with_args_kwargs":
        return outboard.Halt([*call.args, call.kwargs])
    if call.operation == "change":
        return outboard.Continue(args=["changed", *call.args[1:]], kwargs={"added": True})
    return None


@app.stage(operations=["with_args", "does_nothing", "calls_the_latest", "change", "answer", "slow", "fail", "die",
                       "nothing"], concurrency=8)
def second(call: outboard.Call, ctx: outboard.Context) -> Any:
    note("second", call)
    if call.operation == "with_args":
        raise RuntimeError("not to be reached")
    if call.operation == "calls_the_latest":
        return outboard.Halt(True)
    if call.operation == "change":
        return outboard.Halt({"args": call.args, "kwargs": call.kwargs})
    if call.operation == "answer":
        return outboard.Halt(call.args[0])
    if call.operation == "nothing":
        return outboard.Halt()
    if call.operation == "slow":
        end = time.monotonic() + float(call.args[0])
        while time.monotonic() < end and not ctx.cancelled:
            time.sleep(0.01)
        if ctx.cancelled:
            with RECORDS.open("a") as file:
                file.write(json.dumps({"stage": "second", "cancelled": call.kwargs.get("tag", "")}) + "\n")
    if call.operation == "die":
        os._exit(5)
    if call.operation == "fail":
        kind, reason, *facts = call.args
        metadata = {"queue": "q1", **{f"fact{n}": f"value {n}" for n in range(facts[0] if facts else 0)}}
        raise {"retry": outboard.Retry, "reject": outboard.Reject}[kind](
            "as asked", reason=reason, detail="where it happened", metadata=metadata)
    return None


# The example of Zaqar's documentation: create('lovely') goes on, delete('lovely') stops here.
@app.stage(operations=["create", "delete"])
def lovely(call: outboard.Call, ctx: outboard.Context) -> Any:
    note("lovely", call)
    if call.operation == "delete" and call.args[0] == "lovely":
        return outboard.Halt("lovely queues are not deleted")
    return None


# What stands behind it: the store, which is the controller.
QUEUES: set[str] = set()


@app.stage(operations=["create", "delete", "exists"], concurrency=1)
def store(call: outboard.Call, ctx: outboard.Context) -> Any:
    note("store", call)
    name = call.args[0]
    if call.operation == "create":
        new = name not in QUEUES
        QUEUES.add(name)
        return outboard.Halt(new)
    if call.operation == "delete":
        QUEUES.discard(name)
        return outboard.Halt(None)
    return outboard.Halt(name in QUEUES)


# In this program alone: answers once the file that the call names is there.
@app.stage(operations=["wait"])
def gate(call: outboard.Call, ctx: outboard.Context) -> Any:
    note("gate", call)
    while not Path(call.args[0]).exists() and not ctx.cancelled:
        time.sleep(0.01)
    return outboard.Halt("opened")


if __name__ == "__main__":
    outboard.serve(app)
