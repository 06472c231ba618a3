"""PublisherService where the bus confirms nothing: what is pushed back, what waits, and how the host ends."""

from __future__ import annotations

import json
import queue
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from broker import Broker
from http_host import HttpHost, post
from outboard.event.v1 import event_pb2
from outboard.host.v1 import publisher_pb2
from running_host import RunningHost, faulty, wait_for

SERVICE = "/outboard.host.v1.PublisherService/"
# What the host takes at once from all publishers.
MOST_EVENTS = 65_536


@pytest.fixture
def host(tmp_path: Path, broker: Broker) -> Iterator[HttpHost]:
    with HttpHost(tmp_path, {"kind": "rabbitmq", "url": broker.url(broker.new_vhost())}) as running:
        broker.set_memory_alarm(True)
        try:
            yield running
        finally:
            broker.set_memory_alarm(False)


def some(count: int) -> list[event_pb2.Event]:
    return [event_pb2.Event(id=f"g{n}", source="storyboard", type="story.post") for n in range(count)]


class Publisher:
    def __init__(self, host: RunningHost) -> None:
        self.channel = grpc.insecure_channel(f"unix:{host.socket}")
        self.unary = self.channel.unary_unary(SERVICE + "Publish", publisher_pb2.PublishRequest.SerializeToString,
                                              publisher_pb2.PublishResponse.FromString)
        self.stream = self.channel.stream_stream(
            SERVICE + "PublishStream", publisher_pb2.PublishStreamRequest.SerializeToString,
            publisher_pb2.PublishStreamResponse.FromString)

    def publish(self, count: int) -> grpc.Future:
        return self.unary.future(publisher_pb2.PublishRequest(events=some(count)))


def under_way(host: HttpHost) -> int:
    [line] = [at for at in host.get("/metrics")[1].splitlines() if at.startswith("outboard_publish_under_way_events ")]
    return int(float(line.split()[1]))


def test_at_the_bound_calls_are_refused_and_streams_wait(host: HttpHost, broker: Broker) -> None:
    publisher = Publisher(host)
    all_there_is = publisher.publish(MOST_EVENTS)
    wait_for("they are under way", lambda: under_way(host) == MOST_EVENTS)
    with pytest.raises(grpc.RpcError) as refused:
        publisher.publish(1).result()
    assert refused.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "65536 events" in refused.value.details()
    status, said = post(host.connect(), {"id": "h1", "source": "storyboard", "type": "story.post"})
    assert status == 429
    assert "65536 events" in said["detail"]
    # What a stream sends is taken once, and then waits where it is.
    requests: queue.Queue[publisher_pb2.PublishStreamRequest | None] = queue.Queue()
    for number in range(3):
        requests.put(publisher_pb2.PublishStreamRequest(request_id=number, events=some(10)))
    requests.put(None)
    answers = publisher.stream(iter(requests.get, None))
    wait_for("the first is taken", lambda: under_way(host) == MOST_EVENTS + 10)
    assert host.get("/healthz") == (200, "ok\n")
    broker.set_memory_alarm(False)
    assert [(a.request_id, len(a.results), all(r.confirmed for r in a.results)) for a in answers] == [
        (number, 10, True) for number in range(3)]
    assert all(r.confirmed for r in all_there_is.result().results)
    assert publisher.publish(1).result().results[0].confirmed
    assert under_way(host) == 0


def test_a_host_ends_though_publishers_were_not_answered(host: HttpHost) -> None:
    publisher = Publisher(host)
    asked = publisher.publish(5)
    wait_for("they are under way", lambda: under_way(host) == 5)
    assert host.stop() in (0, 1)
    assert {r.code for r in asked.result().results} == {grpc.StatusCode.UNAVAILABLE.value[0]}


def test_each_event_has_a_result_of_its_own(tmp_path: Path) -> None:
    with RunningHost(tmp_path, plugins=[faulty()], routes=[
            {"name": "all", "source": {"service": "storyboard"}, "to": ["faulty"]}]) as host:
        request = publisher_pb2.PublishRequest(events=[*some(2), event_pb2.Event(id="bad")])
        results = Publisher(host).unary(request).results
        assert [(r.confirmed, r.matched) for r in results] == [(True, 1), (True, 1), (False, 0)]
        assert results[2].code == grpc.StatusCode.INVALID_ARGUMENT.value[0]
        said = json.loads(host.command("publish", "--type", "t", "--source", "storyboard", "--json").stdout)
        assert int(said["offset"]) == 3
