#!/usr/bin/env python3
"""A real RabbitMQ for tests, in pytest or by hand: its own folder, free loopback ports, ended with the program.

By hand, it runs until Ctrl-C and prints how to reach it:  .venv/bin/python tests/broker/broker.py
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Self

sys.path.insert(0, str(Path(__file__).resolve().parent))

from node import BrokerError

KEEPER = Path(__file__).resolve().parent / "keeper.py"
# Names the folder of a broker that runs already, for all that asks for the shared one.
SHARED = "OUTBOARD_TEST_BROKER"
QUEUES_NOT_ON_DISK = ("begin {ok, File} = file:read_file(dets:info(ra_directory_reverse, filename)), "
                      "[Name || {Uid, _, _, Name, _} <- ets:tab2list(ra_directory), "
                      "binary:match(File, Uid) =:= nomatch] end")


class Broker:
    """One broker: a context manager that starts it and leaves nothing behind. All errors are BrokerError."""

    def __init__(self, folder: str | None = None) -> None:
        """A broker of the caller's own; with the folder of a running one, that one, which is left running."""
        self._keeper: subprocess.Popen[bytes] | None = None
        if folder is None:
            self._keeper = subprocess.Popen([sys.executable, KEEPER], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                            start_new_session=True)
            assert self._keeper.stdout is not None
            folder = self._keeper.stdout.readline().decode().rstrip("\n")
            if not folder:
                raise BrokerError("no broker: its keeper says why on stderr")
        self.folder = Path(folder)
        self._control = socket.socket(socket.AF_UNIX)
        self._control.connect(str(self.folder / "control"))
        self._answers = self._control.makefile("rb")
        self.port = int(self._ask("port"))

    @classmethod
    def shared(cls) -> Broker:
        """The one that $OUTBOARD_TEST_BROKER names, else one of the caller's own."""
        return cls(os.environ.get(SHARED))

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Ends the broker, if it is the caller's own, and removes all of it."""
        self._answers.close()
        self._control.close()
        if self._keeper is not None:
            assert self._keeper.stdin is not None
            assert self._keeper.stdout is not None
            self._keeper.stdin.close()
            self._keeper.wait()
            self._keeper.stdout.close()
            self._keeper = None

    def _ask(self, request: str) -> str:
        self._control.sendall(request.replace("\n", " ").encode() + b"\n")
        kind, _, size = self._answers.readline().decode().partition(" ")
        if not size:
            raise BrokerError(f"the broker's keeper is gone; it was asked to: {request}")
        text = self._answers.read(int(size)).decode()
        if kind != "ok":
            raise BrokerError(text)
        return text

    # ---- The node ----

    def start(self) -> None:
        """Blocks until it takes connections, about 3 s. Nothing to do if it runs."""
        self._ask("start")

    def stop(self) -> None:
        """The orderly end; data that is durable stays."""
        self._ask("stop")

    def kill(self) -> None:
        """SIGKILL of the whole node; what is on disk stays."""
        self._ask("kill")

    def restart(self) -> None:
        self.stop()
        self.start()

    def await_queues_on_disk(self) -> None:
        """Blocks until the node would know its quorum queues after a kill.

        Their names are written half a second after they were declared (RabbitMQ 3.10.8). A queue whose name was not
        comes back empty and without a leader, whatever was confirmed in it.
        """
        end = time.monotonic() + 30
        while (missing := self.evaluate(QUEUES_NOT_ON_DISK)) != "[]":
            if time.monotonic() > end:
                raise BrokerError(f"the names of these quorum queues are not written: {missing}")
            time.sleep(0.05)

    def log_tail(self, lines: int = 40) -> str:
        log = self.folder / "log" / "rabbit.log"
        return "\n".join(log.read_text(errors="replace").splitlines()[-lines:]) if log.exists() else ""

    # ---- What is in it ----

    def url(self, vhost: str) -> str:
        return f"amqp://guest:guest@127.0.0.1:{self.port}/{vhost}"

    def new_vhost(self) -> str:
        """A new empty vhost, on which user guest may do everything."""
        return self._ask("vhost")

    def delete_vhost(self, vhost: str) -> None:
        self._ask(f"delete-vhost {vhost}")

    def set_memory_alarm(self, on: bool) -> None:
        """With the alarm on, the node blocks the connections of whoever publishes."""
        self._ask(f"alarm {'on' if on else 'off'}")

    def evaluate(self, expression: str) -> str:
        """The value of an Erlang expression inside the node, as text. At once, where ctl() takes a second."""
        return self._ask(f"eval {expression}")

    def ctl(self, *arguments: str) -> str:
        """Runs rabbitmqctl, and gives its output. By hand: FOLDER/rabbitmqctl."""
        done = subprocess.run([self.folder / "rabbitmqctl", *arguments], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise BrokerError(f"rabbitmqctl {' '.join(arguments)}: {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout


def main() -> int:
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with Broker() as broker:
            print(f"{broker.url(broker.new_vhost())}\n"
                  f"{broker.folder}/rabbitmqctl list_queues\n"
                  f"export {SHARED}={broker.folder}\n"
                  "runs until Ctrl-C", flush=True)
            while True:
                signal.pause()
    except KeyboardInterrupt:
        return 0
    except BrokerError as error:
        print(f"broker: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
