"""The list of benchmarks and their targets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import measures
import pipelines
import producers
import rabbitmq
from measures import Figures, Setting


@dataclass
class Target:
    value: float
    at_most: bool = False  # Else at least.

    def met(self, value: float) -> bool:
        return value <= self.value if self.at_most else value >= self.value


@dataclass
class Benchmark:
    name: str
    what: str
    body: Callable[[Setting], Figures]
    targets: dict[str, Target] = field(default_factory=dict)  # By figure.


def at_most(value: float) -> Target:
    return Target(value, at_most=True)


DRAIN = {"of a bare client": Target(0.6), "host us/event": at_most(6), "worker us/event": at_most(3.5)}
FLOW = {"of a bare client": Target(0.9)}

BENCHMARKS = [
    Benchmark("drain-cpp", "drain a backlog through one C++ worker", measures.drain_cpp, {"events/s": Target(200_000)}),
    Benchmark("overhead", "drain-cpp with limits, sandbox and lineage, beside one without", measures.overhead,
              {"of without": at_most(1.03)}),
    Benchmark("drain-python", "the same, one Python worker with a plain function", measures.drain_python,
              {"events/s": Target(100_000)}),
    Benchmark("drain-async", "the same, with an async function", measures.drain_async, {"events/s": Target(50_000)}),
    Benchmark("flow", "publish and consume at once, one C++ worker", measures.flow, {"events/s": Target(80_000)}),
    Benchmark("slow", "100 ms handlers, Python, 8 threads", measures.slow, {"events/s": Target(75)}),
    Benchmark("latency", "1,000 events/s, from Publish to the handler", measures.latency, {"p50 ms": at_most(0.8)}),
    Benchmark("memory", "RSS of the host, idle with three plugins and with a backlog", measures.memory,
              {"idle MiB": at_most(60), "more when queued MiB": at_most(40)}),
    Benchmark("publish", "publish only (no target)", measures.publish),
    Benchmark("stages", "drain a backlog through two C++ stages and a C++ worker", pipelines.stages,
              {"events/s": Target(80_000)}),
    Benchmark("invoke", "1,000 calls/s through two C++ stages", pipelines.invoke, {"p50 less echo ms": at_most(0.4)}),
    Benchmark("invoke-stream", "calls over one stream through two C++ stages", pipelines.invoke_stream,
              {"calls/s": Target(40_000)}),
    Benchmark("producer-sqlite", "drain a backlog into a SQLite file, in order per key", producers.sqlite,
              {"events/s": Target(30_000)}),
    Benchmark("rabbitmq-quorum", "drain a quorum queue", partial(rabbitmq.drain, queue_type="quorum"), DRAIN),
    Benchmark("rabbitmq-classic", "the same, a classic queue", partial(rabbitmq.drain, queue_type="classic"), DRAIN),
    Benchmark("rabbitmq-flow-quorum", "publish and consume at once, a quorum queue",
              partial(rabbitmq.flow, queue_type="quorum"), FLOW),
    Benchmark("rabbitmq-flow-classic", "the same, a classic queue", partial(rabbitmq.flow, queue_type="classic"), FLOW),
    Benchmark("rabbitmq-python", "drain a quorum queue through one Python worker", rabbitmq.python,
              {"events/s": Target(25_000), "both us/event": at_most(15)}),
    Benchmark("rabbitmq-publish", "publish to a quorum queue through the host", rabbitmq.publish,
              {"of a bare client": Target(0.85)}),
    Benchmark("rabbitmq-memory", "RSS of the host with a backlog in a quorum queue", rabbitmq.memory,
              {"more when queued MiB": at_most(10)}),
]
