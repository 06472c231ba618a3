"""A bad network on a loopback port, for pytest: gate.h in Python, in the test's own process."""

from __future__ import annotations

import collections
import contextlib
import os
import select
import socket
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

CHUNK = 256 << 10
# What one way holds, at most; beyond that the sender waits, as on a long wire.
MOST_QUEUED = 4 << 20
READ = select.POLLIN | select.POLLHUP | select.POLLERR

TO_BROKER, TO_HOST = 0, 1


class Way:
    """One direction of a connection. On the gate's thread."""

    def __init__(self, source: socket.socket, sink: socket.socket) -> None:
        self.source, self.sink = source, sink
        self.queue: collections.deque[tuple[float, memoryview]] = collections.deque()  # due; empty: the end
        self.queued = 0
        self.ended = False  # nothing more comes
        self.finished = False  # nothing more goes

    def can_take(self) -> bool:
        return not self.ended and self.queued < MOST_QUEUED

    def can_give(self, now: float) -> bool:
        return bool(self.queue) and self.queue[0][0] <= now

    def read(self) -> bytes | None:
        """None: nothing yet. Empty: the sender's end."""
        try:
            data = self.source.recv(CHUNK)
        except BlockingIOError:
            return None
        except OSError:
            data = b""
        self.ended = not data
        return data

    def put(self, data: bytes, due: float) -> None:
        if not self.finished:
            self.queue.append((due, memoryview(data)))
            self.queued += len(data)

    def give(self, now: float, limit: int) -> int:
        """Writes what is due, at most so many bytes; how many it wrote."""
        given = 0
        while self.can_give(now):
            due, data = self.queue[0]
            if not data:
                self.finish()
            elif given == limit:
                break
            else:
                try:
                    sent = self.sink.send(data[: limit - given])
                except BlockingIOError:
                    break
                except OSError:
                    self.finish()
                    break
                given += sent
                self.queued -= sent
                self.queue.popleft()
                if sent < len(data):
                    self.queue.appendleft((due, data[sent:]))
        return given

    def finish(self) -> None:
        """Tells the receiver that this was all; what did not get there is lost."""
        if not self.finished:
            with contextlib.suppress(OSError):
                self.sink.shutdown(socket.SHUT_WR)
        self.finished = self.ended = True
        self.queue.clear()
        self.queued = 0


class Link:
    """One connection through the gate. On the gate's thread."""

    def __init__(self, host: socket.socket, broker: socket.socket) -> None:
        self.ways = (Way(host, broker), Way(broker, host))
        self.lost_bytes = False

    def done(self) -> bool:
        return self.ways[TO_BROKER].finished and self.ways[TO_HOST].finished

    def close(self) -> None:
        for way in self.ways:
            way.source.close()


