"""A host, real plugins and a real RabbitMQ."""

from __future__ import annotations

import json
import re
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from running_host import Ledger, RunningHost, event, events, faulty, wait_for

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "broker"))
from broker import Broker

ROUTE = {"name": "all", "source": {"service": "storyboard"}, "to": ["faulty"]}


@pytest.fixture(scope="module")
def broker() -> Iterator[Broker]:
    with Broker() as running:
        yield running


def rabbit_host(
    folder: Path,
    url: str,
    *flags: str,
    route: dict[str, Any] | None = None,
    host: dict[str, Any] | None = None,
    bus: dict[str, Any] | None = None,
    ledger: Path | None = None,
    **plugin: Any,
) -> RunningHost:
    words = ("--ledger", str(ledger or folder / "ledger"), "--ledger-sync", "none", *flags)
    return RunningHost(
        folder,
        plugins=[faulty(*words, **plugin)],
        routes=[{**ROUTE, **(route or {})}],
        host={"name": "tracker", **(host or {})},
        bus={"kind": "rabbitmq", "url": url, **(bus or {})},
    )


def test_events_are_handled_once_and_the_drain_leaves_the_rest_to_the_broker(tmp_path: Path, broker: Broker) -> None:
    ledger = Ledger(tmp_path / "ledger")
    with rabbit_host(tmp_path, broker.url(broker.new_vhost()), "--mode", "slow:5ms", "--concurrency", "4") as host:
        ids = host.publish(list(events(1000)))
        wait_for("some are handled", lambda: len(ledger.handled()) > 50)
        assert host.stop() == 0
        handled = set(ledger.handled())
        assert len(handled) < 1000
        host.start()
        host.wait_idle("all/faulty")
        assert host.stop() == 0
    assert set(ledger.handled()) == set(ids)
    assert set(ledger.handled().values()) == {1}


def test_retries_come_back_by_the_ladder_and_the_last_attempt_is_a_dead_letter(tmp_path: Path, broker: Broker) -> None:
    retry = {"max_attempts": 3, "initial": "100ms", "max": "200ms"}
    with rabbit_host(tmp_path, broker.url(broker.new_vhost()), route={"retry": retry}) as host:
        made = list(events(50))
        made[7]["faulty"] = "retry"
        made[9]["faulty"] = "reject"
        host.publish(made)
        wait_for("both are dead", lambda: len(host.dead()) == 2)
        host.wait_idle("all/faulty")
        letters = {letter["event_id"]: letter for letter in host.dead()}
        assert set(letters) == {made[7]["id"], made[9]["id"]}
        assert letters[made[7]["id"]]["attempts"] == 3
        shown = json.loads(host.command("dead", "show", str(letters[made[9]["id"]]["dead_id"]), "--json").stdout)
        assert made[9]["id"] in json.dumps(shown)
        assert "gave 1" in host.command("dead", "replay", str(letters[made[9]["id"]]["dead_id"])).stdout
        wait_for("it died again", lambda: len(host.dead()) == 2)
        assert [letter["event_id"] for letter in host.dead()] == [made[7]["id"], made[9]["id"]]
        host.command("dead", "purge", "--all", "--yes")
        assert host.dead() == []


def test_a_plugin_that_dies_loses_nothing_and_only_the_killer_is_convicted(tmp_path: Path, broker: Broker) -> None:
    ledger = Ledger(tmp_path / "ledger")
    with rabbit_host(tmp_path, broker.url(broker.new_vhost()), instances=2) as host:
        made = list(events(3000))
        made[1234]["faulty"] = "segv"
        ids = host.publish(made)
        wait_for("the conviction", lambda: len(host.dead()) == 1)
        host.wait_idle("all/faulty")
        assert [(letter["event_id"], letter["reason"]) for letter in host.dead()] == [(made[1234]["id"], "CRASHED")]
    assert set(ledger.handled()) == set(ids) - {made[1234]["id"]}


def test_what_is_no_event_is_a_dead_letter_with_its_bytes(tmp_path: Path, broker: Broker) -> None:
    vhost = broker.new_vhost()
    with rabbit_host(tmp_path, broker.url(vhost)) as host:
        broker.evaluate(
            "rabbit_basic:publish(rabbit_misc:r(<<\"" + vhost + "\">>, exchange, <<\"storyboard\">>), "
            "<<\"story.post\">>, [{content_type, <<\"application/cloudevents+json\">>}], <<\"{nonsense\">>)"
        )
        wait_for("it is dead", lambda: len(host.dead()) == 1)
        letter = host.dead()[0]
        assert letter["reason"] == "UNDECODABLE"
        assert "{nonsense" in host.command("dead", "show", str(letter["dead_id"])).stdout
        ids = host.publish(list(events(10)))
        host.wait_idle("all/faulty")
    assert set(Ledger(tmp_path / "ledger").handled()) == set(ids)


