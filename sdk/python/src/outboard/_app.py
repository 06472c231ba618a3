"""What an author declares: a plugin and its components."""

from __future__ import annotations

import inspect
import json
import uuid
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypedDict, TypeVar, Unpack, overload

from outboard._crew import TaskCrew, ThreadCrew
from outboard._roles import PRODUCER, STAGE, WORKER, Role
from outboard._session import Session
from outboard._steps import coroutine_step, ordered, ordered_coroutine, plain_step
from outboard._version import __version__
from outboard.plugin.v1 import plugin_pb2

Handler = TypeVar("Handler", bound=Callable[..., Any])
Config = dict[str, Any]

# How many deliveries a component works on at once unless it says otherwise.
THREADS = 8
TASKS = 100
# Largest frame that a plugin takes, in bytes.
MAX_MESSAGE_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True)
class ConfigError:
    """One fault in the config: a JSON Pointer to it, and what is wrong and how to fix it."""

    path: str
    message: str


class Options(TypedDict, total=False):
    """What a component of any role may say."""

    name: str | None
    events: Sequence[str]
    concurrency: int | None
    max_in_flight: int
    in_order: bool
    disabled: Callable[[Config], str] | None


class ProducerOptions(Options, total=False):
    """What `@app.producer` may say."""


class StageOptions(Options, total=False):
    """What `@app.stage` may say."""

    operations: Sequence[str]


class WorkerOptions(Options, total=False):
    """What `@app.worker` may say."""

    emits: Sequence[str]
    max_in_flight_bytes: int


class Component:
    """One worker, stage or producer. Made by the decorators of Plugin."""

    def __init__(
        self,
        role: Role,
        handler: Callable[..., Any],
        *,
        name: str | None = None,
        events: Sequence[str] = (),
        operations: Sequence[str] = (),
        emits: Sequence[str] = (),
        concurrency: int | None = None,
        max_in_flight: int = 0,
        max_in_flight_bytes: int = 0,
        in_order: bool = False,
        disabled: Callable[[Config], str] | None = None,
    ) -> None:
        self.role = role
        self.handler = handler
        self.name = name or handler.__name__
        self.is_async = inspect.iscoroutinefunction(handler)
        self.concurrency = concurrency or (TASKS if self.is_async else THREADS)
        if self.concurrency < 1:
            raise ValueError(f"{self.name}: concurrency is {concurrency}; it must be at least 1")
        for option, value in (("events", events), ("operations", operations), ("emits", emits)):
            if isinstance(value, str):
                raise TypeError(f"{self.name}: {option} must be a list of strings: [{value!r}]")
        self.events = tuple(events)
        self.operations = tuple(operations)
        self.emits = tuple(emits)
        self.max_in_flight = max_in_flight
        self.max_in_flight_bytes = max_in_flight_bytes
        self.in_order = in_order
        self.disabled = disabled
        self.crew = self._crew()

    def restart(self) -> None:
        """Gives the component a fresh crew, so that it can be served again after a stop."""
        self.crew = self._crew()

    def describe(self, config: Config) -> plugin_pb2.Component:
        """What Describe says of it."""
        reason = self.disabled(config) if self.disabled else ""
        return plugin_pb2.Component(
            name=self.name,
            role=self.role.number,
            event_types=self.events,
            operations=self.operations,
            concurrency=self.concurrency,
            max_in_flight=self.max_in_flight,
            max_in_flight_bytes=self.max_in_flight_bytes,
            disabled=bool(reason),
            disabled_reason=reason or "",
            in_order=self.in_order,
            emits=self.emits,
        )

    def _crew(self) -> ThreadCrew | TaskCrew:
        with_context = _takes_context(self.name, self.handler)
        if self.is_async:
            async_step = coroutine_step(self.role, self.handler, with_context)
            if self.in_order:
                async_step = ordered_coroutine(async_step)
            return TaskCrew(self.name, self.concurrency, async_step)
        step = plain_step(self.role, self.handler, with_context)
        return ThreadCrew(self.name, self.concurrency, ordered(step) if self.in_order else step)


