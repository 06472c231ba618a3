"""What the benchmarks of producers do, and which figures they give."""

from __future__ import annotations

import os
import shutil
import sqlite3
import time
from pathlib import Path

from hosting import BenchError, Host, cpu_seconds, wait_for
from measures import Figures, Setting


def sqlite(setting: Setting) -> Figures:
    """A host starts on a backlog and puts it into a SQLite file, in order per key."""
    backlog = setting.backlog(setting.events)
    with setting.fresh() as folder:
        shutil.copytree(backlog, folder / "data")
        os.sync()
        path = folder / "bus.sqlite"
        producer = {"name": "bench", "run": [str(setting.binaries / "outboard-sqlite-producer")],
                    "config": {"path": str(path)}}
        with Host(setting.binaries, folder, [producer], order_by="subject") as host:
            first = wait_for("the first rows are there", lambda: host.lane().done, 60, 0.005)
            begin = time.monotonic()
            wait_for("the lane is empty", lambda: host.lane().backlog == 0, 600)
            seconds = time.monotonic() - begin
            pid = next(i.pid for p in host.status().plugins for i in p.instances)
            cpu, producer_cpu = cpu_seconds(host.pid), cpu_seconds(pid)
            host.stop()
        check(path, setting.events)
    return {"events/s": (setting.events - first) / seconds, "host us/event": cpu / setting.events * 1e6,
            "producer us/event": producer_cpu / setting.events * 1e6}


def check(path: Path, events: int) -> None:
    """Every event is there; that each is there once and in order is shown by the integration tests."""
    with sqlite3.connect(path) as database:
        rows = database.execute("SELECT count(*) FROM hermesmessages").fetchone()[0]
    if rows < events:
        raise BenchError(f"{rows} rows of {events} events")
