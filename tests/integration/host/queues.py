"""A store of queues, messages and subscriptions for tests: what stands at the end of Zaqar's pipelines.

Its record is the file that argv names.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import outboard

app = outboard.Plugin("queues")
RECORDS = Path(sys.argv[1])
PAGE = 2
POLICIES: dict[str, Any] = {}
SUBSCRIPTIONS: dict[str, list[dict[str, Any]]] = {}


def note(call: outboard.Call) -> None:
    line = {"operation": call.operation, "args": call.args, "kwargs": call.kwargs}
    with RECORDS.open("a") as file:
        file.write(json.dumps(line) + "\n")


@app.stage(operations=["post"], concurrency=1)
def messages(call: outboard.Call, ctx: outboard.Context) -> Any:
    note(call)
    return outboard.Halt([str(n) for n in range(len(call.kwargs["messages"]))])


@app.stage(operations=["create", "get"], concurrency=1)
def queues(call: outboard.Call, ctx: outboard.Context) -> Any:
    name = call.args[0]
    if call.operation == "create":
        POLICIES[name] = call.kwargs.get("metadata", {})
        return outboard.Halt(True)
    if name not in POLICIES:
        raise outboard.Reject(f"no queue {name}", reason="NOT_FOUND")
    return outboard.Halt(POLICIES[name])


@app.stage(operations=["create", "get", "get_with_subscriber", "list", "confirm"], concurrency=1)
def subscriptions(call: outboard.Call, ctx: outboard.Context) -> Any:
    all_of = SUBSCRIPTIONS.setdefault(call.args[0], [])
    if call.operation == "list":
        start = int(call.kwargs.get("marker") or 0)
        following = start + PAGE
        return outboard.Halt([all_of[start:following], str(following) if following < len(all_of) else None])
    if call.operation == "create":
        queue, subscriber, ttl, options = call.args
        new = {"id": f"s{len(all_of)}", "subscriber": subscriber, "source": queue, "ttl": ttl, "options": options,
               "confirmed": False}
        all_of.append(new)
        return outboard.Halt(new["id"])
    key = "subscriber" if call.operation == "get_with_subscriber" else "id"
    found = next((s for s in all_of if s[key] == call.args[1]), None)
    if found is None:
        raise outboard.Reject("no such subscription", reason="NOT_FOUND")
    if call.operation == "confirm":
        found["confirmed"] = call.kwargs.get("confirmed", True)
        return outboard.Halt(None)
    return outboard.Halt(found)


if __name__ == "__main__":
    outboard.serve(app)
