"""The kafka producer against librdkafka's mock cluster, which is a process of its own."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any, Self

from producing import ProducingHost, assert_conforms, assert_order, publish_and_kill
from running_host import BIN, event, events, wait_for

MSG_SIZE_TOO_LARGE = 10
NOT_ENOUGH_REPLICAS = 19


class KafkaCluster:
    """Three brokers and one topic."""

    def __init__(self, folder: Path, partitions: int = 4) -> None:
        self._file = folder / "topic.jsonl"
        self._process = subprocess.Popen([BIN / "kafka_cluster", "events", str(partitions), self._file],
                                         stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.servers = self._process.stdout.readline().strip()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(60)

    def do(self, command: str) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(command + "\n")
        self._process.stdin.flush()
        assert self._process.stdout.readline() == "ok\n"

    def size(self) -> int:
        return self._file.read_bytes().count(b"\n") if self._file.exists() else 0

    def messages(self) -> list[dict[str, Any]]:
        """In the order of reading, which within a partition is that of offsets."""
        return [json.loads(line) for line in self._file.read_text().split("\n")[:-1]] if self._file.exists() else []

    def wait_for(self, ids: list[str]) -> list[dict[str, Any]]:
        """Until a consumer has read all of these events."""
        wait_for("all arrived", lambda: {message["headers"]["ce_id"] for message in self.messages()} >= set(ids))
        return self.messages()


def config(cluster: KafkaCluster, **more: Any) -> dict[str, Any]:
    return {"servers": cluster.servers, "topic": "events", "key": "subject", **more}


def test_events_are_messages_of_the_binding(tmp_path: Path) -> None:
    with KafkaCluster(tmp_path) as cluster, ProducingHost(tmp_path, "kafka", config(cluster)) as host:
        ids = host.publish(list(events(500)))
        host.wait_done(500)
        messages = cluster.wait_for(ids)
        assert len(messages) == 500
        [one] = [message for message in messages if message["headers"]["ce_id"] == "e7"]
        assert one["key"] == "story/7"
        assert json.loads(one["value"]) == {"number": 7}
        assert {"ce_specversion": "1.0", "ce_source": "storyboard", "ce_type": "story.post", "ce_subject": "story/7",
                "content-type": "application/json"}.items() <= one["headers"].items()
        of_key: dict[str, set[int]] = {}
        for message in messages:
            of_key.setdefault(message["key"], set()).add(message["partition"])
        assert all(len(partitions) == 1 for partitions in of_key.values()), "a key is in one partition"
        assert len({message["partition"] for message in messages}) > 1
        assert_order([json.loads(message["value"])["number"] for message in messages], 50)
        assert host.stop() == 0


def test_hermes_reads_data_alone(tmp_path: Path) -> None:
    """One topic, key `evcategory`, the event's JSON and no headers."""
    settings = {"mode": "data", "key": "evcategory"}
    with (KafkaCluster(tmp_path, partitions=1) as cluster,
          ProducingHost(tmp_path, "kafka", config(cluster, **settings)) as host):
        host.publish([event(1, evcategory="base", data={"evcategory": "base", "eventtype": "added"})])
        [message] = wait_for("it arrived", cluster.messages)
        assert (message["key"], message["headers"], message["offset"]) == ("base", {}, 0)
        assert json.loads(message["value"]) == {"evcategory": "base", "eventtype": "added"}


def test_structured_mode(tmp_path: Path) -> None:
    with (KafkaCluster(tmp_path) as cluster,
          ProducingHost(tmp_path, "kafka", config(cluster, mode="structured")) as host):
        host.publish([event(1)])
        [message] = wait_for("it arrived", cluster.messages)
        assert message["headers"] == {"content-type": "application/cloudevents+json; charset=utf-8"}
        sent = json.loads(message["value"])
        assert (sent["id"], sent["data"]) == ("e1", {"number": 1})


def test_kills_lose_nothing_and_keep_the_order(tmp_path: Path) -> None:
    with KafkaCluster(tmp_path) as cluster, ProducingHost(tmp_path, "kafka", config(cluster)) as host:
        ids = publish_and_kill(host, [list(events(2000, start)) for start in range(0, 6000, 2000)], cluster.size)
        messages = cluster.wait_for(ids)
        assert len(ids) == 6000
        assert_order([json.loads(message["value"])["number"] for message in messages], 50)
        assert host.dead() == []


def test_brokers_that_are_away_lose_nothing(tmp_path: Path) -> None:
    settings = config(cluster := KafkaCluster(tmp_path), timeout="1s")
    with cluster, ProducingHost(tmp_path, "kafka", settings, retry={"max_attempts": 1000}) as host:
        ids = host.publish(list(events(100)))
        cluster.wait_for(ids)
        cluster.do("down")
        ids += host.publish(list(events(5, 100)))  # Fewer than what makes the lane wait a minute.
        wait_for("it was tried again", lambda: int(host.lane("all/kafka").get("retries", 0)) > 0)
        cluster.do("up")
        host.wait_done(105)
        cluster.wait_for(ids)
        assert host.dead() == []


def test_what_a_broker_never_takes_is_dead(tmp_path: Path) -> None:
    with KafkaCluster(tmp_path) as cluster, ProducingHost(tmp_path, "kafka", config(cluster)) as host:
        cluster.wait_for(host.publish([event(0)]))
        cluster.do(f"error {MSG_SIZE_TOO_LARGE} 1")
        host.publish([event(1)])
        [letter] = wait_for("it is dead", host.dead)
        assert (letter["event_id"], letter["reason"]) == ("e1", "KAFKA_MSG_SIZE_TOO_LARGE")
        cluster.wait_for(host.publish([event(2)]))


def test_a_temporary_error_of_a_broker_is_no_attempt(tmp_path: Path) -> None:
    with KafkaCluster(tmp_path) as cluster, ProducingHost(tmp_path, "kafka", config(cluster)) as host:
        cluster.do(f"error {NOT_ENOUGH_REPLICAS} 2")
        ids = host.publish([event(0), event(1)])
        host.wait_done(2)
        assert len(cluster.wait_for(ids)) == 2
        assert int(host.lane("all/kafka").get("retries", 0)) == 0, "librdkafka sent it again"


def test_it_keeps_the_contract(tmp_path: Path) -> None:
    with KafkaCluster(tmp_path) as cluster:
        assert_conforms("kafka", config(cluster))
        wait_for("handlers really ran", cluster.size)


def test_a_faulty_property_is_found_by_check(tmp_path: Path) -> None:
    settings = {"servers": "x:1", "topic": "t", "properties": {"no.such": "1"}}
    said = ProducingHost(tmp_path, "kafka", settings).check_fails()
    assert "/properties/no.such" in said
