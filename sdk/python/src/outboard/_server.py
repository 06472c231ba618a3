"""The gRPC server of a plugin, and the life of its process."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import stat
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from outboard._app import MAX_MESSAGE_BYTES, Plugin
from outboard._roles import ROLES, Role
from outboard._session import Session, Stream
from outboard._tls import server_credentials, tls_fault
from outboard.plugin.v1 import plugin_pb2

log = logging.getLogger("outboard")

# A stop waits so long for hosts to close their sessions, in seconds.
GRACE = 20.0
UNIX_PATH_LIMIT = 107
# A busy handler's thread lets the loop send answers after this time; Python's own is 5 ms.
SWITCH_INTERVAL = 0.002

_OPTIONS = [
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", -1),
    ("grpc.so_reuseport", 0),
]


def serve(app: Plugin, listen: str | None = None) -> None:
    """Serves the plugin until the host is gone or a signal asks it to stop.

    Listens at `listen`, else at $OUTBOARD_LISTEN: `unix:/absolute/path` or `host:port`.
    SIGTERM and SIGINT stop it when all hosts have drained their sessions, a second one at once.
    Exits with status 2 if it cannot listen.
    """
    address = listen or os.environ.get("OUTBOARD_LISTEN", "")
    fault = _address_fault(app, address) or tls_fault()
    if fault:
        print(f"{app.name}: {fault}", file=sys.stderr)
        raise SystemExit(2)
    sys.setswitchinterval(SWITCH_INTERVAL)
    try:
        asyncio.run(_serve(app, address))
    except RuntimeError as error:
        if "bind" not in str(error):
            raise
        print(f"{app.name}: cannot listen at {address}: {error}", file=sys.stderr)
        raise SystemExit(2) from error


class Server:
    """A plugin's server on the running event loop. `serve` is the usual way to it."""

    def __init__(self, app: Plugin) -> None:
        self._app = app
        self._server = grpc.aio.server(options=_OPTIONS)
        self._health = health.aio.HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        self._server.add_generic_rpc_handlers(tuple(self._handlers()))
        self._stopping: asyncio.Task[None] | None = None

    async def start(self, address: str) -> int:
        """Listens; returns the port (1 for a unix socket)."""
        credentials = None if address.startswith("unix:") else server_credentials()
        port = (
            self._server.add_secure_port(address, credentials)
            if credentials
            else self._server.add_insecure_port(address)
        )
        await self._health.set("", health_pb2.HealthCheckResponse.SERVING)
        await self._server.start()
        return int(port)

    def stop_soon(self, grace: float = GRACE) -> None:
        """Begins to stop: hosts see it and drain their sessions, at most `grace` seconds."""
        if self._stopping is None:
            self._stopping = asyncio.ensure_future(self._stop(grace))

    async def wait(self) -> None:
        """Returns when the server has stopped."""
        await self._server.wait_for_termination()
        if self._stopping is not None:
            await self._stopping
        for component in self._app.components:
            component.crew.stop()

    async def _stop(self, grace: float) -> None:
        await self._health.enter_graceful_shutdown()
        await self._server.stop(grace)

    def _handlers(self) -> list[grpc.GenericRpcHandler]:
        describe = grpc.unary_unary_rpc_method_handler(
            self._describe,
            request_deserializer=plugin_pb2.DescribeRequest.FromString,
            response_serializer=plugin_pb2.DescribeResponse.SerializeToString,
        )
        handlers = [
            grpc.method_handlers_generic_handler(
                "outboard.plugin.v1.PluginService", {"Describe": describe}
            )
        ]
        for role in ROLES:
            method = grpc.stream_stream_rpc_method_handler(
                self._session_of(role),
                request_deserializer=role.request.FromString,
                response_serializer=role.response.SerializeToString,
            )
            handlers.append(
                grpc.method_handlers_generic_handler(role.service, {role.method: method})
            )
        return handlers

    async def _describe(
        self, request: plugin_pb2.DescribeRequest, context: Any
    ) -> plugin_pb2.DescribeResponse:
        return self._app.describe(request)

    def _session_of(self, role: Role) -> Callable[[Any, Any], Awaitable[None]]:
        async def run(requests: Any, context: Any) -> None:
            await run_session(self._app, role, context)

        return run


async def run_session(app: Plugin, role: Role, stream: Stream) -> None:
    """Serves one session of the plugin over a stream, to its end."""
    first = await stream.read()
    if first is grpc.aio.EOF:
        return
    if not first.HasField("open"):
        await stream.abort(
            grpc.StatusCode.INVALID_ARGUMENT, "the first frame of a session must carry Open"
        )
    component = app.component(role, first.open.component)
    if component is None:
        names = ", ".join(c.name for c in app.components if c.role is role) or "none"
        await stream.abort(
            grpc.StatusCode.NOT_FOUND,
            f"no {role.word} named {first.open.component!r} in {app.name}; it has: {names}",
        )
    await Session(component, stream, app.instance_id).run(first, app.open)


async def _serve(app: Plugin, address: str) -> None:
    server = Server(app)
    await server.start(address)
    loop = asyncio.get_running_loop()
    asked = False

    def stop() -> None:
        nonlocal asked
        if asked:
            os._exit(1)
        asked = True
        server.stop_soon()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    if address.startswith("unix:") and _is_pipe(0):
        _watch_stdin(loop, server.stop_soon)
    elif sys.stderr.isatty():
        print(f"{app.name}: listening at {address}", file=sys.stderr)
    await server.wait()


def _watch_stdin(loop: asyncio.AbstractEventLoop, gone: Callable[[], None]) -> None:
    """Calls `gone` at the end of stdin: its only writer, the host, is gone or wants an end."""

    def readable() -> None:
        try:
            data = os.read(0, 4096)
        except OSError:
            data = b""
        if not data:
            loop.remove_reader(0)
            gone()

    loop.add_reader(0, readable)


def _is_pipe(fd: int) -> bool:
    try:
        mode = os.fstat(fd).st_mode
    except OSError:
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)


def _address_fault(app: Plugin, address: str) -> str:
    if not app.components:
        return "the plugin has no component; mark a function with @app.worker(...)"
    if not address:
        return (
            "OUTBOARD_LISTEN is not set. The host sets it; by hand: "
            f"OUTBOARD_LISTEN=127.0.0.1:9000 {os.path.basename(sys.executable)} {sys.argv[0]}"
        )
    if address.startswith("unix:"):
        path = address.removeprefix("unix:")
        if not path.startswith("/") or len(path.encode()) > UNIX_PATH_LIMIT:
            return (
                f"OUTBOARD_LISTEN={address}: needs an absolute path of at most "
                f"{UNIX_PATH_LIMIT} bytes after unix:"
            )
    elif ":" not in address:
        return f"OUTBOARD_LISTEN={address}: use unix:/absolute/path or host:port"
    return ""
