"""The workers that throughput.py measures. They read id, type and data of every event."""

from __future__ import annotations

import asyncio
import time

import outboard

app = outboard.Plugin("bench", version="1.0")
seen = 0


@app.worker
def plain(event: outboard.Event) -> None:
    """Reads and returns."""
    global seen
    seen += len(event.id) + len(event.type) + len(event.data)


@app.worker
async def coroutine(event: outboard.Event) -> None:
    """Reads and returns, as a coroutine."""
    global seen
    seen += len(event.id) + len(event.type) + len(event.data)


@app.worker
async def waiting(event: outboard.Event) -> None:
    """Reads and gives the loop one turn."""
    global seen
    seen += len(event.id) + len(event.type) + len(event.data)
    await asyncio.sleep(0)


@app.worker(in_order=True)
def ordered(event: outboard.Event) -> None:
    """Reads and returns, in order per key."""
    global seen
    seen += len(event.id) + len(event.type) + len(event.data)


@app.worker
def slow(event: outboard.Event) -> None:
    """Takes 100 ms of somebody else's time."""
    time.sleep(0.1)


if __name__ == "__main__":
    outboard.serve(app)
