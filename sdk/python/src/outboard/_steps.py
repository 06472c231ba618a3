"""One step of a crew: call the handler with one delivery and answer for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from outboard._events import Event
from outboard._roles import STAGE, Role, subject_of
from outboard._session import Context, Session
from outboard.plugin.v1 import session_pb2

Delivery = session_pb2.Delivery


def plain_step(
    role: Role, handler: Callable[..., Any], with_context: bool
) -> Callable[[Session, Delivery], bool]:
    """A step for a plain function. True: answered as good."""
    subject = subject_of if role is STAGE else _event_of

    def step(session: Session, delivery: Delivery) -> bool:
        delivery_id = delivery.delivery_id
        if (session.cancelled or session.releasing or session.lost) and session.skips(delivery_id):
            return False
        try:
            if with_context:
                result = handler(subject(delivery), Context(session, delivery))
            else:
                result = handler(subject(delivery))
        except BaseException as error:
            session.fail(delivery, error)
            return False
        if result is not None:
            return session.succeed(delivery, result)
        session.done.append(delivery_id)
        if not session.signalled:
            session.signal()
        return True

    return step


def coroutine_step(
    role: Role, handler: Callable[..., Any], with_context: bool
) -> Callable[[Session, Delivery], Any]:
    """The same for a coroutine function."""
    subject = subject_of if role is STAGE else _event_of

    async def step(session: Session, delivery: Delivery) -> bool:
        delivery_id = delivery.delivery_id
        if (session.cancelled or session.releasing or session.lost) and session.skips(delivery_id):
            return False
        try:
            if with_context:
                result = await handler(subject(delivery), Context(session, delivery))
            else:
                result = await handler(subject(delivery))
        except BaseException as error:
            if isinstance(error, asyncio.CancelledError) and _is_stopping():
                raise
            session.fail(delivery, error)
            return False
        if result is not None:
            return session.succeed(delivery, result)
        session.done.append(delivery_id)
        if not session.signalled:
            session.signalled = True
            session.wake.set()
        return True

    return step


def ordered(step: Callable[[Session, Delivery], bool]) -> Callable[[Session, Delivery], bool]:
    """The step of an `in_order` component: goes on with the rest of the delivery's key."""

    def run(session: Session, delivery: Delivery) -> bool:
        following: Delivery | None = delivery
        while following is not None:
            following = _next(session, following, step(session, following))
        return True

    return run


def ordered_coroutine(
    step: Callable[[Session, Delivery], Any],
) -> Callable[[Session, Delivery], Any]:
    """The same for a coroutine function."""

    async def run(session: Session, delivery: Delivery) -> bool:
        following: Delivery | None = delivery
        while following is not None:
            following = _next(session, following, await step(session, following))
        return True

    return run


def _next(session: Session, delivery: Delivery, succeeded: bool) -> Delivery | None:
    if session.keys is None:
        return None
    following, released = session.keys.finish(delivery.order_key, succeeded)
    for rest in released:
        session.answer(session.role.release(rest.delivery_id))
    return following


def _event_of(delivery: Delivery) -> Event:
    return Event(delivery.event)


def _is_stopping() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
