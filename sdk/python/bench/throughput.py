"""Measures a Python worker process over a unix socket, without a host.

    python bench/throughput.py [--worker plain] [--events 500000] [--frame 256] [--window 4096]

Plays the host with frames encoded beforehand, so that the driver costs little; waits for every
answer; counts answers one by one. CPU is that of the worker process from /proc.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import grpc

from outboard.event.v1 import event_pb2
from outboard.plugin.v1 import session_pb2, worker_pb2

HERE = Path(__file__).resolve().parent


def frames_of(events: int, size: int, data: bytes) -> list[bytes]:
    """Encoded HandleRequest frames with the deliveries 1..events."""
    frames = []
    for start in range(1, events + 1, size):
        ids = range(start, min(start + size, events + 1))
        deliveries = [
            session_pb2.Delivery(
                delivery_id=i,
                attempt=1,
                route="bench",
                order_key=f"story/{i % 100}",
                event=event_pb2.Event(
                    id=f"01J9Z3-{i:020d}",
                    source="storyboard",
                    spec_version="1.0",
                    type="story.post",
                    binary_data=data,
                    attributes={"subject": event_pb2.AttributeValue(ce_string=f"story/{i % 100}")},
                ),
            )
            for i in ids
        ]
        frames.append(worker_pb2.HandleRequest(deliveries=deliveries).SerializeToString())
    return frames


def cpu_seconds(pid: int) -> float:
    """User and system time of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def drive(target: str, worker: str, frames: list[bytes], size: int, window: int) -> int:
    """Sends the frames, at most `window` deliveries unanswered; returns the count of answers."""
    async with grpc.aio.insecure_channel(target) as channel:
        call = channel.stream_stream(
            "/outboard.plugin.v1.WorkerService/Handle",
            request_serializer=None,
            response_deserializer=worker_pb2.HandleResponse.FromString,
        )()
        opening = worker_pb2.HandleRequest(open=session_pb2.Open(component=worker, host="bench"))
        await call.write(opening.SerializeToString())
        await call.read()
        answered, sent, room = 0, 0, asyncio.Event()

        async def send() -> None:
            nonlocal sent
            for frame in frames:
                while sent + size - answered > window:
                    room.clear()
                    await room.wait()
                await call.write(frame)
                sent += size
            close = session_pb2.Close(cause=session_pb2.Close.CAUSE_DRAIN)
            await call.write(worker_pb2.HandleRequest(close=close).SerializeToString())
            await call.done_writing()

        sender = asyncio.ensure_future(send())
        while (frame := await call.read()) is not grpc.aio.EOF:
            answered += len(frame.done_ids) + len(frame.verdicts)
            room.set()
        await sender
        return answered


async def ready(target: str) -> None:
    """Waits until the plugin listens."""
    async with grpc.aio.insecure_channel(target) as channel:
        await asyncio.wait_for(channel.channel_ready(), 30)


def run(args: argparse.Namespace, frames: list[bytes]) -> tuple[float, float]:
    """One run in a fresh process: events a second, CPU microseconds an event."""
    with tempfile.TemporaryDirectory() as folder:
        target = f"unix:{folder}/s"
        command = [sys.executable, *args.python, str(HERE / "worker.py")]
        environment = {**os.environ, "OUTBOARD_LISTEN": target}
        process = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE)
        try:
            asyncio.run(ready(target))
            cpu, start = cpu_seconds(process.pid), time.monotonic()
            count = asyncio.run(drive(target, args.worker, frames, args.frame, args.window))
            took = time.monotonic() - start
            cpu = cpu_seconds(process.pid) - cpu
        finally:
            assert process.stdin is not None
            process.stdin.close()
            process.wait(30)
    if count != args.events:
        raise SystemExit(f"{count} answers for {args.events} events")
    return count / took, cpu / count * 1e6


def main() -> None:
    """Prints every run and the median."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--worker", default="plain")
    parser.add_argument("--events", type=int, default=500_000)
    parser.add_argument("--frame", type=int, default=256)
    parser.add_argument("--window", type=int, default=4096)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--python", action="append", default=[], help="options of the interpreter")
    args = parser.parse_args()
    frames = frames_of(args.events, args.frame, b"x" * 256)
    rates = []
    for _ in range(args.runs):
        rate, cost = run(args, frames)
        rates.append(rate)
        print(f"{args.worker}: {rate:,.0f} events/s, {cost:.2f} us CPU an event in the worker")
    print(f"{args.worker}: median {statistics.median(rates):,.0f} events/s")


if __name__ == "__main__":
    main()
