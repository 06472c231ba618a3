"""A stand-in for the host's pipelines."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from typing import Any

import outboard
from outboard.host.v1 import pipeline_pb2

Answers = dict[tuple[str, str], Any]


class FakePipelines:
    """Answers calls by what it was given: a value, or a function of the arguments that returns or raises."""

    def __init__(self, answers: Answers) -> None:
        self.answers = answers
        self.calls: list[tuple[str, str, tuple[Any, ...], dict[str, Any]]] = []
        self.contexts: list[Mapping[str, str] | None] = []
        self._lock = threading.Lock()

    def with_options(self, *, context: Mapping[str, str] | None, timeout: float | None) -> FakePipelines:
        """Itself; notes the context."""
        with self._lock:
            self.contexts.append(context)
        return self

    def invoke(self, pipeline: str, operation: str, /, *args: Any, **kwargs: Any) -> outboard.Answer:
        """One call."""
        with self._lock:
            self.calls.append((pipeline, operation, args, kwargs))
            answer = self.answers[(pipeline, operation)]
            value = answer(*args, **kwargs) if callable(answer) else answer
        response = pipeline_pb2.InvokeResponse(stage="store")
        response.answer.data = json.dumps(value).encode()
        return outboard.Answer(response)

    def asked(self, operation: str) -> int:
        """How often."""
        return sum(called == operation for _, called, _, _ in self.calls)
