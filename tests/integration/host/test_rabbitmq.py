"""A host, real plugins and a real RabbitMQ."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from running_host import BIN, Ledger, RunningHost, event, events, faulty, wait_for

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "broker"))
from broker import Broker
from gate import Gate

ROUTE = {"name": "all", "source": {"service": "storyboard"}, "to": ["faulty"]}


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
        ids += host.publish_until_dead(events(100_000, len(made)))
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


def test_more_arguments_of_queues_are_declared(tmp_path: Path, broker: Broker) -> None:
    vhost = broker.new_vhost()
    with rabbit_host(tmp_path, broker.url(vhost), bus={"queue_arguments": {"x-max-in-memory-length": 100}}) as host:
        host.publish(list(events(10)))
        host.wait_idle("all/faulty")
    arguments = broker.evaluate(f'[amqqueue:get_arguments(Q) || Q <- rabbit_amqqueue:list(<<"{vhost}">>), '
                                'element(4, amqqueue:get_name(Q)) =:= <<"outboard.tracker.all/faulty">>]')
    assert '{<<"x-max-in-memory-length">>,long,100}' in "".join(arguments.split())


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


def test_a_deleted_exchange_is_made_and_bound_again_and_refuses_no_event_for_good(
        tmp_path: Path, broker: Broker) -> None:
    vhost = broker.new_vhost()
    ledger = Ledger(tmp_path / "ledger")
    with rabbit_host(tmp_path, broker.url(vhost)) as host:
        ids = host.publish(list(events(100)))
        host.wait_idle("all/faulty")
        delete_exchange(broker, vhost, "storyboard")

        def publish() -> bool:
            confirmed = host.folder / "confirmed"
            lines = json.dumps(event(100)) + "\n"
            return host.command("publish", "--file", "-", "--confirmed-log", str(confirmed), stdin=lines,
                                check=False).returncode == 0

        wait_for("it is made again", publish)
        host.wait_idle("all/faulty")
    assert set(ledger.handled()) == {*ids, "e100"}


def delete_exchange(broker: Broker, vhost: str, name: str) -> None:
    resource = f'rabbit_misc:r(<<"{vhost}">>, exchange, <<"{name}">>)'
    broker.evaluate(f'ok = rabbit_exchange:delete({resource}, false, <<"test">>)')


def test_what_a_plugin_emits_waits_for_an_exchange_that_was_deleted(tmp_path: Path, broker: Broker) -> None:
    vhost = broker.new_vhost()
    ledger = Ledger(tmp_path / "ledger")
    with RunningHost(
            tmp_path, plugins=[faulty("--ledger", str(ledger.path))],
            routes=[ROUTE, {"name": "echo", "source": {"service": "faulty"}, "to": ["faulty"]}],
            bus={"kind": "rabbitmq", "url": broker.url(vhost)}) as host:
        host.publish([event(0, faulty="emit:echo.story")])
        wait_for("what is emitted is handled", lambda: len(ledger.handled()) == 2)
        delete_exchange(broker, vhost, "faulty")
        host.publish([event(1, faulty="emit:echo.story")])  # Alone, so that nothing else is to blame.
        wait_for("what is emitted is handled", lambda: len(ledger.handled()) == 4)
        assert host.dead() == []


def test_status_answers_while_the_broker_does_not(tmp_path: Path, broker: Broker) -> None:
    with Gate(broker.port) as gate:
        url = broker.url(broker.new_vhost()).replace(f":{broker.port}/", f":{gate.port}/")
        with rabbit_host(tmp_path, url, bus={"heartbeat": "2s"}) as host:
            gate.stop()
            wait_for("it says so", lambda: not host.status()["bus"].get("connected", False))
            for _ in range(5):
                assert not host.status()["bus"].get("connected", False)
            gate.pass_all()
            wait_for("it is connected", lambda: host.status()["bus"].get("connected", False))


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


# ---- The plan of settlement ------------------------------------------------------------------------


def check(host: RunningHost, *flags: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [BIN / "outboard", "check", "--no-plugins", "--config", host.config, *flags],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@contextlib.contextmanager
def saying_version(broker: Broker, version: str) -> Iterator[None]:
    """To those who connect meanwhile; the broker does what it did."""
    broker.evaluate(f'application:set_env(rabbit, server_properties, [{{<<"version">>, longstr, <<"{version}">>}}])')
    try:
        yield
    finally:
        broker.evaluate("application:set_env(rabbit, server_properties, [])")


def made_on(broker: Broker, vhost: str) -> str:
    return broker.ctl("-q", "list_queues", "-p", vhost) + broker.ctl("-q", "list_exchanges", "-p", vhost)


def test_check_prints_the_plan_for_the_broker_and_makes_nothing_there(tmp_path: Path, broker: Broker) -> None:
    vhost = broker.new_vhost()
    host = rabbit_host(tmp_path, broker.url(vhost))
    before = made_on(broker, vhost)
    done = check(host)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert lines[0] == "settlement: quorum queues, RabbitMQ 3.10.8, run"
    assert "  retry (reliable): publish to rung, ack" in lines
    assert "  retry (ordered, unreliable): hold in memory" in lines
    assert "  queue, orphans: durable, x-queue-type quorum" in lines
    assert lines[-1] == f"{host.config}: ok"
    assert made_on(broker, vhost) == before
    assert not (tmp_path / "data").exists()


def test_check_and_status_say_the_same(tmp_path: Path, broker: Broker) -> None:
    with rabbit_host(tmp_path, broker.url(broker.new_vhost()), bus={"queue_type": "classic"}) as host:
        checked = json.loads(check(host, "--json").stdout)
        assert checked["broker"] == {"asked": True, "problem": "", "warning": ""}
        plan = checked["settlement"]
        assert plan["basis"] == "classic queues, RabbitMQ 3.10.8"
        assert plan["run"] is True
        assert host.status()["bus"]["settlement"] == plan
        said = "settlement: classic queues, RabbitMQ 3.10.8, run\n  done, dropped: ack; done with emits: "
        assert said in host.command("status").stdout


def test_what_later_brokers_need_is_declared_and_marked_as_not_run(tmp_path: Path, broker: Broker) -> None:
    vhost = broker.new_vhost()
    with saying_version(broker, "4.0.9"), rabbit_host(tmp_path, broker.url(vhost)) as host:
        done = check(host)
        assert done.returncode == 0
        assert done.stdout.startswith("settlement: quorum queues, RabbitMQ 4.0.9, from the documentation, not run\n")
        assert "  queue, orphans: durable, x-queue-type quorum, x-delivery-limit -1\n" in done.stdout
        assert host.status()["bus"]["settlement"]["run"] is False
        for queue in ("outboard.tracker.all/faulty", "outboard.tracker.all/faulty.dead", "outboard.orphans"):
            name = f'rabbit_misc:r(<<"{vhost}">>, queue, <<"{queue}">>)'
            made = broker.evaluate(f"amqqueue:get_arguments(element(2, rabbit_amqqueue:lookup({name})))")
            assert re.search(r"x-delivery-limit.*-1", made), queue


def test_queues_from_before_a_broker_was_upgraded_are_refused(tmp_path: Path, broker: Broker) -> None:
    with rabbit_host(tmp_path, broker.url(broker.new_vhost())) as host:
        assert host.stop() == 0
        with saying_version(broker, "4.0.9"):
            assert "made have no x-delivery-limit" in check(host).stdout
            with pytest.raises(AssertionError, match="ended with"):
                host.start()
        assert "inequivalent arg 'x-delivery-limit'" in host.log_text()


def test_a_broker_that_is_too_old_is_refused_with_the_fix(tmp_path: Path, broker: Broker) -> None:
    host = rabbit_host(tmp_path, broker.url(broker.new_vhost()))
    with saying_version(broker, "3.9.29"):
        done = check(host)
        with pytest.raises(AssertionError, match="ended with"):
            host.start()
    assert done.returncode == 2
    assert f"{host.config}: bus: RabbitMQ 3.9.29 cannot keep retries" in done.stderr
    assert "settlement: quorum queues, from the configuration alone" in done.stdout
    assert "set bus.queue_type: classic" in host.log_text()


def test_check_without_a_broker_warns_and_offline_asks_nobody(tmp_path: Path) -> None:
    host = rabbit_host(tmp_path, "amqp://guest:wrongpassword@127.0.0.1:1/none")
    done = check(host)
    assert done.returncode == 0
    assert done.stderr.startswith(f"warning: {host.config}: bus: the broker was not asked: RabbitMQ at 127.0.0.1:1: ")
    assert done.stdout.startswith("settlement: quorum queues, from the configuration alone\n  done, dropped: ack\n")
    assert "wrongpassword" not in done.stdout + done.stderr
    told = json.loads(check(host, "--json").stdout)
    assert told["ok"] is True
    assert told["broker"]["asked"] is False
    assert "Connection refused" in told["broker"]["warning"]
    offline = check(host, "--offline")
    assert (offline.returncode, offline.stderr) == (0, "")
    assert offline.stdout == done.stdout


def test_check_with_a_login_that_the_broker_refuses_is_a_problem(tmp_path: Path, broker: Broker) -> None:
    host = rabbit_host(tmp_path, broker.url("nowhere"))
    done = check(host)
    assert done.returncode == 2
    assert f"{host.config}: bus: RabbitMQ at 127.0.0.1:{broker.port} has no vhost" in done.stderr
    told = check(host, "--json")
    assert told.returncode == 2
    assert json.loads(told.stdout)["ok"] is False


def page(host: RunningHost, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://{host.status()['http_address']}{path}", timeout=30) as answer:
            return int(answer.status), answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_a_broker_that_is_away_at_the_start_is_waited_for(tmp_path: Path) -> None:
    with Broker() as broker:
        url = broker.url(broker.new_vhost())
        broker.stop()
        with rabbit_host(tmp_path, url, host={"http": "127.0.0.1:0"}) as host:
            assert page(host, "/healthz")[0] == 200
            code, text = page(host, "/readyz")
            assert code == 503
            assert "bus rabbitmq: not connected: RabbitMQ at 127.0.0.1" in text
            assert "Connection refused" in text
            status = host.status()
            assert not status["bus"]["connected"]
            assert any("Connection refused" in warning for warning in status["warnings"])
            assert host.lane("all/faulty")["uncounted"]
            assert "outboard_lane_backlog_events{" not in page(host, "/metrics")[1]
            assert host.command("publish", "--type", "t", "--source", "s", check=False).returncode != 0
            broker.start()
            wait_for("it is ready", lambda: page(host, "/readyz")[0] == 200)
            ids = host.publish(list(events(100)))
            host.wait_idle("all/faulty")
            assert host.status()["warnings"] == []
    assert set(Ledger(tmp_path / "ledger").handled()) == set(ids)


def test_the_queue_of_an_unreliable_lane_that_has_other_flags_is_told_of(tmp_path: Path, broker: Broker) -> None:
    """It is made when its plugin is there, after the start: the host lives, says what is wrong, and tries again."""
    vhost = broker.new_vhost()
    with rabbit_host(tmp_path, broker.url(vhost)) as host:
        assert host.stop() == 0
    route = {"delivery": {"reliable": False}}
    with rabbit_host(tmp_path / "changed", broker.url(vhost), route=route) as host:
        wait_for("the log says it", lambda: "set delivery.reliable of its route back" in host.log_text())
        assert "outboard.tracker.all/faulty" in host.log_text()
        broker.ctl("-q", "delete_queue", "--vhost", vhost, "outboard.tracker.all/faulty")
        wait_for("it takes events", lambda: host.publish(list(events(1))) and Ledger(
            tmp_path / "changed" / "ledger").handled())


def test_a_queue_that_is_there_with_other_flags_names_the_setting_and_the_way_out(
        tmp_path: Path, broker: Broker) -> None:
    vhost = broker.new_vhost()
    with rabbit_host(tmp_path, broker.url(vhost)) as host:
        assert host.stop() == 0
    way_out = f"or delete it once it is empty, and it is made anew: rabbitmqctl delete_queue --vhost '{vhost}' "
    lane = "'outboard.tracker.all/faulty'"
    for name, route, bus, fix, queue in (
        ("kind", None, {"queue_type": "classic"}, "set bus.queue_type back (all hosts of", "'outboard.orphans'"),
        ("order", {"delivery": {"order_by": "subject"}}, None, "set delivery.order_by of its route back", lane),
    ):
        changed = rabbit_host(tmp_path / name, broker.url(vhost), route=route, bus=bus)
        with pytest.raises(AssertionError, match="ended with 1"):
            changed.start()
        said = next(line for line in changed.log_text().splitlines() if "cannot start" in line)
        assert "(406); " + fix in said
        assert way_out + queue in said
    # What it says helps.
    broker.ctl("delete_queue", "--vhost", vhost, "outboard.tracker.all/faulty")
    with rabbit_host(tmp_path, broker.url(vhost), route={"delivery": {"order_by": "subject"}}) as host:
        ids = host.publish(list(events(10)))
        host.wait_idle("all/faulty")
    assert set(Ledger(tmp_path / "ledger").handled()) == set(ids)


def test_check_says_without_a_broker_what_no_broker_can_have(tmp_path: Path) -> None:
    url = "amqp://u:secret@nowhere.invalid/v"
    for name, url_, route, word in (
        ("url", "amqp://u:secret@nowhere.invalid:99999/v", None, "no number from 1 to 65535 as the port"),
        ("queue", url, {"delivery": {"mode": "singleton"}, "source": {"service": "s" * 240}}, "255 is the most"),
        ("source", url, {"source": {"service": "outboard.due"}}, "begin with outboard. or amq. are not for sources"),
    ):
        host = rabbit_host(tmp_path / name, url_, route=route)
        done = check(host, "--offline")
        assert done.returncode == 2
        assert word in done.stderr
        assert "secret" not in done.stderr
        with pytest.raises(AssertionError, match="ended with 1"):
            host.start()
        assert word in host.log_text()


def test_tail_says_that_queues_cannot_be_read_again(tmp_path: Path, broker: Broker) -> None:
    with rabbit_host(tmp_path, broker.url(broker.new_vhost())) as host:
        done = host.command("tail", "--last", "3", check=False)
        assert done.returncode == 1
        assert done.stderr.startswith("outboard: RabbitMQ's queues cannot be read again: ")
        assert "another version" not in done.stderr


def test_what_is_configured_wrongly_ends_the_start(tmp_path: Path, broker: Broker) -> None:
    for name, url, word in (
        ("vhost", broker.url("nowhere"), "no vhost"),
        ("login", broker.url(broker.new_vhost()).replace(":guest@", ":wrongpassword@"), "refused the login"),
    ):
        host = rabbit_host(tmp_path / name, url)
        with pytest.raises(AssertionError, match="ended with"):
            host.start()
        assert word in host.log_text()
        assert "wrongpassword" not in host.log_text()


def test_a_broker_that_hangs_holds_up_neither_metrics_nor_readiness_nor_status(tmp_path: Path) -> None:
    with Broker() as broker:
        url = broker.url(broker.new_vhost())
        with rabbit_host(tmp_path, url, "--mode", "silent", host={"http": "127.0.0.1:0"}, time_limit="5m") as host:
            host.publish(list(events(70)))
            wait_for("they are counted", lambda: host.lane("all/faulty")["backlog"] == 70)
            node = int(broker.evaluate("os:getpid()").strip('"'))
            os.kill(node, signal.SIGSTOP)
            try:
                # As long as it stands still nothing that these tell can come from it.
                wait_for("readiness says it", lambda: page(host, "/readyz")[0] == 503)
                assert "not connected" in page(host, "/readyz")[1]
                lane = host.lane("all/faulty")
                assert lane["backlog"] == 70
                assert lane["counted_ago_seconds"] > 0
                assert any("backlogs are those of" in warning for warning in host.status()["warnings"])
                wait_for("what is old is left out", lambda: "backlog_events{" not in page(host, "/metrics")[1])
                assert "70 (" in host.command("status").stdout, "with its age"
            finally:
                os.kill(node, signal.SIGCONT)
            wait_for("it is ready", lambda: page(host, "/readyz")[0] == 200)


def test_retries_for_a_queue_that_is_gone_are_listed_and_replayed(tmp_path: Path, broker: Broker) -> None:
    vhost = broker.new_vhost()
    retry = {"max_attempts": 10, "initial": "4s", "max": "4s"}
    folder = tmp_path / "host"
    with rabbit_host(folder, broker.url(vhost), "--mode", "retry", route={"retry": retry}) as host:
        ids = host.publish(list(events(20)))
        wait_for("all wait for a retry", lambda: host.lane("all/faulty")["retries"] >= 20)
        assert host.stop() == 0
    # Before they come back.
    queue = f'rabbit_misc:r(<<"{vhost}">>, queue, <<"outboard.tracker.all/faulty">>)'
    broker.evaluate(f'{{ok, Q}} = rabbit_amqqueue:lookup({queue}), rabbit_amqqueue:delete(Q, false, false, <<"test">>)')
    other = {"name": "other", "source": {"service": "other"}}
    with rabbit_host(folder, broker.url(vhost), route=other) as host:
        wait_for("all are orphans", lambda: len(host.dead()) == len(ids))
        letters = host.dead()
        assert {letter["event_id"] for letter in letters} == set(ids)
        assert {(letter["lane"], letter["reason"]) for letter in letters} == {("all/faulty", "ORPHANED")}
        assert "outboard.tracker.all/faulty" in host.command("dead", "show", str(letters[0]["dead_id"])).stdout
        assert any("--reason ORPHANED" in warning for warning in host.status()["warnings"])
        refused = host.command("dead", "replay", "--lane", "all/faulty", check=False)
        assert refused.returncode == 1
        assert "all/faulty" in refused.stderr
        stayed = host.command("dead", "replay", "--all")
        assert "20 dead letters stayed" in stayed.stderr
        host.command("dead", "purge", str(letters[0]["dead_id"]), "--yes")
        assert host.stop() == 0
    ledger = tmp_path / "ledger"
    with rabbit_host(folder, broker.url(vhost), ledger=ledger) as host:
        assert "gave 19" in host.command("dead", "replay", "--lane", "all/faulty").stdout
        host.wait_idle("all/faulty")
        assert host.dead() == []
    assert set(Ledger(ledger).handled()) == set(ids) - {letters[0]["event_id"]}


def test_a_singleton_whose_source_changes_keeps_what_its_old_queue_has(tmp_path: Path, broker: Broker) -> None:
    url = broker.url(broker.new_vhost())
    route = {"delivery": {"mode": "singleton"}}
    with rabbit_host(tmp_path, url, "--mode", "silent", route=route) as host:
        ids = host.publish(list(events(20)))
        host.kill()
    ledger = tmp_path / "later"
    route["source"] = {"service": "elsewhere"}
    with rabbit_host(tmp_path, url, route=route, ledger=ledger) as host:
        former = next(lane["name"] for lane in host.status()["lanes"] if lane["name"].startswith("all/faulty@"))
        wait_for("status warns", lambda: any(former in warning for warning in host.status()["warnings"]))
        assert host.command("lane", "forget", former, check=False).returncode == 1
        host.command("lane", "forget", former, "--to-dead")
        host.command("dead", "replay", "--lane", "all/faulty")
        host.wait_idle("all/faulty")
        assert [lane["name"] for lane in host.status()["lanes"]] == ["all/faulty"]
    assert set(Ledger(ledger).handled()) == set(ids)


def test_200_lanes_on_one_host(tmp_path: Path, broker: Broker) -> None:
    ledger = Ledger(tmp_path / "ledger")
    with RunningHost(
            tmp_path, plugins=[faulty("--ledger", str(ledger.path), "--ledger-sync", "none")],
            routes=[{"name": f"route{n}", "source": {"service": f"source{n % 20}"}, "to": ["faulty"]}
                    for n in range(200)],
            bus={"kind": "rabbitmq", "url": broker.url(broker.new_vhost())},
            start_timeout=120) as host:  # The broker makes 400 quorum queues.
        for turn in ("first", "second"):
            host.publish([{**event(n), "id": f"{turn}{n}", "source": f"source{n}"} for n in range(20)])
            wait_for("each lane had its event", lambda turn=turn: sum(
                count for name, count in ledger.handled().items() if name.startswith(turn)) >= 200)
            assert host.process is not None
            proc = Path(f"/proc/{host.process.pid}")
            most = re.search(r"VmHWM:\s+(\d+)", (proc / "status").read_text())
            assert most is not None
            assert int(most[1]) < 100 * 1024
            assert host.stop() == 0
            if turn == "first":
                host.start()
    assert set(ledger.handled().values()) == {10}
