#!/usr/bin/env python3
"""Keeps one RabbitMQ node for whoever started it: broker.py or broker.cc.

Its one line on stdout is the folder. It then serves the unix socket FOLDER/control: a request is one line, the answer
"ok SIZE" or "error SIZE" and a newline, then SIZE bytes.

  port                    of AMQP; the same over all restarts
  start | stop | kill     the node, which is not started by itself
  vhost                   makes an empty vhost for user guest, and answers its name
  delete-vhost NAME
  eval EXPRESSION         of Erlang, inside the node
  alarm on|off            the memory alarm: the node blocks whoever publishes

When its stdin ends, it ends: no process and no file is left. If it is killed itself, the node dies with it, and the
next keeper removes the folder.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

from node import BrokerError, Node

PREFIX = "outboard-broker-"
LOCK = "lock"


class OwnerGoneError(Exception):
    """Nobody wants the node any more."""


def owner_gone() -> None:
    if select.select([0], [], [], 0)[0] and not os.read(0, 4096):
        raise OwnerGoneError


def hold(file: TextIO) -> bool:
    """True if nobody else holds it; then it is held as long as it is open."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def make_folder() -> tuple[Path, TextIO]:
    """A new folder, and what holds it. It has the file LOCK only when that is held."""
    folder = Path(tempfile.mkdtemp(prefix=PREFIX))
    file = (folder / (LOCK + ".new")).open("w")
    hold(file)
    print(os.getpid(), file=file, flush=True)
    (folder / (LOCK + ".new")).rename(folder / LOCK)
    return folder, file


def remove_abandoned() -> None:
    """Removes the folders of keepers that were killed."""
    for file in Path(tempfile.gettempdir()).glob(f"{PREFIX}*/{LOCK}"):
        with contextlib.suppress(OSError), file.open("r+") as held:  # another user's cannot be opened
            if hold(held):
                shutil.rmtree(file.parent, ignore_errors=True)


class Keeper:
    def __init__(self, folder: Path) -> None:
        self.node = Node(folder, owner_gone)
        self.vhosts = 0
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(folder / "control"))
        self.listener.listen()
        self.clients: dict[socket.socket, bytes] = {}

    def serve(self) -> None:
        """Until the owner is gone: by OwnerGoneError."""
        while True:
            watched: list[socket.socket | int] = [0, self.listener, *self.clients]
            ready = select.select(watched, [], [])[0]
            owner_gone()
            if self.listener in ready:
                self.clients[self.listener.accept()[0]] = b""
            for client in [client for client in self.clients if client in ready]:
                self._read(client)

    def _read(self, client: socket.socket) -> None:
        try:
            data = client.recv(65536)
            if not data:
                raise ConnectionResetError
            *lines, self.clients[client] = (self.clients[client] + data).split(b"\n")
            for line in lines:
                client.sendall(self._answer(line.decode()))
        except OSError:
            del self.clients[client]
            client.close()

    def _answer(self, line: str) -> bytes:
        try:
            text, kind = self._perform(*line.partition(" ")[::2]).encode(), "ok"
        except BrokerError as error:
            text, kind = str(error).encode(), "error"
        return f"{kind} {len(text)}\n".encode() + text

    def _perform(self, verb: str, rest: str) -> str:
        verbs: dict[str, Callable[[], str | None]] = {
            "port": lambda: str(self.node.port),
            "start": self.node.start,
            "stop": self.node.stop,
            "kill": self.node.kill,
            "vhost": self._new_vhost,
            "delete-vhost": lambda: self._delete_vhost(rest),
            "eval": lambda: self.node.evaluate(rest),
            "alarm": lambda: self._set_memory_alarm(rest == "on"),
        }
        if verb not in verbs:
            raise BrokerError(f"the keeper knows no '{verb}': one of {', '.join(verbs)}")
        return verbs[verb]() or ""

    def _new_vhost(self) -> str:
        self.vhosts += 1
        name = f"t{self.vhosts}"
        self.node.evaluate(
            f'rabbit_vhost:add(<<"{name}">>, <<"guest">>), rabbit_auth_backend_internal:set_permissions('
            f'<<"guest">>, <<"{name}">>, <<".*">>, <<".*">>, <<".*">>, <<"guest">>)')
        return name

    def _delete_vhost(self, name: str) -> None:
        self.node.evaluate(f'rabbit_vhost:delete(<<"{name}">>, <<"guest">>)')

    def _set_memory_alarm(self, on: bool) -> None:
        watermark = "0.0000001" if on else "0.4"
        self.node.evaluate(f"vm_memory_monitor:set_vm_memory_high_watermark({watermark})")


def terminate(*_: object) -> None:
    raise OwnerGoneError


def main() -> int:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the owner's affair
    signal.signal(signal.SIGTERM, terminate)
    remove_abandoned()
    folder, held = make_folder()
    keeper = None
    try:
        keeper = Keeper(folder)
        print(folder, flush=True)
        keeper.serve()
    except OwnerGoneError:
        return 0
    except BrokerError as error:
        print(f"keeper: {error}", file=sys.stderr)
        return 1
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if keeper is not None:
            keeper.node.kill()
        shutil.rmtree(folder, ignore_errors=True)
        held.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