class Plugin:
    """A program's components and its config. Give it to `outboard.serve`."""

    def __init__(
        self, name: str, version: str = "", *, config_schema: dict[str, Any] | None = None
    ) -> None:
        self.name = name
        self.version = version
        self.config_schema = config_schema
        self.instance_id = uuid.uuid4().hex
        self.components: list[Component] = []
        self._check: Callable[[Config], Iterable[ConfigError | str] | None] | None = None
        self._on_open: Callable[[Config], Any] | None = None

    @overload
    def worker(self, handler: Handler, /) -> Handler: ...

    @overload
    def worker(self, /, **options: Unpack[WorkerOptions]) -> Callable[[Handler], Handler]: ...

    def worker(self, handler: Handler | None = None, /, **options: Any) -> Any:
        """Marks a function as a worker: `(event)` or `(event, ctx)`, plain or async.

        events: types that it takes, with * and #; none: all. emits: types that it may emit.
        concurrency: threads (plain, 8) or tasks (async, 100) that handle events at once.
        in_order: events of one order_key one after the other; after a failure the rest is released.
        disabled: says from the config why the worker is not to be used; "" if it is.
        """
        return self._add(WORKER, WorkerOptions, handler, options)

    @overload
    def stage(self, handler: Handler, /) -> Handler: ...

    @overload
    def stage(self, /, **options: Unpack[StageOptions]) -> Callable[[Handler], Handler]: ...

    def stage(self, handler: Handler | None = None, /, **options: Any) -> Any:
        """Marks a function as a stage of events (`Event`) or of calls (`Call`)."""
        return self._add(STAGE, StageOptions, handler, options)

    @overload
    def producer(self, handler: Handler, /) -> Handler: ...

    @overload
    def producer(self, /, **options: Unpack[ProducerOptions]) -> Callable[[Handler], Handler]: ...

    def producer(self, handler: Handler | None = None, /, **options: Any) -> Any:
        """Marks a function as a producer; it returns None or `Accepted(offset)`."""
        return self._add(PRODUCER, ProducerOptions, handler, options)

    def check_config(
        self, check: Callable[[Config], Iterable[ConfigError | str] | None]
    ) -> Callable[[Config], Iterable[ConfigError | str] | None]:
        """Marks the function that says what is wrong with a config. It must have no effect."""
        self._check = check
        return check

    def on_open(self, prepare: Callable[[Config], Any]) -> Callable[[Config], Any]:
        """Marks the function, plain or async, that prepares a session; it returns `ctx.state`."""
        self._on_open = prepare
        return prepare

    def describe(self, request: plugin_pb2.DescribeRequest) -> plugin_pb2.DescribeResponse:
        """Answers Describe. Has no effect."""
        response = plugin_pb2.DescribeResponse(
            name=self.name,
            version=self.version,
            sdk=f"outboard-python {__version__}",
            instance_id=self.instance_id,
            max_message_bytes=MAX_MESSAGE_BYTES,
        )
        if self.config_schema is not None:
            response.config_schema_json = json.dumps(self.config_schema)
        config: Config = {}
        try:
            config = _parse(request.config_json)
            errors = self.config_errors(config)
        except ValueError as error:
            errors = [ConfigError("", str(error))]
        for fault in errors:
            response.config_errors.add(path=fault.path, message=fault.message)
        described = {} if errors else config
        response.components.extend([c.describe(described) for c in self.components])
        return response

    def config_errors(self, config: Config) -> list[ConfigError]:
        """What `check_config` finds."""
        if self._check is None:
            return []
        try:
            found = list(self._check(config) or ())
        except Exception as error:
            found = [f"the plugin's check of its config failed: {type(error).__name__}: {error}"]
        return [e if isinstance(e, ConfigError) else ConfigError("", str(e)) for e in found]

    def component(self, role: Role, name: str) -> Component | None:
        """The component of that name and role."""
        for component in self.components:
            if component.role is role and component.name == name:
                return component
        return None

    async def open(self, session: Session) -> str:
        """Prepares a session; returns what forbids it, or nothing."""
        faults = self.config_errors(session.config)
        if faults:
            return "; ".join(f"config{fault.path}: {fault.message}" for fault in faults)
        if self._on_open is None:
            return ""
        try:
            state = self._on_open(session.config)
            session.state = await state if isinstance(state, Awaitable) else state
        except Exception as error:
            return f"opening {session.component.name} failed: {type(error).__name__}: {error}"
        return ""

    def _add(self, role: Role, known: type[Options], handler: Any, options: dict[str, Any]) -> Any:
        names = known.__annotations__.keys()
        for name in options.keys() - names:
            raise TypeError(f"a {role.word} has no option {name!r}; it has {', '.join(names)}")

        def add(function: Any) -> Any:
            component = Component(role, function, **options)
            if self.component(role, component.name):
                raise ValueError(
                    f"plugin {self.name} has two {role.word}s named {component.name!r}; "
                    "give one another name="
                )
            self.components.append(component)
            return function

        return add if handler is None else add(handler)


def _parse(config_json: str) -> Config:
    try:
        config = json.loads(config_json or "{}")
    except ValueError as error:
        raise ValueError(f"the config is not JSON: {error}") from error
    if not isinstance(config, dict):
        raise ValueError("the config must be a JSON object")
    return config


def _takes_context(name: str, handler: Callable[..., Any]) -> bool:
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    parameters = [p for p in inspect.signature(handler).parameters.values() if p.kind in kinds]
    required = [p for p in parameters if p.default is inspect.Parameter.empty]
    if not parameters or len(required) > 2:
        raise TypeError(f"{name}: a handler takes (event) or (event, ctx), not {len(required)}")
    return len(required) == 2