class Gate:
    """Forwards connections to another loopback port, as well or as badly as a test says.

    A thread of its own. Each verb is in force for all connections, new and old, when it returns.
    """

    def __init__(self, target: int) -> None:
        self._target = target
        self._holder = self._bound(0)  # keeps the port ours while it is closed
        self.port: int = self._holder.getsockname()[1]  # the same all the time
        self._listener: socket.socket | None = self._listening()
        self._stopped = False
        self._swallows = [False, False]
        self._delay = 0.0
        self._budget: list[int | None] = [None, None]
        self._links: list[Link] = []
        self._bytes = [0, 0]
        self._connections = 0
        self._ends = False
        self._tasks: collections.deque[Callable[[], None]] = collections.deque()
        self._wake_read, self._wake_write = os.pipe()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        def end() -> None:
            self._ends = True

        self._do(end)
        self._thread.join()
        for link in self._links:
            link.close()
        self._refuse_now()
        self._holder.close()
        os.close(self._wake_read)
        os.close(self._wake_write)

    # ---- The verbs ----

    def pass_all(self) -> None:
        """As at the start: ends what all other verbs began. Connections that lost bytes are cut."""

        def task() -> None:
            self._stopped = False
            self._swallows = [False, False]
            self._delay = 0.0
            self._budget = [None, None]
            self._drop(lambda link: link.lost_bytes)
            if self._listener is None:
                self._listener = self._listening()

        self._do(task)

    def stop(self) -> None:
        """Bytes, ends and new connections wait; nothing is lost."""

        def task() -> None:
            self._stopped = True

        self._do(task)

    def delay(self, seconds: float) -> None:
        """What comes from now on takes that long, each way."""

        def task() -> None:
            self._delay = seconds

        self._do(task)

    def cut(self) -> None:
        """Ends all connections, on both sides, with what was on its way."""
        self._do(self._cut_now)

    def cut_after(self, direction: int, count: int) -> None:
        """cut() as soon as that many more bytes went this way, over all connections; once. They arrive."""

        def task() -> None:
            self._budget[direction] = count
            if count == 0:
                self._cut_now()

        self._do(task)

    def half_open(self, direction: int) -> None:
        """What is sent this way vanishes, ends too, and nobody is told; the other way goes on."""

        def task() -> None:
            self._swallows[direction] = True

        self._do(task)

    def refuse(self) -> None:
        """The port is closed until pass_all(). What is connected stays."""
        self._do(self._refuse_now)

    # ---- What it saw ----

    def connections(self) -> int:
        """Taken up so far."""
        return self._connections

    def open(self) -> int:
        return len(self._links)

    def bytes(self, direction: int) -> int:
        """Delivered so far."""
        return self._bytes[direction]

    # ---- Its thread ----

    def _do(self, task: Callable[[], None]) -> None:
        done = threading.Event()

        def run() -> None:
            task()
            done.set()

        self._tasks.append(run)
        os.write(self._wake_write, b"x")
        done.wait()

    @staticmethod
    def _bound(port: int) -> socket.socket:
        bound = socket.socket()
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(("127.0.0.1", port))
        bound.setblocking(False)
        return bound

    def _listening(self) -> socket.socket:
        listener = self._bound(self.port)
        listener.listen(128)
        return listener

    def _refuse_now(self) -> None:
        if self._listener is not None:
            self._listener.close()
            self._listener = None

    def _drop(self, wanted: Callable[[Link], bool]) -> None:
        for link in self._links:
            if wanted(link):
                link.close()
        self._links = [link for link in self._links if not wanted(link)]

    def _cut_now(self) -> None:
        self._drop(lambda link: True)
        self._budget = [None, None]

    def _run(self) -> None:
        while not self._ends:
            poll, wait = self._watched(time.monotonic())
            found = dict(poll.poll(wait))
            if self._wake_read in found:
                os.read(self._wake_read, 4096)
                while self._tasks:
                    self._tasks.popleft()()
                continue  # What was found may be closed now.
            now = time.monotonic()
            if not self._stopped:
                for link in self._links:
                    self._serve(link, found, now)
                if 0 in self._budget:
                    self._cut_now()
                self._drop(Link.done)
                if self._listener is not None and self._listener.fileno() in found:
                    self._accept()

    def _watched(self, now: float) -> tuple[select.poll, float | None]:
        """What to wait for, and how many milliseconds at most."""
        poll = select.poll()
        poll.register(self._wake_read, select.POLLIN)
        if self._stopped:
            return poll, None
        if self._listener is not None:
            poll.register(self._listener, select.POLLIN)
        first_due = None
        for link in self._links:
            events = {way.source.fileno(): 0 for way in link.ways}
            for way in link.ways:
                if way.can_take():
                    events[way.source.fileno()] |= select.POLLIN
                if way.can_give(now):
                    events[way.sink.fileno()] |= select.POLLOUT
                elif way.queue and (first_due is None or way.queue[0][0] < first_due):
                    first_due = way.queue[0][0]
            for fd, wanted in events.items():
                # Not where nothing is wanted: poll would tell of its end again and again.
                if wanted:
                    poll.register(fd, wanted)
        return poll, None if first_due is None else max(first_due - now, 0) * 1000 + 1

    def _accept(self) -> None:
        assert self._listener is not None
        try:
            host, _ = self._listener.accept()
        except OSError:
            return
        broker = socket.socket()
        for end in (host, broker):
            end.setblocking(False)
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # Where nobody listens the link finds out, and ends.
        broker.connect_ex(("127.0.0.1", self._target))
        self._links.append(Link(host, broker))
        self._connections += 1

    def _serve(self, link: Link, found: dict[int, int], now: float) -> None:
        for direction, way in enumerate(link.ways):
            if found.get(way.source.fileno(), 0) & READ and way.can_take():
                data = way.read()
                if data is not None and self._swallows[direction]:
                    link.lost_bytes = True
                elif data is not None:
                    way.put(data, now + self._delay)
            if way.queue:
                left = self._budget[direction]
                given = way.give(now, MOST_QUEUED if left is None else left)
                self._bytes[direction] += given
                if left is not None:
                    self._budget[direction] = left - given
