"""Replicas of a host that come, go and die under load, on one RabbitMQ; pool, singleton, broadcast, ordered lanes."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from broker import Broker
from oracle import in_hand
from running_host import Ledger, RunningHost, event, events, faulty, wait_for
from test_no_loss import kill_host

EVENTS = 2000  # At least.
BATCH = 500
AHEAD = 1000  # So many are published before they are handled, and few more.
KEYS = 40
DELIVERY = {
    "pool": {"mode": "pool"},
    "singleton": {"mode": "singleton"},
    "broadcast": {"mode": "broadcast"},
    "ordered": {"mode": "pool", "order_by": "subject"},
}


class Replicas:
    """By name, on one broker; all write to the same files but for `broadcast`, where each has its own.

    An event takes long, so that the processes of a host that was killed are not through with what they have before they
    are ended too.
    """

    def __init__(self, folder: Path, broker: Broker, delivery: str) -> None:
        self.folder = folder
        self.delivery = delivery
        self.url = broker.url(broker.new_vhost())
        self.ledger = Ledger(folder / "ledger")
        self.taken = Ledger(folder / "taken")
        self._stack = contextlib.ExitStack()

    def ledger_of(self, name: str) -> Ledger:
        return Ledger(self.folder / f"ledger-{name}") if self.delivery == "broadcast" else self.ledger

    def add(self, name: str) -> RunningHost:
        host = RunningHost(
            self.folder / name, host={"replica": name}, bus={"kind": "rabbitmq", "url": self.url},
            plugins=[faulty("--ledger", str(self.ledger_of(name).path), "--ledger-all", "--ledger-sync", "none",
                            "--taken", str(self.taken.path), "--mode", "slow:100ms", "--concurrency", "32")],
            routes=[{"name": "all", "source": {"service": "storyboard"}, "to": ["faulty"],
                     "delivery": DELIVERY[self.delivery]}])
        self._stack.enter_context(host)
        wait_for("it consumes", lambda: "bus: consuming" in host.log_text())
        return host

    def publisher(self) -> RunningHost:
        """A host beside them, which stays whoever goes."""
        return RunningHost(self.folder / "publisher", host={"name": "publisher"},
                           bus={"kind": "rabbitmq", "url": self.url}, plugins=[], routes=[])

    def at_work(self, hosts: list[RunningHost]) -> RunningHost:
        """One that has deliveries in hand: of an ordered lane only the active one has."""
        pids = {host: host.pids("faulty") for host in hosts}

        def busy() -> RunningHost | None:
            return next((host for host in hosts if in_hand(self.taken, self.ledger, pids[host]) > 0), None)

        found: RunningHost = wait_for("one is at work", busy)
        return found

    def close(self) -> None:
        self._stack.close()


@pytest.fixture(scope="module")
def broker() -> Iterator[Broker]:
    with Broker() as running:
        yield running


@pytest.fixture
def make(tmp_path: Path, broker: Broker) -> Iterator[Callable[[str], Replicas]]:
    with contextlib.ExitStack() as stack:
        def made(delivery: str) -> Replicas:
            replicas = Replicas(tmp_path, broker, delivery)
            stack.callback(replicas.close)
            return replicas

        yield made


@contextlib.contextmanager
def publishing(host: RunningHost, ledger: Ledger) -> Iterator[list[str]]:
    """Through one host, which stays, and until the body ends, so that there is work all the time; has the ids then."""
    ids: list[str] = []
    enough = threading.Event()

    def publish() -> None:
        while not enough.is_set() or len(ids) < EVENTS:
            numbers = range(len(ids), len(ids) + BATCH)
            ids.extend(host.publish([event(n, subject=f"story/{n % KEYS}") for n in numbers]))
            wait_for("most is handled", lambda: enough.is_set() or len(ledger.handled()) + AHEAD >= len(ids), 120)

    thread = threading.Thread(target=publish)
    thread.start()
    try:
        yield ids
    finally:
        enough.set()
        thread.join(300)
    assert not thread.is_alive()
    assert len(ids) >= EVENTS


def handled_at_least(ledger: Ledger, count: int) -> None:
    wait_for(f"{count} are handled", lambda: len(ledger.handled()) >= count)


@pytest.mark.parametrize("delivery", ["pool", "singleton", "ordered"])
def test_adding_removing_and_killing_a_replica_under_load_loses_nothing(
        make: Callable[[str], Replicas], tmp_path: Path, delivery: str) -> None:
    replicas = make(delivery)
    ledger = replicas.ledger
    hosts = [replicas.add(name) for name in ("one", "two", "three")]
    with replicas.publisher() as publisher, publishing(publisher, ledger) as ids:
        handled_at_least(ledger, EVENTS // 20)
        hosts.append(replicas.add("comes"))
        handled_at_least(ledger, EVENTS // 8)
        leaves = replicas.at_work(hosts)
        hosts.remove(leaves)
        assert leaves.stop() == 0
        assert set(ledger.handled().values()) == {1}, "neither coming nor going in order hands anything out twice"
        handled_at_least(ledger, len(ledger.handled()) + EVENTS // 10)
        dies = replicas.at_work(hosts)
        hosts.remove(dies)
        assert kill_host(dies, tmp_path), "with deliveries in flight"
    wait_for("all is handled", lambda: set(ledger.handled()) >= set(ids), 120)
    hosts[0].wait_idle("all/faulty")
    again = [id_ for id_, count in ledger.handled().items() if count > 1]
    assert len(again) <= 1000, "no more than the dead one may have had in hand: its prefetch"
    if delivery == "ordered":
        check_order(ledger)


def check_order(ledger: Ledger) -> None:
    """The first handlings of a key are in the order of the bus."""
    first = [int(id_[1:]) for id_ in dict.fromkeys(line[0] for line in ledger.lines())]
    for key in range(KEYS):
        numbers = [number for number in first if number % KEYS == key]
        assert numbers == sorted(numbers)


def test_each_replica_gets_a_broadcast_also_what_came_while_it_was_away(make: Callable[[str], Replicas]) -> None:
    replicas = make("broadcast")
    stays, leaves, dies = (replicas.add(name) for name in ("stays", "leaves", "dies"))
    with publishing(stays, replicas.ledger_of("stays")) as ids:
        for name in ("leaves", "dies"):
            handled_at_least(replicas.ledger_of(name), EVENTS // 10)
        assert leaves.stop() == 0
        dies.kill()
    assert not set(ids) <= set(replicas.ledger_of("leaves").handled())
    leaves.start()
    dies.start()
    for name in ("stays", "leaves", "dies"):
        wait_for(f"{name} has all", lambda n=name: set(replicas.ledger_of(n).handled()) == set(ids))
    for name in ("stays", "leaves"):
        assert set(replicas.ledger_of(name).handled().values()) == {1}


def test_a_singleton_is_handled_once_by_hosts_of_different_names(tmp_path: Path, broker: Broker) -> None:
    url = broker.url(broker.new_vhost())
    ledger = Ledger(tmp_path / "ledger")

    def host(name: str) -> RunningHost:
        return RunningHost(
            tmp_path / name, host={"name": name}, bus={"kind": "rabbitmq", "url": url},
            plugins=[faulty("--ledger", str(ledger.path), "--mode", "slow:1ms")],
            routes=[{"name": "all", "source": {"service": "storyboard"}, "to": ["faulty"],
                     "delivery": {"mode": "singleton"}}])

    with host("here") as here, host("there") as there:
        ids = here.publish(list(events(500))) + there.publish(list(events(500, 500)))
        wait_for("all is handled", lambda: set(ledger.handled()) == set(ids))
        for one in (here, there):
            one.wait_idle("all/faulty")
        assert set(ledger.handled().values()) == {1}
