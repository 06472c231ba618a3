"""On RabbitMQ nothing that was confirmed is lost either, whatever happens to plugins, hosts, network and broker.

Three replicas of a host share a pool lane, a lane with order per key, and a lane for what their plugins emit. The
oracle is outside of them: it joins what publishers got confirmed with what the plugins wrote before they answered, and
with the dead letters. A fault counts only if deliveries were in flight. What has a second end is counted and printed
beside the faults: cuts, and errors of a channel with unconfirmed messages on it, may do that, and nothing else.
Meanwhile each replica is asked all the time whether it is connected and ready, and must tell the truth.

Sizes by environment: OUTBOARD_CHAOS_EVENTS, OUTBOARD_CHAOS_PLUGIN_KILLS, OUTBOARD_CHAOS_HOST_KILLS,
OUTBOARD_CHAOS_BROKER_KILLS, and OUTBOARD_CHAOS_FAULTS of each other kind.
"""

from __future__ import annotations

import contextlib
import os
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from broker import Broker
from faults import HARMLESS, BrokerFaults
from load import Feeder, Load, finish
from oracle import Ends, SecondEnds, check_order, explain, table
from replicas import Replica
from running_host import Ledger, RunningHost, events, faulty, wait_for
from test_no_loss import ROUTE, Feed, chaos_plugin
from test_no_loss import Feeder as FeedFeeder

EVENTS = int(os.environ.get("OUTBOARD_CHAOS_EVENTS", "50000"))
PLUGIN_KILLS = int(os.environ.get("OUTBOARD_CHAOS_PLUGIN_KILLS", "5"))
HOST_KILLS = int(os.environ.get("OUTBOARD_CHAOS_HOST_KILLS", "2"))
BROKER_KILLS = int(os.environ.get("OUTBOARD_CHAOS_BROKER_KILLS", "2"))
FAULTS = int(os.environ.get("OUTBOARD_CHAOS_FAULTS", "2"))
SEED = int(os.environ.get("OUTBOARD_CHAOS_SEED", str(random.randrange(1 << 32))))

RETRY = {"initial": "50ms", "max": "200ms"}
ROUTES = [
    {"name": "all", "source": {"service": "storyboard"}, "to": ["faulty"], "retry": RETRY},
    {"name": "echo", "source": {"service": "faulty"}, "to": ["faulty"], "retry": RETRY},
    {"name": "orderly", "source": {"service": "tracker"}, "to": ["orderly"], "retry": RETRY,
     "delivery": {"order_by": "subject"}},
]


def plugins(folder: Path, mode: str) -> list[dict[str, Any]]:
    """All write to the same files. A kill of processes takes nothing from them: no need to sync."""
    words = ("--ledger", str(folder / "ledger"), "--ledger-sync", "none", "--ledger-all", "--taken",
             str(folder / "taken"), "--mode", mode, "--concurrency", "4")
    restart = {"initial": "100ms", "max": "1s"}
    return [
        faulty(*words, "--event-type", "story.#", "--event-type", "echo.#", instances=2, restart=restart),
        faulty(*words, name="orderly", restart=restart),
    ]


@contextlib.contextmanager
def cluster(folder: Path, broker: Broker, vhost: str, mode: str, count: int = 3) -> Iterator[list[Replica]]:
    with contextlib.ExitStack() as stack:
        made = [Replica(f"r{i}", folder / f"r{i}", broker, vhost, plugins=plugins(folder, mode), routes=ROUTES)
                for i in range(count)]
        for replica in made:
            stack.enter_context(replica)
        yield made


def await_ends(load: Load, ledger: Ledger, confirmed: set[str], replica: Replica) -> Ends:
    """Until everything has an end, as far as anybody can see."""
    def missing() -> set[str]:
        return Ends(load, ledger, []).missing(confirmed)

    def dead() -> list[str]:
        return [letter["event_id"] for letter in replica.host.dead(10 * len(load.dead) + 100)]

    try:
        wait_for("all is handled", lambda: not missing() or time.sleep(0.5), 300)
    except AssertionError as error:
        raise AssertionError(f"lost: {sorted(missing())[:10]}; seed {SEED}") from error
    wait_for("what is to be dead is", lambda: set(dead()) >= load.dead or time.sleep(0.5), 300)
    return Ends(load, ledger, dead())


def refuse_poison(broker: Broker, vhost: str) -> None:
    broker.evaluate(f'rabbit_auth_backend_internal:set_topic_permissions(<<"guest">>, <<"{vhost}">>, <<"faulty">>, '
                    '<<"^(?!poison)">>, <<".*">>, <<"guest">>)')


