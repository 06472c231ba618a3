"""Where subscriptions come from: pipelines of the host, or the config."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import grpc
import outboard

# Worth another try.
PASSING = {
    grpc.StatusCode.ABORTED,
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.INTERNAL,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.UNKNOWN,
}
Subscription = Mapping[str, Any]


class NoSource(Exception):
    """The source gave nothing; `again`: it may later."""

    def __init__(self, message: str, *, again: bool) -> None:
        super().__init__(message)
        self.again = again


@dataclass(frozen=True)
class Caller:
    """Whose queue it is, and the context of the call that led here."""

    queue: str
    project: str | None = None
    context: Mapping[str, str] | None = None


class Source(Protocol):
    """Where subscriptions come from. Its methods raise NoSource."""

    def policy(self, caller: Caller) -> Mapping[str, Any]:
        """The retry policy of the queue; empty if it has none."""

    def page(self, caller: Caller, marker: Any) -> tuple[Sequence[Any], Any]:
        """Some subscriptions, and the marker of the next page; a false one: that was the last."""


class FromConfig:
    """A list that stays as it is."""

    def __init__(self, subscriptions: Sequence[Subscription]) -> None:
        self._all = subscriptions

    def policy(self, caller: Caller) -> Mapping[str, Any]:
        """None."""
        return {}

    def page(self, caller: Caller, marker: Any) -> tuple[Sequence[Any], Any]:
        """All of them, on one page."""
        found = [
            s for s in self._all if s["queue"] == caller.queue and s.get("project", caller.project) == caller.project
        ]
        return found, None


class Calls(Protocol):
    """Calls with options."""

    def invoke(self, pipeline: str, operation: str, /, *args: Any, **kwargs: Any) -> outboard.Answer:
        """Calls an operation and waits for its answer."""


class Invoker(Protocol):
    """What calls pipelines: outboard.Pipelines."""

    def with_options(self, *, context: Mapping[str, str] | None, timeout: float | None) -> Calls:
        """Calls that have these."""


class FromHost:
    """Asks the pipelines of subscriptions and of queues, as Zaqar's notifier asks their controllers."""

    def __init__(self, pipelines: Invoker, subscription: str, queue: str) -> None:
        self._pipelines = pipelines
        self._subscription, self._queue = subscription, queue

    def policy(self, caller: Caller) -> Mapping[str, Any]:
        """`_retry_policy` in the metadata of the queue."""
        if not self._queue:
            return {}
        metadata = self._ask(caller, self._queue, "get", caller.queue)
        policy = metadata.get("_retry_policy") if isinstance(metadata, dict) else None
        return policy if isinstance(policy, dict) else {}

    def page(self, caller: Caller, marker: Any) -> tuple[Sequence[Any], Any]:
        """The operation `list`: its answer is `[subscriptions, marker]`."""
        answer = self._ask(caller, self._subscription, "list", caller.queue, marker=marker)
        if answer is None:
            return [], None
        if not isinstance(answer, list) or not answer or not isinstance(answer[0], list):
            raise NoSource(
                f"pipeline {self._subscription} answered list with {_begin(answer)}; it must be"
                " [subscriptions, marker]",
                again=False,
            )
        return answer[0], answer[1] if len(answer) > 1 else None

    def find(self, caller: Caller, subscriber: str) -> Subscription | None:
        """The subscription of that subscriber; None: there is none yet."""
        return self._one(caller, "get_with_subscriber", subscriber)

    def get(self, caller: Caller, subscription_id: str) -> Subscription | None:
        """The subscription of that id; None: there is none."""
        return self._one(caller, "get", subscription_id)

    def _one(self, caller: Caller, operation: str, which: str) -> Subscription | None:
        answer = self._ask(caller, self._subscription, operation, caller.queue, which)
        return answer if isinstance(answer, dict) else None

    def _ask(self, caller: Caller, pipeline: str, operation: str, *args: Any, **kwargs: Any) -> Any:
        """The answer's value; None where there is none, or what is asked for is not there."""
        try:
            calls = self._pipelines.with_options(context=caller.context, timeout=10.0)
            answer = calls.invoke(pipeline, operation, *args, project=caller.project, **kwargs)
        except outboard.InvokeError as error:
            if error.code == grpc.StatusCode.NOT_FOUND and error.reason != "NO_PIPELINE":
                return None
            raise NoSource(str(error), again=error.code in PASSING) from error
        return answer.value


def _begin(value: Any) -> str:
    text = json.dumps(value, default=repr)
    return text if len(text) <= 100 else text[:97] + "..."
