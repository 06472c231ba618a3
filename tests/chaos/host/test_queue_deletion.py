"""A lane's queue that somebody deletes on the broker is made and bound again, and consumed from."""

from __future__ import annotations

import re
from pathlib import Path

from broker import Broker
from running_host import Ledger, RunningHost, events, faulty, wait_for

QUEUE = "outboard.test.all/faulty"
# From the deletion to the consumer.
WITHIN = 5.0


def consumers(broker: Broker, vhost: str) -> str:
    """Of the lane's queue; empty: it is not there, or not bound."""
    name = f'rabbit_misc:r(<<"{vhost}">>, queue, <<"{QUEUE}">>)'
    return broker.evaluate(
        f'begin N = {name}, B = [ok || {{binding, {{resource, _, exchange, <<"storyboard">>}}, _, _, _}} <- '
        'rabbit_binding:list_for_destination(N)], case rabbit_amqqueue:lookup(N) of {ok, Q} when B =/= [] -> '
        '[{consumers, C}] = rabbit_amqqueue:info(Q, [consumers]), C; _ -> none end end')


def delete(vhost: str) -> str:
    """Its value is {ok, how many messages went with it}."""
    return (f'begin {{ok, Q}} = rabbit_amqqueue:lookup(rabbit_misc:r(<<"{vhost}">>, queue, <<"{QUEUE}">>)), '
            'rabbit_amqqueue:delete(Q, false, false, <<"test">>) end')


def test_a_drained_queue_that_is_deleted_is_consumed_again_within_5_seconds(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger")
    with Broker() as broker:
        vhost = broker.new_vhost()
        replicas = [RunningHost(
            tmp_path / name, plugins=[faulty("--ledger", str(tmp_path / "ledger"))], host={"replica": name},
            routes=[{"name": "all", "source": {"service": "storyboard"}, "to": ["faulty"]}],
            bus={"kind": "rabbitmq", "url": broker.url(vhost)}) for name in ("one", "two")]
        with replicas[0] as one, replicas[1] as two:
            ids = one.publish(list(events(500)))
            for number in range(1, 4):
                # Nobody publishes now, and nothing is left in the queue.
                wait_for("it is drained", lambda n=number: len(ledger.handled()) == 500 * n)
                for host in (one, two):
                    host.wait_idle("all/faulty")
                wait_for("both consume", lambda: consumers(broker, vhost) == "2")
                assert broker.evaluate(delete(vhost)) == "{ok,0}"
                wait_for("both consume again", lambda: consumers(broker, vhost) == "2", WITHIN)
                for host in (one, two):
                    assert host.status()["bus"]["connected"]
                ids += two.publish(list(events(500, 500 * number)))
            wait_for("all is handled", lambda: set(ledger.handled()) == set(ids))
            assert set(ledger.handled().values()) == {1}
            assert one.stop() == two.stop() == 0


def test_a_queue_that_is_deleted_with_events_in_it_is_reported_with_the_last_known_count(tmp_path: Path) -> None:
    report = f"queue {QUEUE} was deleted with "
    with Broker() as broker:
        vhost = broker.new_vhost()
        # The plugin takes one event and none after it.
        host = RunningHost(
            tmp_path, plugins=[faulty("--mode", "hang", "--max-in-flight", "1", "--concurrency", "1")],
            routes=[{"name": "all", "source": {"service": "storyboard"}, "to": ["faulty"]}],
            bus={"kind": "rabbitmq", "url": broker.url(vhost), "prefetch": 10})
        with host:
            host.publish(list(events(500)))
            wait_for("the count is known", lambda: int(host.lane("all/faulty")["backlog"]) == 500)
            broker.evaluate(delete(vhost))
            wait_for("status says it", lambda: report in " ".join(host.status().get("warnings", [])))
            counts = re.findall(rf"{re.escape(report)}(\d+) events in it", host.log_text())
            assert [int(count) for count in counts] == [500]
            wait_for("it consumes again", lambda: consumers(broker, vhost) == "1", WITHIN)
