"""The Python workers that the benchmarks measure: read id, type and data of every event.

    worker.py plain | coroutine | slow REPORT

Writes REPORT.first at the first event (pid, clock, CPU time until then), as bench_worker does.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import outboard

app = outboard.Plugin("bench", version="1.0")
kind, report = sys.argv[1], Path(sys.argv[2])
seen = 0
first = iter((True,))  # One of several threads is the first.


def begin() -> None:
    """Says when the first event came."""
    now, cpu = time.monotonic_ns(), time.process_time()
    partial = report.with_suffix(".partial")
    partial.write_text(json.dumps({"pid": os.getpid(), "at": now, "cpu": cpu}))
    partial.rename(report.with_suffix(".first"))


if kind == "plain":

    @app.worker
    def bench(event: outboard.Event) -> None:
        """Reads and returns."""
        global seen
        if not seen and next(first, False):
            begin()
        seen += len(event.id) + len(event.type) + len(event.data)

elif kind == "coroutine":

    @app.worker(name="bench")
    async def bench_coroutine(event: outboard.Event) -> None:
        """Reads and returns, as a coroutine."""
        global seen
        if not seen and next(first, False):
            begin()
        seen += len(event.id) + len(event.type) + len(event.data)

elif kind == "slow":

    @app.worker(name="bench", concurrency=8)
    def bench_slow(event: outboard.Event) -> None:
        """Takes 100 ms of somebody else's time."""
        global seen
        if not seen and next(first, False):
            begin()
        seen += len(event.id) + len(event.type) + len(event.data)
        time.sleep(0.1)

else:
    sys.exit(f"no worker {kind!r}; there are plain, coroutine and slow")

if __name__ == "__main__":
    outboard.serve(app)
