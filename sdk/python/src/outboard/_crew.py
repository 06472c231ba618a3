"""Who runs the handlers of a component: threads for plain functions, tasks for coroutines.

Both take deliveries in the order of arrival, over all sessions of the component.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable, Collection
from itertools import repeat
from typing import Any

from outboard._session import Session
from outboard.plugin.v1 import session_pb2

Item = tuple[Session, session_pb2.Delivery]

# How often the loop looks whether the running threads keep up, in seconds.
TICK = 0.001
# Below this many deliveries a second the handlers wait for something, and another thread helps.
BRISK = 20_000.0
# A task lets the loop run after this time, in seconds; it looks at the clock now and then.
TURN = 0.001
CHECK = 32


class ThreadCrew:
    """Runs a plain function on up to `size` threads.

    Handing over to another thread costs more than a fast handler. So an arrival wakes one thread
    if none runs, and ticks of the loop wake more only while the queue does not drain briskly.
    """

    def __init__(self, name: str, size: int, step: Callable[[Session, Any], bool]) -> None:
        self._name = name
        self._size = size
        self._step = step
        self._queue: deque[Item] = deque()
        self._parked: list[Any] = []
        self._threads: list[threading.Thread] = []
        self._stopping = False
        self._ticking = False
        self._left_before = 0
        self._arrived = 0
        self._ticked = 0.0

    def take(self, session: Session, deliveries: Collection[session_pb2.Delivery]) -> None:
        """Queues deliveries. On the loop's thread."""
        queue = self._queue
        queue.extend(zip(repeat(session), deliveries))
        self._arrived += len(deliveries)
        if len(self._parked) == len(self._threads):
            self._wake()
        if not self._ticking and self._has_help():
            self._ticking = True
            self._ticked = time.monotonic()
            self._left_before = len(queue)
            self._arrived = 0
            asyncio.get_running_loop().call_later(TICK, self._tick)

    def stop(self) -> None:
        """Lets the threads end as soon as they are idle."""
        self._stopping = True
        while self._parked:
            self._wake()

    def _tick(self) -> None:
        left = len(self._queue)
        if not left or not self._has_help():
            self._ticking = False
            return
        now = time.monotonic()
        handled = self._left_before + self._arrived - left
        if handled <= 0:
            for _ in range(max(1, len(self._threads) - len(self._parked))):
                self._wake()
        elif handled < BRISK * (now - self._ticked):
            self._wake()
        self._left_before, self._arrived, self._ticked = left, 0, now
        asyncio.get_running_loop().call_later(TICK, self._tick)

    def _has_help(self) -> bool:
        """True if another thread could be woken. One parks only when the queue is empty."""
        return bool(self._parked) or len(self._threads) < self._size

    def _wake(self) -> None:
        """Wakes a parked thread, or starts one while there are fewer than `size`."""
        try:
            self._parked.pop().release()
        except IndexError:
            if len(self._threads) < self._size and not self._stopping:
                name = f"{self._name}-{len(self._threads) + 1}"
                thread = threading.Thread(target=self._run, name=name, daemon=True)
                self._threads.append(thread)
                thread.start()

    def _run(self) -> None:
        pop, step = self._queue.popleft, self._step
        gate = threading.Lock()
        gate.acquire()
        while True:
            try:
                session, delivery = pop()
            except IndexError:
                if not self._park(gate):
                    return
                continue
            step(session, delivery)

    def _park(self, gate: Any) -> bool:
        """Waits for work; False: there will be none. `gate` is locked before and after."""
        self._parked.append(gate)
        if self._queue or self._stopping:
            # What came between the look at the queue and the parking woke perhaps nobody.
            try:
                self._parked.remove(gate)
            except ValueError:
                gate.acquire()
            return bool(self._queue) or not self._stopping
        gate.acquire()
        return bool(self._queue) or not self._stopping


class TaskCrew:
    """Runs a coroutine function in up to `size` tasks on the event loop.

    A task goes from one delivery to the next without a new task, so a handler that never waits
    costs little. When one waits while others are queued, the loop's next turn wakes another task.
    """

    def __init__(
        self, name: str, size: int, step: Callable[[Session, Any], Awaitable[bool]]
    ) -> None:
        self._name = name
        self._size = size
        self._step = step
        self._queue: deque[Item] = deque()
        self._idle: list[asyncio.Future[None]] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._ramping = False
        self._polite = False

    def take(self, session: Session, deliveries: Collection[session_pb2.Delivery]) -> None:
        """Queues deliveries. On the loop's thread."""
        self._queue.extend(zip(repeat(session), deliveries))
        self._ramp_soon()

    def stop(self) -> None:
        """Cancels the tasks."""
        for task in self._tasks:
            task.cancel()

    def _ramp_soon(self) -> None:
        if not self._ramping:
            self._ramping = True
            asyncio.get_running_loop().call_soon(self._ramp)

    def _ramp(self) -> None:
        self._ramping = False
        if not self._queue or self._polite:
            return
        while self._idle:
            future = self._idle.pop()
            if not future.done():
                future.set_result(None)
                return
        if len(self._tasks) < self._size:
            self._tasks.append(asyncio.ensure_future(self._run()))

    async def _run(self) -> None:
        queue, step, clock = self._queue, self._step, time.monotonic
        loop = asyncio.get_running_loop()
        turn, count = clock() + TURN, 0
        while True:
            if not queue:
                idle = loop.create_future()
                self._idle.append(idle)
                await idle
                turn = clock() + TURN
                continue
            session, delivery = queue.popleft()
            if not self._ramping:
                self._ramp_soon()
            await step(session, delivery)
            count += 1
            if count % CHECK == 0 and clock() > turn:
                self._polite = True
                await asyncio.sleep(0)
                self._polite = False
                turn = clock() + TURN