def test_a_deleted_queue_is_made_again(tmp_path: Path, broker: Broker) -> None:
    vhost = broker.new_vhost()
    with rabbit_host(tmp_path, broker.url(vhost)) as host:
        ids = host.publish(list(events(100)))
        host.wait_idle("all/faulty")
        broker.ctl("delete_queue", "-p", vhost, "outboard.tracker.all/faulty")
        wait_for("it is there again", lambda: "the queue of a lane was made again" in host.log_text(), 10)
        ids += host.publish(list(events(100, 100)))
        host.wait_idle("all/faulty")
    assert set(Ledger(tmp_path / "ledger").handled()) == set(ids)


def test_replicas_share_a_pool_run_a_singleton_once_and_all_get_a_broadcast(tmp_path: Path, broker: Broker) -> None:
    url = broker.url(broker.new_vhost())
    for mode in ("pool", "singleton", "broadcast"):
        one_ledger, two_ledger = tmp_path / f"{mode}.1", tmp_path / f"{mode}.2"
        route = {"name": mode, "source": {"service": mode}, "delivery": {"mode": mode}}
        with (
            rabbit_host(tmp_path / f"{mode}-1", url, route=route, host={"replica": "r1"}, ledger=one_ledger) as one,
            rabbit_host(tmp_path / f"{mode}-2", url, route=route, host={"replica": "r2"}, ledger=two_ledger) as two,
        ):
            ids = one.publish([{**event(n), "source": mode} for n in range(500)])
            for host in (one, two):
                host.wait_idle(f"{mode}/faulty")
            first, second = Ledger(one_ledger).handled(), Ledger(two_ledger).handled()
            if mode == "broadcast":
                assert set(first) == set(second) == set(ids)
            else:
                assert set(first + second) == set(ids)
                assert set((first + second).values()) == {1}


def test_order_of_a_key_holds_over_a_replica_that_dies(tmp_path: Path, broker: Broker) -> None:
    url = broker.url(broker.new_vhost())
    ledger = tmp_path / "ledger"
    route = {"delivery": {"order_by": "subject"}}
    flags = ("--mode", "slow:1ms", "--concurrency", "4")
    with (
        rabbit_host(tmp_path / "1", url, *flags, route=route, ledger=ledger) as one,
        rabbit_host(tmp_path / "2", url, *flags, route=route, ledger=ledger) as two,
    ):
        made = [event(n, subject=f"story/{n % 7}") for n in range(1500)]
        feeder = threading.Thread(target=two.publish, args=(made,))
        feeder.start()
        wait_for("some are handled", lambda: len(Ledger(ledger).lines()) > 300)
        one.kill()
        feeder.join()
        two.wait_idle("all/faulty")
    first: dict[str, list[int]] = {}
    seen: set[str] = set()
    for line in Ledger(ledger).lines():
        if line[0] not in seen:
            seen.add(line[0])
            number = int(re.sub(r"\D", "", line[0]))
            first.setdefault(f"story/{number % 7}", []).append(number)
    assert len(seen) == 1500
    for numbers in first.values():
        assert numbers == sorted(numbers), "the first handlings of a key are in order"


def test_a_replica_whose_plugin_does_not_come_up_leaves_its_share_to_the_others(tmp_path: Path, broker: Broker) -> None:
    url = broker.url(broker.new_vhost())
    with (
        rabbit_host(tmp_path / "broken", url, "--at-start", "exit:1") as broken,
        rabbit_host(tmp_path / "whole", url, ledger=tmp_path / "ledger") as whole,
    ):
        ids = broken.publish(list(events(500)))
        whole.wait_idle("all/faulty")
        wait_for("all are handled", lambda: set(Ledger(tmp_path / "ledger").handled()) == set(ids))
        assert "leaves its queue to other replicas" in broken.log_text()


def test_an_unreachable_broker_is_said_with_the_fix(tmp_path: Path) -> None:
    host = rabbit_host(tmp_path, "amqp://guest:wrongpassword@127.0.0.1:1/none")
    with pytest.raises(AssertionError, match="ended with"):
        host.start()
    text = host.log_text()
    assert "127.0.0.1:1" in text
    assert "Connection refused" in text
    assert "wrongpassword" not in text
