"""What the benchmarks of stages and pipelines do, and which figures they give."""

from __future__ import annotations

import os
import shutil
from typing import Any

from hosting import BenchError, Host, cpp_worker, cpu_seconds
from measures import Figures, Setting, percentile, rates, watch


def stage(setting: Setting, name: str, *, answers: bool = False) -> dict[str, Any]:
    return {"name": name, "run": [str(setting.binaries / "bench_stage"), "--answer", "1" if answers else "0"]}


def stages(setting: Setting) -> Figures:
    """A host starts on a backlog and drains it through two stages, then the worker, each in a process of its own."""
    backlog = setting.backlog(setting.events)
    with setting.fresh() as folder:
        shutil.copytree(backlog, folder / "data")
        os.sync()
        worker = cpp_worker(setting.binaries, folder, setting.events)
        with Host(setting.binaries, folder, [worker],
                  stages=[stage(setting, "first"), stage(setting, "second")]) as host:
            figures = rates(setting.events, watch(host))
            host.stop()
    return figures


def pipeline(setting: Setting, folder: Any) -> Host:
    return Host(setting.binaries, folder, [stage(setting, "first"), stage(setting, "second", answers=True)],
                pipeline=["first", "second"])


def invoke(setting: Setting) -> Figures:
    """1,000 unary calls a second through two stages, beside a unary echo to a bare server."""
    warm, measured = 500, 4000
    with setting.fresh() as folder, pipeline(setting, folder) as host:
        host.wait_ready()
        calls = host.run("bench_invoke", "--folder", folder, "--calls", warm + measured)
        host.stop()
    if -1 in calls["answered"]:
        raise BenchError("a call was not answered")
    answered, echo = calls["answered"][warm:], calls["echo"]
    figures = {f"{name}{p} ms": percentile(values, part) / 1e6 for name, values in (("", answered), ("echo ", echo))
               for p, part in (("p50", 0.5), ("p99", 0.99))}
    return {"p50 less echo ms": figures["p50 ms"] - figures["echo p50 ms"], **figures}


def invoke_stream(setting: Setting) -> Figures:
    """Calls over one stream, 2,048 under way."""
    calls = max(setting.events // 2, 1000)
    with setting.fresh() as folder, pipeline(setting, folder) as host:
        host.wait_ready()
        cpu = cpu_seconds(host.pid)
        done = host.run("bench_invoke", "--stream", 1, "--calls", calls)
        cpu = cpu_seconds(host.pid) - cpu
        host.stop()
    return {"calls/s": calls / ((done["end"] - done["begin"]) / 1e9), "host us/call": cpu / calls * 1e6,
            "caller us/call": done["cpu"] / calls * 1e6}
