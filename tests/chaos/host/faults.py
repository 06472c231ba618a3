"""What is done to hosts, plugins and a broker. A fault counts only if it met deliveries in flight, which it says."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

from broker import Broker
from gate import TO_BROKER, TO_HOST
from load import Feeder
from observed import PATIENCE, ObservedHost
from oracle import Fault, in_hand
from replicas import Replica, await_connected, cut_off
from running_host import Ledger, wait_for

# After these nothing is handled again: they break no connection and no channel, end nobody in the middle, and hold up
# no publish, without which what was answered stays in hand until the next cut.
HARMLESS = {"drain of a host", "gate delays"}

Host = TypeVar("Host", bound=ObservedHost)


class Faults(Generic[Host]):
    """Of hosts and their plugins, on any bus."""

    def __init__(self, hosts: list[Host], folder: Path, chance: random.Random, feeders: list[Feeder]) -> None:
        """`folder`: of the files `taken` and `ledger` of all plugins."""
        self._hosts = hosts
        self._taken, self._ledger = Ledger(folder / "taken"), Ledger(folder / "ledger")
        self._chance = chance
        self._feeders = feeders
        self._struck: set[str] = set()
        self.done: list[Fault] = []
        self.kinds: dict[str, Callable[[], bool]] = {
            "kill -9 of a plugin": self.kill_plugin,
            "kill -9 of a host": self.kill_host,
            "drain of a host": self.drain_host,
        }

    def do(self, kind: str) -> bool:
        """True: it counts."""
        self._struck = set()
        before = self._ledger.size()
        counts = self.kinds[kind]()
        struck = self._struck or {host.name for host in self._hosts}
        self.done.append(Fault(kind, struck, before, self._ledger.size()))
        return counts

    def busy(self, hosts: list[Host] | None = None) -> list[Host]:
        """Those with deliveries in flight; sees to it that there are some."""
        end = time.monotonic() + 5
        while time.monotonic() < end:
            if busy := [host for host in hosts or self._hosts if any(host.in_flight().values())]:
                return busy
            self.feed()
            time.sleep(0.05)
        return []

    def feed(self) -> None:
        for feeder in self._feeders:
            feeder.release_batch()

    def _choose(self, hosts: list[Host] | None = None) -> Host | None:
        """One with deliveries in flight, to be struck alone."""
        if not (busy := self.busy(hosts)):
            return None
        host = self._chance.choice(busy)
        self._struck.add(host.name)
        return host

    def kill_plugin(self, hosts: list[Host] | None = None) -> bool:
        if not (host := self._choose(hosts)):
            return False
        pids = [pid for pid, count in host.in_flight().items() if count]
        return bool(pids) and host.kill_process(self._chance.choice(pids))

    def kill_host(self, hosts: list[Host] | None = None) -> bool:
        """In flight is what its plugins had taken in hand and never answered."""
        if not (host := self._choose(hosts)):
            return False
        pids = host.kill()
        counts = in_hand(self._taken, self._ledger, pids) > 0
        host.start()
        return counts

    def drain_host(self) -> bool:
        if not (host := self._choose()):
            return False
        host.drain()
        host.start()
        return True


class BrokerFaults(Faults[Replica]):
    """And of their broker and their network."""

    def __init__(self, broker: Broker, vhost: str, replicas: list[Replica], folder: Path, chance: random.Random,
                 feeders: list[Feeder]) -> None:
        super().__init__(replicas, folder, chance, feeders)
        self._broker = broker
        self._vhost = vhost
        self._replicas = replicas
        self.kinds |= {
            "kill -9 of the broker": self.kill_broker,
            "restart of the broker": self.restart_broker,
            "memory alarm": self.raise_memory_alarm,
            "gate stopped": self.stop_gate,
            "gate delays": self.delay_gate,
            "gate cuts after n bytes": self.cut_gate,
            "half-open to the broker": lambda: self.half_open(TO_BROKER),
            "half-open to the host": lambda: self.half_open(TO_HOST),
            "connection closed by the broker": self.close_connection,
            "channel error": self.break_channel,
            "leader of a queue killed": self.kill_leader,
            "missing exchange": self.delete_exchange,
        }

    def _names(self, kind: str) -> str:
        return f'rabbit_misc:r(<<"{self._vhost}">>, {kind}, '

    # ---- The broker ----

    def kill_broker(self) -> bool:
        self._broker.await_queues_on_disk()
        if not self.busy():
            return False
        self._down(self._broker.kill)
        return True

    def restart_broker(self) -> bool:
        if not self.busy():
            return False
        self._down(self._broker.stop)
        return True

    def _down(self, end: Callable[[], None]) -> None:
        for replica in self._replicas:
            replica.watcher.expect(None)
        end()
        with cut_off(self._replicas, self._broker.start):
            time.sleep(self._chance.uniform(0, 1))

    def raise_memory_alarm(self) -> bool:
        """The hosts are connected all the time; whoever publishes says what holds it up."""
        if not self.busy():
            return False
        self._broker.set_memory_alarm(True)
        wait_for("a host says that the broker takes nothing", lambda: any(
            "takes no publishes" in replica.warnings() for replica in self._replicas), PATIENCE)
        time.sleep(self._chance.uniform(0, 1))
        self._broker.set_memory_alarm(False)
        wait_for("nobody says so any more", lambda: not any(
            "takes no publishes" in replica.warnings() for replica in self._replicas), PATIENCE)
        return True

    def close_connection(self) -> bool:
        if not self.busy():
            return False
        for replica in self._replicas:
            replica.watcher.expect(None)
        pick = self._chance.randrange(1 << 16)
        self._broker.evaluate(
            'begin C = rabbit_networking:connections(), '
            f'rabbit_networking:close_connection(lists:nth({pick} rem length(C) + 1, C), "chaos") end')
        await_connected(self._replicas)
        return True

    def break_channel(self) -> bool:
        """An error on a channel that consumes: the broker gets an acknowledgement of what it never sent."""
        if not self.busy():
            return False
        pick = self._chance.randrange(1 << 16)
        self._broker.evaluate(
            "begin C = [P || P <- rabbit_channel:list_local(), (catch rabbit_channel:info(P, [consumer_count])) =:= "
            f"[{{consumer_count, 1}}]], rabbit_channel:do(lists:nth({pick} rem length(C) + 1, C), "
            "{'basic.ack', 1 bsl 50, false}) end")
        return True

    def kill_leader(self) -> bool:
        """Of a lane's queue; another is elected."""
        if not self.busy():
            return False
        queue = self._chance.choice(["all/faulty", "orderly/orderly"])
        name = f'{self._names("queue")}<<"outboard.test.{queue}">>)'
        self._broker.evaluate(f'begin {{ok, Q}} = rabbit_amqqueue:lookup({name}), {{N, _}} = amqqueue:get_pid(Q), '
                              'exit(whereis(N), kill) end')
        return True

    def delete_exchange(self) -> bool:
        """To which plugins emit. One lane alone is bound to it: of several, the one bound last would miss events."""
        if not self.busy():
            return False
        self._broker.evaluate(f'rabbit_exchange:delete({self._names("exchange")}<<"faulty">>), false, <<"chaos">>)')
        return True

    # ---- The network of one replica, while the others go on ----

    def stop_gate(self) -> bool:
        return self._cut_off_one(lambda replica: replica.gate.stop())

    def half_open(self, direction: int) -> bool:
        return self._cut_off_one(lambda replica: replica.gate.half_open(direction))

    def _cut_off_one(self, apply: Callable[[Replica], None]) -> bool:
        if not (replica := self._choose()):
            return False
        replica.watcher.expect(None)
        apply(replica)
        with cut_off([replica], replica.gate.pass_all):
            if others := [other for other in self._replicas if other is not replica]:
                strike = self._chance.choice([self.kill_plugin, self.kill_host])
                strike(others)
        return True

    def delay_gate(self) -> bool:
        """It is slow, but connected."""
        if not (replica := self._choose()):
            return False
        replica.gate.delay(self._chance.uniform(0.01, 0.15))
        time.sleep(self._chance.uniform(1, 2))
        replica.gate.pass_all()
        return True

    def cut_gate(self) -> bool:
        if not (replica := self._choose()):
            return False
        replica.watcher.expect(None)
        before = replica.gate.connections()
        replica.gate.cut_after(self._chance.choice([TO_BROKER, TO_HOST]), self._chance.randrange(20_000))
        wait_for("the cut", lambda: replica.gate.connections() > before or self.feed(), PATIENCE)
        await_connected([replica])
        return True
