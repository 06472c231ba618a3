"""A plugin for tests of `outboard why`: does what an event's attribute `act` says, and puts events somewhere."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import outboard

app = outboard.Plugin("lineal", version="3.1")
GO = Path(sys.argv[1])


@app.worker(emits=["story.child"], concurrency=4)
def work(event: outboard.Event, ctx: outboard.Context) -> outboard.Done | None:
    act = str(event.attributes.get("act", ""))
    if act == "retry" and ctx.attempt == 1:
        raise outboard.Retry("not yet", reason="BUSY", after=0.05)
    if act == "later":
        raise outboard.Retry("not today", reason="BUSY", after=120)
    if act == "reject":
        raise outboard.Reject("not for us", reason="NOT_OURS")
    if act == "die":
        os._exit(3)
    while act == "hold" and not GO.exists():
        time.sleep(0.01)
    if act == "emit":
        return outboard.Done(emits=[outboard.NewEvent("story.child", {"n": n}, source="storyboard") for n in range(2)])
    return None


@app.producer
def put(event: outboard.Event) -> outboard.Accepted:
    return outboard.Accepted(42)


if __name__ == "__main__":
    outboard.serve(app)
