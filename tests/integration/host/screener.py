"""A stage before the bus, for tests: notes each event, and does what its attribute `stage` says.

Two components: `guard` hooks stories alone, `every` all types.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import outboard

app = outboard.Plugin("screener")
RECORDS = Path(sys.argv[1])


def screened(name: str, event: outboard.Event, ctx: outboard.Context) -> outboard.Continue | outboard.Halt | None:
    act = str(event.attributes.get("stage", ""))
    line = {"stage": name, "id": event.id, "act": act, "route": ctx.route, "attempt": ctx.attempt}
    with RECORDS.open("a") as file:
        file.write(json.dumps(line) + "\n")
    if act == "halt":
        return outboard.Halt()
    if act == "change":
        return outboard.Continue(data={"changed": True})
    if act == "grow":
        return outboard.Continue(data="x" * 100_000)
    if act == "reject":
        raise outboard.Reject("a bad word", reason="SPAM")
    if act == "retry":
        raise outboard.Retry("too busy", reason="BUSY", after=7)
    if act == "die":
        os._exit(3)
    if act == "sleep":
        time.sleep(60)
    while act == "wait" and not RECORDS.with_name(f"go-{event.id}").exists():
        time.sleep(0.01)
    return None


@app.stage(events=["story.#"], concurrency=8)
def guard(event: outboard.Event, ctx: outboard.Context) -> outboard.Continue | outboard.Halt | None:
    return screened("guard", event, ctx)


@app.stage(concurrency=8)
def every(event: outboard.Event, ctx: outboard.Context) -> outboard.Continue | outboard.Halt | None:
    return screened("every", event, ctx)


@app.worker
def late(event: outboard.Event) -> None:
    """No stage, for configurations that take it for one."""


if __name__ == "__main__":
    outboard.serve(app)
