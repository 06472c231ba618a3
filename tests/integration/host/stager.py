"""A stage for tests: does what an event's attribute `stage` says, and notes each event in a file."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import outboard

app = outboard.Plugin("stager")
RECORDS = Path(sys.argv[1])


@app.stage(events=["story.#"], concurrency=1)
def guard(event: outboard.Event, ctx: outboard.Context) -> outboard.Continue | outboard.Halt | None:
    act = str(event.attributes.get("stage", ""))
    with RECORDS.open("a") as file:
        file.write(f"{event.id} {act or 'pass'} {ctx.attempt}\n")
    if act == "halt":
        return outboard.Halt()
    if act == "change":
        return outboard.Continue(data={"changed": True})
    if act == "retry" or (act == "retry-once" and ctx.attempt == 1):
        raise outboard.Retry("as asked", reason="ASKED", after=0.05)
    if act == "reject":
        raise outboard.Reject("as asked", reason="ASKED")
    if act == "die":
        os._exit(3)
    if act == "sleep":
        time.sleep(60)
    while act == "hang":
        time.sleep(60)
    return None


if __name__ == "__main__":
    outboard.serve(app)
