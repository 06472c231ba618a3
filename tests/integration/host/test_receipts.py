"""What publishers that ask are told of the ends of their events, and what is kept of where producers put them."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import grpc
import outboard
import pytest
from broker import Broker
from outboard.host.v1 import publisher_pb2
from producing import QUICK
from running_host import BIN, Ledger, RunningHost, event, wait_for
from test_producer_sqlite import hermes_reads
from wire import Wire, headers

SOURCE = {"service": "storyboard"}
DONE, DROPPED, DEAD = publisher_pb2.Receipt.END_DONE, publisher_pb2.Receipt.END_DROPPED, publisher_pb2.Receipt.END_DEAD


def new(number: int, *, subject: str = "", **attributes: Any) -> outboard.NewEvent:
    return outboard.NewEvent(type="story.post", source="storyboard", id=f"e{number}",
                             subject=subject or f"s{number % 5}",
                             data={"number": number}, attributes=attributes)


def sqlite_producer(folder: Path) -> dict[str, Any]:
    return {"name": "sqlite", "run": [str(BIN / "outboard-sqlite-producer")], "restart": QUICK,
            "config": {"path": str(folder / "hermes.db")}}


def faulty(**more: Any) -> dict[str, Any]:
    return {"name": "faulty", "run": [str(BIN / "outboard-faulty")], "restart": QUICK, **more}


def host_of(folder: Path, bus: dict[str, Any], routes: list[dict[str, Any]] | None = None, **more: Any) -> RunningHost:
    return RunningHost(folder, plugins=[sqlite_producer(folder), faulty()], bus=bus,
                       routes=routes or [{"name": "all", "source": SOURCE, "to": ["sqlite", "faulty"]}], **more)


@pytest.fixture(params=["embedded", "rabbitmq"])
def bus(request: pytest.FixtureRequest) -> dict[str, Any]:
    if request.param == "embedded":
        return {"kind": "embedded"}
    broker: Broker = request.getfixturevalue("broker")
    return {"kind": "rabbitmq", "url": broker.url(broker.new_vhost())}


def by_lane(result: publisher_pb2.PublishResult) -> dict[str, publisher_pb2.Receipt]:
    return {receipt.lane: receipt for receipt in result.receipts}


def test_a_publisher_hears_where_its_events_are(tmp_path: Path, bus: dict[str, Any]) -> None:
    with host_of(tmp_path, bus) as host, outboard.Publisher(f"unix:{host.socket}") as publisher:
        results = publisher.publish(*(new(number) for number in range(500)), receipts_within=60)
        rows = {row["number"]: row["offset"] for row in hermes_reads(tmp_path / "hermes.db")}
        assert len(rows) == 500
        for number, result in enumerate(results):
            told = by_lane(result)
            assert set(told) == {"all/sqlite", "all/faulty"}
            assert told["all/faulty"].end == DONE
            assert not told["all/faulty"].HasField("offset")
            assert told["all/sqlite"].end == DONE
            assert told["all/sqlite"].offset.int_value == rows[number]
        # Who did not ask is not kept waiting.
        [plain] = publisher.publish(new(1000))
        assert plain.matched == 2
        assert not plain.receipts


def screen(folder: Path) -> dict[str, Any]:
    """A plugin with a stage that halts every second event."""
    (folder / "screen.py").write_text("""
import outboard
app = outboard.Plugin("screen", version="1")
@app.stage(events=["#"])
def half(event):
    return outboard.Halt() if event.json()["number"] % 2 else None
