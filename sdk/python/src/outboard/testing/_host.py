"""A host for tests."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

import grpc

from outboard._app import Plugin
from outboard._roles import ROLES, WORKER, Role
from outboard._server import Server
from outboard.plugin.v1 import plugin_pb2, session_pb2
from outboard.testing._links import GrpcLink, Link, LocalLink, LoopThread
from outboard.testing._session import TestSession


class Process:
    """A launched plugin."""

    def __init__(self, argv: Sequence[str], env: Mapping[str, str], listen: str) -> None:
        self.process = subprocess.Popen(
            list(argv), env={**os.environ, **env, "OUTBOARD_LISTEN": listen}, stdin=subprocess.PIPE
        )

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.process.pid

    def close_stdin(self) -> None:
        """Lets it see the end of stdin, as when the host is gone."""
        if self.process.stdin is not None:
            self.process.stdin.close()

    def wait(self, timeout: float = 30.0) -> int:
        """Waits for its end and returns the exit status."""
        return self.process.wait(timeout)

    def kill(self) -> None:
        """Ends it by SIGKILL."""
        self.process.kill()
        self.process.wait()
        self.close_stdin()


class Host:
    """Plays the host for one plugin. Use it as a context manager."""

    def __init__(self) -> None:
        self.process: Process | None = None
        self._roles: dict[str, Role] = {}
        self._cleanup = contextlib.ExitStack()
        self._describe: Callable[[plugin_pb2.DescribeRequest], plugin_pb2.DescribeResponse]
        self._link: Callable[[Role], Link]

    @classmethod
    def local(cls, app: Plugin) -> Self:
        """Runs the plugin in this process, without gRPC."""
        host = cls()
        runner = LoopThread()
        host._cleanup.callback(runner.stop)
        host._cleanup.callback(lambda: runner.run(_stop_crews(app)))
        host._describe = app.describe
        host._link = lambda role: LocalLink(runner, app, role)
        return host

    @classmethod
    def serving(cls, app: Plugin) -> Self:
        """Runs the plugin in this process behind its real server on a unix socket."""
        host = cls()
        runner = LoopThread()
        host._cleanup.callback(runner.stop)
        listen = host._socket()

        async def start() -> Server:
            server = Server(app)
            await server.start(listen)
            return server

        async def stop(server: Server) -> None:
            server.stop_soon(grace=5.0)
            await server.wait()
            await _stop_crews(app)

        server = runner.run(start())
        host._cleanup.callback(lambda: runner.run(stop(server)))
        host._dial(listen)
        return host

    @classmethod
    def launch(cls, argv: Sequence[str], env: Mapping[str, str] | None = None) -> Self:
        """Starts a program as the host does: OUTBOARD_LISTEN is a fresh socket, stdin a pipe."""
        host = cls()
        listen = host._socket()
        host.process = Process(argv, env or {}, listen)
        host._cleanup.callback(host.process.kill)
        host._dial(listen)
        return host

    @classmethod
    def at(cls, target: str) -> Self:
        """Dials a plugin that listens at `unix:/path` or `host:port`."""
        host = cls()
        host._dial(target)
        return host

    def describe(self, config: Any = None) -> plugin_pb2.DescribeResponse:
        """Asks the plugin what it is; config is an object or JSON text."""
        return self._describe(
            plugin_pb2.DescribeRequest(
                host="test", max_message_bytes=4194304, config_json=_as_json(config)
            )
        )

    def open(
        self,
        component: str = "",
        config: Any = None,
        *,
        role: str = "",
        time_limit: float | None = None,
        wait: bool = True,
    ) -> TestSession:
        """Opens a session with a component ("": the only one) and waits until it is ready."""
        if not component or not role:
            component, role = self._find(component, role)
        opening = session_pb2.Open(component=component, host="test", config_json=_as_json(config))
        if time_limit is not None:
            opening.time_limit.FromNanoseconds(int(time_limit * 1e9))
        chosen = next(r for r in ROLES if r.word == role)
        session = TestSession(self._link(chosen), chosen, opening)
        return session.wait_opened() if wait else session

    def close(self) -> None:
        """Ends what was started."""
        self._cleanup.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _find(self, component: str, role: str) -> tuple[str, str]:
        words = {r.number: r.word for r in ROLES}
        found = [
            (c.name, words[c.role])
            for c in self.describe().components
            if component in ("", c.name) and role in ("", words[c.role])
        ]
        if len(found) == 1:
            return found[0]
        if component and not found:
            return component, role or WORKER.word
        names = ", ".join(f"{word} {name}" for name, word in found) or "none"
        raise ValueError(f"say which component to open; candidates: {names}")

    def _socket(self) -> str:
        folder = self._cleanup.enter_context(tempfile.TemporaryDirectory(prefix="outboard-"))
        return f"unix:{folder}/s"

    def _dial(self, target: str) -> None:
        options = [
            ("grpc.initial_reconnect_backoff_ms", 50),
            ("grpc.min_reconnect_backoff_ms", 50),
            ("grpc.max_reconnect_backoff_ms", 200),
        ]
        channel = grpc.insecure_channel(target, options)
        self._cleanup.callback(channel.close)
        grpc.channel_ready_future(channel).result(30)
        describe = channel.unary_unary(
            "/outboard.plugin.v1.PluginService/Describe",
            request_serializer=plugin_pb2.DescribeRequest.SerializeToString,
            response_deserializer=plugin_pb2.DescribeResponse.FromString,
        )
        self._describe = lambda request: describe(request, timeout=30)
        self._link = lambda role: GrpcLink(channel, role)


async def _stop_crews(app: Plugin) -> None:
    for component in app.components:
        component.crew.stop()
        component.restart()


def _as_json(config: Any) -> str:
    if isinstance(config, str):
        return config
    return json.dumps({} if config is None else config)