def test_no_confirmed_event_is_lost(tmp_path: Path, say: Callable[[str], None]) -> None:
    chance = random.Random(SEED)
    say(f"\nseed {SEED}: OUTBOARD_CHAOS_SEED={SEED} repeats the choices")
    start = time.monotonic()
    ledger, load = Ledger(tmp_path / "ledger"), Load(EVENTS)
    with Broker() as broker:
        vhost = broker.new_vhost()
        refuse_poison(broker, vhost)
        with cluster(tmp_path, broker, vhost, "slow:8ms") as replicas:
            with load.feeders(replicas, chance) as feeders:
                faults = BrokerFaults(broker, vhost, replicas, tmp_path, chance, feeders)
                wanted = dict.fromkeys(faults.kinds, FAULTS) | {
                    "kill -9 of a plugin": PLUGIN_KILLS, "kill -9 of a host": HOST_KILLS,
                    "kill -9 of the broker": BROKER_KILLS}
                counted, vain = apply(faults, wanted, feeders, chance, say)
                confirmed = finish(feeders)
                published_again = set().union(*(feeder.again for feeder in feeders))
            ends = await_ends(load, ledger, confirmed, replicas[0])
            dropped = {replica.name: replica.dropped() for replica in replicas}
            # One that says that it is not connected just after that tells the truth.
            wrong = [text for replica in replicas for at, text in replica.watcher.wrong
                     if not any(begin - 1 < at < begin + 10 for begin in dropped[replica.name])]
            asked = sum(replica.watcher.asked for replica in replicas)
            for replica in replicas:
                replica.drain()
    missing, again = ends.missing(confirmed), ends.again()
    second = SecondEnds(ledger, [fault for fault in faults.done if fault.kind not in HARMLESS],
                        {replica.name: replica.pids() for replica in replicas})
    explain(second, counted, load, published_again, say)
    say(table({"faults without work in flight": vain,
               "connections that the broker closed": sum(map(len, dropped.values())), "confirmed": len(confirmed),
               "emitted": len(load.emitted), "handled": len(ends.done), "handled again": again[0],
               "dead": len(ends.dead), "dead again": again[1], "lost": len(missing),
               "asked whether it is connected": asked, "answers that were wrong": len(wrong),
               "seconds": round(time.monotonic() - start)}))
    assert confirmed == load.ids()
    assert not missing
    assert set(ends.dead) == load.dead
    check_order(ledger)
    assert not wrong, "\n".join(wrong[:20])


def apply(faults: BrokerFaults, wanted: dict[str, int], feeders: list[Feeder],
          chance: random.Random, say: Callable[[str], None]) -> tuple[dict[str, int], int]:
    """All of them in any order, each with its share of the events. How often each counted, and how many did not."""
    counted = dict.fromkeys(wanted, 0)
    vain = 0
    counts = True
    while left := [kind for kind, count in wanted.items() for _ in range(count - counted[kind])]:
        if counts:  # One that did not has its share still.
            for feeder in feeders:
                feeder.release(1 / (len(left) + 1))
        time.sleep(chance.uniform(0, 0.3))
        kind = chance.choice(left)
        start = time.monotonic()
        counts = faults.do(kind)
        counted[kind] += counts
        vain += not counts
        say(f"  {time.strftime('%X', time.gmtime())} {kind}: {time.monotonic() - start:.1f} s"
            f"{'' if counts else ', nothing in flight'}")
        if not counts:
            assert vain < 50, f"no work in flight: raise OUTBOARD_CHAOS_EVENTS; {counted}"
    return counted, vain


def test_without_a_cut_nothing_has_a_second_end(tmp_path: Path) -> None:
    load = Load(5000, every=50, poison=False)
    ledger = Ledger(tmp_path / "ledger")
    with Broker() as broker, cluster(tmp_path, broker, broker.new_vhost(), "slow:1ms") as replicas:
        with load.feeders(replicas, random.Random(0)) as feeders:
            confirmed = finish(feeders)
        ends = await_ends(load, ledger, confirmed, replicas[0])
        for replica in replicas:
            replica.drain()
    assert confirmed == load.ids()
    assert Ends(load, ledger, list(ends.dead.elements())).again() == (0, 0)
    assert set(ends.dead) == load.dead
    check_order(ledger)


def one_host(folder: Path, broker: Broker, mode: str) -> RunningHost:
    return RunningHost(folder, plugins=[chaos_plugin(folder, mode)], routes=[ROUTE],
                       bus={"kind": "rabbitmq", "url": broker.url(broker.new_vhost())})


def test_an_alarm_of_the_broker_holds_publishers_up_and_loses_nothing(tmp_path: Path) -> None:
    with Broker() as broker, one_host(tmp_path, broker, "slow:1ms") as host:
        ids = host.publish(list(events(200)))
        broker.set_memory_alarm(True)
        feeder = FeedFeeder(host, Feed(300))
        feeder.start()
        wait_for("status says it", lambda: "takes no publishes" in " ".join(host.status().get("warnings", [])), 30)
        time.sleep(1)
        assert feeder.confirmed() == [], "nothing is confirmed that the broker does not have"
        broker.set_memory_alarm(False)
        feeder.join(60)
        assert not feeder.is_alive()
        ids += feeder.confirmed()
        host.wait_idle("all/faulty")
        assert host.status().get("warnings", []) == []
        dead = {letter["event_id"] for letter in host.dead()}
    assert set(Ledger(tmp_path / "ledger").handled()) | dead >= set(ids) - Feed(300).dropped


@pytest.mark.parametrize("kind", ["stop", "kill"])
def test_a_broker_that_comes_back_is_used_again(tmp_path: Path, kind: str) -> None:
    with Broker() as broker, one_host(tmp_path, broker, "slow:1ms") as host:
        ids = host.publish(list(events(500)))
        broker.await_queues_on_disk()
        broker.stop() if kind == "stop" else broker.kill()
        wait_for("status says it", lambda: not host.status()["bus"].get("connected", False))
        refused = host.command("publish", "--type", "story.post", "--source", "storyboard", check=False)
        assert refused.returncode != 0
        broker.start()
        wait_for("it is connected", lambda: host.status()["bus"].get("connected", False))
        ids += host.publish(list(events(500, 500)))
        host.wait_idle("all/faulty")
        assert host.stop() == 0
    assert set(Ledger(tmp_path / "ledger").handled()) >= set(ids)
