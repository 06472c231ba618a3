"""One RabbitMQ node of Debian's package, in a folder of its own, on loopback, without epmd. Used by keeper.py."""

from __future__ import annotations

import contextlib
import ctypes
import os
import random
import select
import shutil
import signal
import socket
import struct
import subprocess
import time
import uuid
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).resolve().parent
SBIN = Path("/usr/lib/rabbitmq/bin")
START_SECONDS = 90.0
STOP_SECONDS = 30.0
# Below the ports that the kernel gives to clients, which ask for none.
PORTS = range(20000, 32000)
PR_SET_PDEATHSIG = 1

# Erlang's own, as the schemas of rabbitmq.conf take a second to read. After a kill a message on its way out of a
# rung waits that long for a confirm that does not come (3 minutes by default) before it goes once more.
CONFIG = """\
[{rabbit, [
   {dead_letter_worker_publisher_confirm_timeout, 5000},
   {num_tcp_acceptors, 2},
   {loopback_users, []},
   {collect_statistics, none},
   {disk_free_limit, 1000000}]}].
"""

CTL = """\
#!/bin/sh
# rabbitmqctl for this broker.
{exports}
exec {program} "$@"
"""


class BrokerError(RuntimeError):
    """What the node, or rabbitmqctl, had to complain about."""


def hold_port() -> socket.socket:
    """A port that nobody else gets as long as the socket is open. Erlang, which sets SO_REUSEADDR, may listen on it."""
    while True:
        held = socket.socket()
        with contextlib.suppress(OSError):
            held.bind(("127.0.0.1", random.choice(PORTS)))
            held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # Not before it has the port for itself.
            return held
        held.close()


def free_port() -> int:
    with hold_port() as held:
        return int(held.getsockname()[1])


def die_with_parent(parent: int) -> Callable[[], None]:
    """To be called in a child before it executes: it gets SIGKILL when its parent is gone, however that ended."""
    libc = ctypes.CDLL(None)

    def prepare() -> None:
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)

    return prepare


