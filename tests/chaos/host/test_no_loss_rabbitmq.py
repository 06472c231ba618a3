"""On RabbitMQ nothing that was confirmed is lost either, whatever is killed: plugins, hosts, the broker.

The oracle is outside of the host: it joins what publishers got confirmed with what the plugin wrote and synced before
it answered, and with the dead letters. A kill counts only if deliveries were in flight. What is handled again is
counted and printed beside the kills: a cut between confirm and acknowledgement may do that, and nothing else.

Sizes by environment: OUTBOARD_CHAOS_EVENTS, OUTBOARD_CHAOS_PLUGIN_KILLS, OUTBOARD_CHAOS_HOST_KILLS,
OUTBOARD_CHAOS_BROKER_KILLS.
"""

from __future__ import annotations

import os
import random
import sys
import time
from pathlib import Path

import pytest
from running_host import Ledger, RunningHost, events, wait_for
from test_no_loss import ROUTE, Feed, Feeder, chaos_plugin, in_flight, kill_a_plugin, kill_host

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "broker"))
from broker import Broker

EVENTS = int(os.environ.get("OUTBOARD_CHAOS_EVENTS", "20000"))
PLUGIN_KILLS = int(os.environ.get("OUTBOARD_CHAOS_PLUGIN_KILLS", "5"))
HOST_KILLS = int(os.environ.get("OUTBOARD_CHAOS_HOST_KILLS", "2"))
# By flag only: after kill -9 a broker's quorum queue of the retry ladder may confirm nothing for minutes; nothing is
# lost meanwhile, but a run does not come to its end in time.
BROKER_KILLS = int(os.environ.get("OUTBOARD_CHAOS_BROKER_KILLS", "0"))
SEED = int(os.environ.get("OUTBOARD_CHAOS_SEED", str(random.randrange(1 << 32))))


def make_host(folder: Path, broker: Broker, mode: str) -> RunningHost:
    return RunningHost(
        folder,
        plugins=[chaos_plugin(folder, mode)],
        routes=[ROUTE],
        bus={"kind": "rabbitmq", "url": broker.url(broker.new_vhost())},
    )


def kill_broker(broker: Broker, host: RunningHost) -> bool:
    """True: deliveries were in flight."""
    busy = sum(in_flight(host, pid) for pid in host.pids("faulty"))
    broker.kill()
    time.sleep(0.5)
    broker.start()
    wait_for("the host has the broker again", lambda: host.status()["bus"]["connected"], 60)
    return busy > 0


def test_no_confirmed_event_is_lost_under_kills(tmp_path: Path) -> None:
    chance = random.Random(SEED)
    print(f"seed {SEED}: OUTBOARD_CHAOS_SEED={SEED} repeats the choices")
    ledger = Ledger(tmp_path / "ledger")
    feed = Feed(EVENTS)
    wanted = {"plugin": PLUGIN_KILLS, "host": HOST_KILLS, "broker": BROKER_KILLS}
    counted = dict.fromkeys(wanted, 0)
    with Broker() as broker, make_host(tmp_path, broker, "slow:4ms") as host:
        feeder = Feeder(host, feed)
        feeder.start()
        while counted != wanted:
            time.sleep(chance.uniform(0.1, 0.4))
            done = len(ledger.handled())
            assert done < EVENTS - len(feed.dropped), "all was handled before enough kills counted: raise the events"
            victim = chance.choice([v for v, n in wanted.items() if counted[v] < n])
            if victim == "plugin":
                counted[victim] += kill_a_plugin(host, chance)
            elif victim == "host":
                counted[victim] += kill_host(host, tmp_path)
                host.start()
            else:
                counted[victim] += kill_broker(broker, host)
        feeder.join(300)
        assert not feeder.is_alive(), "publishing did not finish"
        confirmed = set(feeder.confirmed())
        host.wait_idle("all/faulty", 300)
        dead = [letter["event_id"] for letter in host.dead()]
        lane = host.lane("all/faulty")
        assert host.stop() == 0
    handled = ledger.handled()
    lost = confirmed - set(handled) - set(dead) - feed.dropped
    print(f"{len(confirmed)} confirmed, {len(handled)} handled, {sum(handled.values()) - len(handled)} handled again, "
          f"{len(dead)} dead, {len(dead) - len(set(dead))} dead again, kills with work in flight {counted}, "
          f"{len(lost)} lost; lane {lane}")
    assert confirmed == {e["id"] for e in feed.events}
    assert not lost, sorted(lost)[:10]
    assert set(dead) == feed.rejected


def test_without_a_cut_nothing_has_a_second_end(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger")
    feed = Feed(3000, every=50)
    with Broker() as broker, make_host(tmp_path, broker, "slow:1ms") as host:
        ids = host.publish(feed.events)
        host.wait_idle("all/faulty", 120)
        dead = sorted(letter["event_id"] for letter in host.dead())
        assert host.stop() == 0
    assert dead == sorted(feed.rejected)
    done = [line[0] for line in ledger.lines() if line[3] == "done"]
    assert sorted(done) == sorted(set(ids) - feed.rejected - feed.dropped)


def test_an_alarm_of_the_broker_holds_publishers_up_and_loses_nothing(tmp_path: Path) -> None:
    with Broker() as broker, make_host(tmp_path, broker, "slow:1ms") as host:
        ids = host.publish(list(events(200)))
        broker.set_memory_alarm(True)
        feeder = Feeder(host, Feed(300))
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
    with Broker() as broker, make_host(tmp_path, broker, "slow:1ms") as host:
        ids = host.publish(list(events(500)))
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
