"""The broker as pytest gets it; its life and the gate are tested in C++, beside this."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "broker"))

from broker import Broker
from node import BrokerError


@pytest.fixture(scope="module")
def broker() -> Iterator[Broker]:
    with Broker() as started:
        yield started


def speaks_amqp(port: int) -> bool:
    with socket.create_connection(("127.0.0.1", port), 20) as client:
        client.sendall(b"AMQP\0\0\x09\x01")
        return client.recv(1) == b"\1"  # connection.start, in a method frame


def processes_of(folder: Path) -> list[str]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                if f"{folder}/".encode() in (entry / "environ").read_bytes():
                    found.append(entry.name)
            except OSError:
                continue  # it ended, or is another user's
    return found


def test_takes_connections_on_loopback_alone(broker: Broker) -> None:
    assert speaks_amqp(broker.port)
    assert broker.evaluate("[A || {listener, _, amqp, _, A, _, _} <- rabbit_networking:active_listeners()]") == (
        "[{127,0,0,1}]")


def test_gives_new_vhosts(broker: Broker) -> None:
    one, two = broker.new_vhost(), broker.new_vhost()
    assert one != two
    assert broker.url(one) == f"amqp://guest:guest@127.0.0.1:{broker.port}/{one}"
    assert f"{one}\t.*\t.*\t.*" in broker.ctl("list_user_permissions", "--silent", "guest")
    broker.delete_vhost(one)
    names = broker.ctl("list_vhosts", "--silent").split()
    assert one not in names
    assert two in names


def test_keeps_its_port_and_vhosts_when_killed_and_restarted(broker: Broker) -> None:
    vhost, port = broker.new_vhost(), broker.port
    broker.kill()
    with pytest.raises(ConnectionRefusedError):
        speaks_amqp(port)
    with pytest.raises(BrokerError, match="not running: start it first"):
        broker.new_vhost()
    broker.start()
    assert speaks_amqp(port)
    broker.restart()
    assert speaks_amqp(port)
    assert f'"{vhost}"' in broker.evaluate("rabbit_vhost:list_names()")


def test_nobody_else_gets_its_port_while_it_is_down(broker: Broker) -> None:
    broker.stop()
    with socket.socket() as other, pytest.raises(OSError, match="in use"):
        other.bind(("127.0.0.1", broker.port))
    broker.start()
    socket.create_connection(("127.0.0.1", broker.port)).close()


def test_knows_a_quorum_queue_after_a_kill_once_its_name_is_on_disk(broker: Broker) -> None:
    vhost = broker.new_vhost()
    broker.evaluate(f'{{new, _}} = rabbit_amqqueue:declare(rabbit_misc:r(<<"{vhost}">>, queue, <<"q">>), true, false, '
                    '[{<<"x-queue-type">>, longstr, <<"quorum">>}], none, <<"test">>)')

    def uid() -> str:
        return broker.evaluate(f"[U || {{U, _, _, '{vhost}_q', _}} <- ets:tab2list(ra_directory)]")

    before = uid()
    broker.await_queues_on_disk()
    broker.kill()
    broker.start()
    assert uid() == before != "[]", "another one is a new queue"


def test_sets_and_clears_the_memory_alarm(broker: Broker) -> None:
    broker.set_memory_alarm(True)
    assert "memory" in broker.evaluate("rabbit_alarm:get_alarms()")
    broker.set_memory_alarm(False)
    assert broker.evaluate("rabbit_alarm:get_alarms()") == "[]"


def test_says_what_was_wrong_with_a_command(broker: Broker) -> None:
    with pytest.raises(BrokerError, match="no_such_verb"):
        broker.ctl("no_such_verb")
    with pytest.raises(BrokerError, match="undef"):
        broker.evaluate("no:such(function)")


def test_shares_one_that_runs(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OUTBOARD_TEST_BROKER", str(broker.folder))
    with Broker.shared() as shared:
        assert shared.port == broker.port
    assert speaks_amqp(broker.port)


def test_leaves_nothing() -> None:
    with Broker() as started:
        folder = started.folder
        assert processes_of(folder)
    assert not processes_of(folder)
    assert not folder.exists()