class Node:
    """The folder, the process and a way to evaluate Erlang in it. One thread; dies with its process."""

    def __init__(self, folder: Path, interrupted: Callable[[], None] = lambda: None) -> None:
        """`interrupted` is asked while something takes long, and raises where nobody wants it any more."""
        self.folder = folder
        self.interrupted = interrupted
        self._held = (hold_port(), hold_port())  # While it is down, too.
        self.port, self._dist_port = (int(held.getsockname()[1]) for held in self._held)
        self.process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._listener = socket.socket(socket.AF_UNIX)
        if not (SBIN / "rabbitmq-server").exists():
            raise BrokerError(f"no {SBIN}/rabbitmq-server: install what the tests need by deploy/setup test")
        self._write_files()

    # ---- Its files ----

    def _write_files(self) -> None:
        folder = self.folder
        for name in ("home", "data", "log", "plugins"):
            (folder / name).mkdir()
        self._link_installation()
        cookie = folder / "home" / ".erlang.cookie"
        cookie.write_text(uuid.uuid4().hex)
        cookie.chmod(0o400)
        shutil.copy(HERE / "control.erl", folder / "control.erl")
        (folder / "sys.config").write_text(CONFIG)
        (folder / "enabled_plugins").write_text("[].\n")
        # No epmd: each side knows the port. Those who call do not listen.
        dist = f"-start_epmd false -erl_epmd_port {self._dist_port}"
        name = f"outboard-{uuid.uuid4().hex[:8]}@localhost"
        common = {
            "HOME": str(folder / "home"),
            "RABBITMQ_NODENAME": name,
            "RABBITMQ_CONF_ENV_FILE": str(folder / "no-rabbitmq-env.conf"),
        }
        server = {
            "ERL_AFLAGS": dist,
            "ERL_CRASH_DUMP_SECONDS": "0",
            "OUTBOARD_CONTROL": str(folder / "node"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(folder / "no-advanced.config"),
            # The runtime replaces the script: its process is ours.
            "RABBITMQ_ALLOW_INPUT": "1",
            "RABBITMQ_CONFIG_FILE": str(folder / "no-rabbitmq.conf"),
            "RABBITMQ_DIST_PORT": str(self._dist_port),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
            "RABBITMQ_GENERATED_CONFIG_DIR": str(folder / "data" / "config"),
            "RABBITMQ_LOGS": str(folder / "log" / "rabbit.log"),
            "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_MNESIA_BASE": str(folder / "data"),
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_PID_FILE": str(folder / "data" / "pid"),
            "RABBITMQ_PLUGINS_DIR": str(folder / "plugins"),
            "RABBITMQ_SCRIPTS_DIR": str(folder / "installation" / "sbin"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": " ".join([
                f"-noinput -sname {name} -kernel inet_dist_use_interface {{127,0,0,1}}",
                f"-config {folder}/sys",
                "+S 1:1 +SDcpu 1:1 +SDio 4 +A 1 +B i",
                f'-eval file:eval("{folder}/control.erl")',
            ]),
        }
        ctl = {
            "ERL_AFLAGS": dist + " -dist_listen false",
            "RABBITMQ_CTL_ERL_ARGS": "+S 1:1 +SDcpu 1:1 +A 1",
        }
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(("RABBITMQ_", "ERL_"))}
        self._environment = {**inherited, **common, **server}
        script = folder / "rabbitmqctl"
        exports = "\n".join(f"export {k}='{v}'" for k, v in {**common, **ctl}.items())
        script.write_text(CTL.format(exports=exports, program=SBIN / "rabbitmqctl"))
        script.chmod(0o755)

    def _link_installation(self) -> None:
        """The installed programs without plugins: the runtime looks for each module in each folder, 2 s in all."""
        installed = (SBIN / "rabbitmq-server").resolve().parent.parent
        links = self.folder / "installation"
        (links / "plugins").mkdir(parents=True)
        for name in ("sbin", "escript"):
            (links / name).symlink_to(installed / name)
        for library in (installed / "plugins").iterdir():
            if not library.name.startswith("rabbitmq_") or library.name.startswith("rabbitmq_prelaunch"):
                (links / "plugins" / library.name).symlink_to(library)

    def log_tail(self, lines: int = 40) -> str:
        texts = []
        for name in ("output", "log/rabbit.log"):
            path = self.folder / name
            if path.exists():
                texts += [f"---- {name}", *path.read_text(errors="replace").splitlines()[-lines:]]
        return "\n".join(texts)

    # ---- Its process ----

    def start(self) -> None:
        """Blocks until it takes connections. Nothing to do if it runs already."""
        if self.process is not None and self.process.poll() is None:
            return
        self._forget()
        path = self.folder / "node"
        path.unlink(missing_ok=True)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        with (self.folder / "output").open("ab") as output:
            self.process = subprocess.Popen(
                [SBIN / "rabbitmq-server"], stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=self.folder,
                env=self._environment, start_new_session=True, preexec_fn=die_with_parent(os.getpid()))
        self._await(self._dialled, START_SECONDS, "start")

    def _dialled(self) -> bool:
        assert self.process is not None
        if self.process.poll() is not None:
            raise BrokerError(f"the broker ended with {self.process.returncode} while it started\n{self.log_tail()}")
        if not select.select([self._listener], [], [], 0.05)[0]:
            return False
        self._control = self._listener.accept()[0]
        self._control.settimeout(60)
        return True

    def _await(self, condition: Callable[[], bool], seconds: float, what: str) -> None:
        end = time.monotonic() + seconds
        while not condition():
            self.interrupted()
            if time.monotonic() > end:
                raise BrokerError(f"the broker did not {what} within {seconds:.0f} s\n{self.log_tail()}")

    def _ended(self) -> bool:
        assert self.process is not None
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(0.05)
        return self.process.returncode is not None

    def stop(self) -> None:
        """The orderly end."""
        if self.process is None:
            return
        self.process.terminate()
        try:
            self._await(self._ended, STOP_SECONDS, "stop")
        finally:
            self.kill()

    def kill(self) -> None:
        """SIGKILL; its data stays."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
        self._forget()

    def _forget(self) -> None:
        self._listener.close()
        if self._control is not None:
            self._control.close()
        self._control = None
        self.process = None

    # ---- What is asked of it ----

    def evaluate(self, expression: str) -> str:
        """The value of an Erlang expression inside the node, as text."""
        if self._control is None:
            raise BrokerError("the broker is not running: start it first")
        try:
            text = expression.encode()
            self._control.sendall(struct.pack(">I", len(text)) + text)
            answer = self._read(struct.unpack(">I", self._read(4))[0]).decode()
        except OSError as error:
            raise BrokerError(f"the broker did not answer ({error}) to: {expression}\n{self.log_tail()}") from error
        kind, _, value = answer.partition(" ")
        if kind != "ok":
            raise BrokerError(f"the broker says {value} to: {expression}")
        return value

    def _read(self, size: int) -> bytes:
        assert self._control is not None
        data = b""
        while len(data) < size:
            chunk = self._control.recv(size - len(data))
            if not chunk:
                raise ConnectionResetError("it is gone")
            data += chunk
        return data