outboard.serve(app)
""")
    return {"name": "screen", "run": [sys.executable, str(folder / "screen.py")]}


def test_dead_letters_and_drops_are_ends_too(tmp_path: Path, bus: dict[str, Any]) -> None:
    routes = [{"name": "all", "source": SOURCE, "stages": ["screen"], "to": ["faulty"],
               "retry": {**QUICK, "max_attempts": 2}}]
    with RunningHost(tmp_path, plugins=[faulty(), screen(tmp_path)], bus=bus, routes=routes) as host, \
            outboard.Publisher(f"unix:{host.socket}") as publisher:
        fine, halted, rejected, retried = publisher.publish(
            new(0), new(1), new(2, faulty="reject"), new(4, faulty="retry"), receipts_within=60)
        assert by_lane(fine)["all/faulty"].end == DONE
        assert by_lane(halted)["all/faulty"].end == DROPPED
        assert by_lane(halted)["all/faulty"].reason == "screen"
        assert by_lane(rejected)["all/faulty"].end == DEAD
        assert by_lane(rejected)["all/faulty"].reason
        assert by_lane(retried)["all/faulty"].end == DEAD, "after its second attempt"
        assert {letter["event_id"] for letter in host.dead()} == {"e2", "e4"}


def test_the_time_runs_out_with_what_came(tmp_path: Path, bus: dict[str, Any]) -> None:
    with host_of(tmp_path, bus) as host, outboard.Publisher(f"unix:{host.socket}") as publisher:
        [result] = publisher.publish(new(1, faulty="slow:20s"), receipts_within=2)
        assert result.confirmed
        assert set(by_lane(result)) == {"all/sqlite"}


def test_an_event_that_kills_holds_up_no_other_lane(tmp_path: Path, bus: dict[str, Any]) -> None:
    with host_of(tmp_path, bus) as host, outboard.Publisher(f"unix:{host.socket}") as publisher:
        publisher.publish(new(0), receipts_within=60)
        results = publisher.publish(*(new(number, **({"faulty": "exit"} if number == 50 else {}))
                                      for number in range(1, 100)), receipts_within=5)
        ended = [by_lane(result) for number, result in enumerate(results, 1) if number != 50]
        assert all(told["all/sqlite"].end == DONE for told in ended)


@pytest.mark.parametrize("nanos", [0, -1_000_000_000, 301_000_000_000])
def test_a_time_that_is_none_is_refused(tmp_path: Path, nanos: int) -> None:
    with host_of(tmp_path, {"kind": "embedded"}) as host, grpc.insecure_channel(f"unix:{host.socket}") as channel:
        request = publisher_pb2.PublishRequest(events=[new(1).to_published()])
        request.receipts_within.FromNanoseconds(nanos)
        publish = channel.unary_unary("/outboard.host.v1.PublisherService/Publish",
                                      publisher_pb2.PublishRequest.SerializeToString,
                                      publisher_pb2.PublishResponse.FromString)
        with pytest.raises(grpc.RpcError) as refused:
            publish(request)
        assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT
        assert "receipts_within" in refused.value.details()
        assert host.lane("all/sqlite").get("done", 0) in (0, "0")


def test_a_host_that_stops_does_not_wait(tmp_path: Path) -> None:
    with host_of(tmp_path, {"kind": "embedded"}) as host, grpc.insecure_channel(f"unix:{host.socket}") as channel:
        request = publisher_pb2.PublishRequest(events=[new(1, faulty="hang").to_published()])
        request.receipts_within.FromSeconds(300)
        asked = channel.unary_unary("/outboard.host.v1.PublisherService/Publish",
                                    publisher_pb2.PublishRequest.SerializeToString,
                                    publisher_pb2.PublishResponse.FromString).future(request)
        wait_for("the producer is done", lambda: int(host.lane("all/sqlite").get("done", 0)) == 1)
        assert host.process is not None
        host.process.send_signal(signal.SIGTERM)
        [result] = asked.result().results
        assert host.process.poll() is None, "it still waits for the handler that hangs"
        assert result.confirmed
        assert set(by_lane(result)) == {"all/sqlite"}


def test_the_record_of_an_event_says_where_it_is(tmp_path: Path) -> None:
    routes = [{"name": "all", "source": SOURCE, "to": ["sqlite"]}]
    with host_of(tmp_path, {"kind": "embedded"}, routes) as host:
        said = host.command("publish", "--type", "story.post", "--source", "storyboard", "--id", "e1",
                            "--data", "{}", "--receipts", "30")
        assert "all/sqlite: done at 1" in said.stdout
        said = host.command("publish", "--type", "story.post", "--source", "storyboard", "--id", "e2",
                            "--data", "{}", "--receipts", "30", "--json")
        [receipt] = json.loads(said.stdout)["receipts"]
        assert receipt["lane"] == "all/sqlite"
        assert receipt["offset"] == 2
        tail = tailed(host, 2)
        assert [[r["offset"] for r in line["receipts"]] for line in tail] == [[1], [2]]
        refused = host.command("publish", "--file", "x", "--receipts", "3", check=False)
        assert refused.returncode == 2
        assert "--receipts is for one event" in refused.stderr
        assert host.stop() == 0


def tailed(host: RunningHost, count: int) -> list[dict[str, Any]]:
    words = [str(BIN / "outboard"), "tail", "--json", "--last", str(count), "--socket", str(host.socket)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as tail:
        assert tail.stdout is not None
        lines = [tail.stdout.readline() for _ in range(count)]
        tail.terminate()
    return [json.loads(line) for line in lines]


def stream(host: RunningHost) -> Any:
    return grpc.insecure_channel(f"unix:{host.socket}").stream_stream(
        "/outboard.host.v1.PublisherService/PublishStream", publisher_pb2.PublishStreamRequest.SerializeToString,
        publisher_pb2.PublishStreamResponse.FromString)


def step(number: int, within: int = 0) -> publisher_pb2.PublishStreamRequest:
    request = publisher_pb2.PublishStreamRequest(request_id=number, events=[new(number, subject="one").to_published()])
    if within:
        request.receipts_within.FromSeconds(within)
    return request


def test_a_stream_keeps_its_order_whoever_asks(tmp_path: Path, bus: dict[str, Any]) -> None:
    ledger = Ledger(tmp_path / "ledger")
    plugin = faulty(run=[str(BIN / "outboard-faulty"), "--ledger", str(ledger.path)])
    route = {"name": "all", "source": SOURCE, "delivery": {"order_by": "subject"}, "to": ["faulty"]}
    with RunningHost(tmp_path, plugins=[plugin], routes=[route], bus=bus) as host:
        answers = list(stream(host)(step(number, 60 if number % 4 == 0 else 0) for number in range(200)))
        assert [answer.request_id for answer in answers] == list(range(200))
        assert [len(answer.results[0].receipts) for answer in answers] == [1, 0, 0, 0] * 50
        host.wait_idle("all/faulty")
    assert [line[0] for line in ledger.lines()] == [f"e{number}" for number in range(200)]


def test_a_caller_who_gives_up_keeps_no_room(tmp_path: Path) -> None:
    with (host_of(tmp_path, {"kind": "embedded"}) as host, grpc.insecure_channel(f"unix:{host.socket}") as channel,
          outboard.Publisher(f"unix:{host.socket}") as publisher):
        publish = channel.unary_unary("/outboard.host.v1.PublisherService/Publish",
                                      publisher_pb2.PublishRequest.SerializeToString,
                                      publisher_pb2.PublishResponse.FromString)
        many = publisher_pb2.PublishRequest(
            events=[new(0, faulty="hang").to_published(), *(new(n).to_published() for n in range(1, 40_000))])
        many.receipts_within.FromSeconds(300)
        with pytest.raises(grpc.RpcError) as late:
            publish(many, timeout=10)
        assert late.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
        for _ in range(3):  # Each would be too many beside one that is still waited for.
            cancelled = stream(host)(iter([publisher_pb2.PublishStreamRequest(
                request_id=1, events=many.events, receipts_within=many.receipts_within)]))
            wait_for("it is published", lambda: int(host.status()["bus"]["events"]) >= 40_000)
            cancelled.cancel()
        wait_for("there is room again", lambda: _has_room(publisher))


def _has_room(publisher: outboard.Publisher) -> bool:
    try:
        publisher.publish(*(new(n, to="nobody") for n in range(30_000)), receipts_within=0.001)
    except outboard.PublishError:
        return False
    except grpc.RpcError as refused:
        if refused.code() != grpc.StatusCode.RESOURCE_EXHAUSTED:
            raise
        return False
    return True


def test_what_stages_drop_is_not_waited_for(tmp_path: Path, bus: dict[str, Any]) -> None:
    with RunningHost(tmp_path, plugins=[sqlite_producer(tmp_path), screen(tmp_path)], bus=bus,
                     routes=[{"name": "all", "source": SOURCE, "to": ["sqlite"]}],
                     ingress=[{"name": "half", "source": SOURCE, "stages": ["screen"]}]) as host, \
            outboard.Publisher(f"unix:{host.socket}") as publisher:
        results = publisher.publish(*(new(number) for number in range(20)), receipts_within=60)
        rows = {row["number"]: row["offset"] for row in hermes_reads(tmp_path / "hermes.db")}
        assert sorted(rows) == list(range(0, 20, 2))
        for number, result in enumerate(results):
            if number % 2:
                assert result.dropped_by == "screen"
                assert not result.receipts
            else:
                assert by_lane(result)["all/sqlite"].offset.int_value == rows[number]


def test_lanes_of_another_host_are_not_its_own(tmp_path: Path, broker: Broker) -> None:
    bus = {"kind": "rabbitmq", "url": broker.url(broker.new_vhost())}
    routes = [{"name": "all", "source": SOURCE, "to": ["faulty"]}]
    with host_of(tmp_path / "b", bus, [*routes, {"name": "own", "source": SOURCE, "to": ["sqlite"]}],
                 host={"name": "other"}) as other, \
            host_of(tmp_path / "a", bus, routes) as host, outboard.Publisher(f"unix:{host.socket}") as publisher:
        publisher.publish(new(0), receipts_within=60)
        done = int(host.lane("all/faulty")["done"])
        results = publisher.publish(*(new(n, faulty="slow:300ms") for n in range(1, 4)), receipts_within=60)
        assert int(host.lane("all/faulty")["done"]) == done + 3, "its own lane has ended them, not only the other's"
        assert all(list(by_lane(result)) == ["all/faulty"] for result in results)
        other.wait_idle("own/sqlite")


def test_replicas_tell_each_other(tmp_path: Path, broker: Broker) -> None:
    bus = {"kind": "rabbitmq", "url": broker.url(broker.new_vhost())}
    routes = [{"name": "all", "source": SOURCE, "to": ["faulty"]},
              {"name": "each", "source": SOURCE, "delivery": {"mode": "broadcast"}, "to": ["sqlite"]}]
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    with host_of(tmp_path / "a", bus, routes, host={"replica": "a"}) as a, \
            host_of(tmp_path / "b", bus, routes, host={"replica": "b"}) as b, \
            outboard.Publisher(f"unix:{a.socket}") as publisher:
        results = publisher.publish(*(new(n, faulty="slow:50ms") for n in range(40)), receipts_within=60)
        assert all(set(by_lane(result)) == {"all/faulty", "each/sqlite"} for result in results)
        wait_for("both handled some", lambda: all(int(h.lane("all/faulty").get("done", 0)) > 0 for h in (a, b)))


def test_a_message_cannot_make_the_host_publish_elsewhere(tmp_path: Path, broker: Broker) -> None:
    wire = Wire(broker)
    bus = {"kind": "rabbitmq", "url": wire.url}
    with host_of(tmp_path, bus, [{"name": "all", "source": SOURCE, "to": ["faulty"]}]) as host:
        wire.listen("victim", "amq.fanout")
        address: dict[str, Any] = {"x-outboard-receipt-to": "victim", "x-outboard-receipt": 1}
        wire.publish("storyboard", "story.post", b"{}", headers(
            cloudEvents___id="x", cloudEvents___source="storyboard", cloudEvents___type="story.post",
            cloudEvents___specversion="1.0", **address))
        wait_for("it is handled", lambda: int(host.lane("all/faulty").get("done", 0)) == 1)
        host.publish([event(1)])
        wait_for("what came behind it is, too", lambda: int(host.lane("all/faulty")["done"]) == 2)
        assert wire.messages("victim") == 0
