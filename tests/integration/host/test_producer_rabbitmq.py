"""The rabbitmq producer with a real broker, from the embedded bus to it and on to a host that consumes there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import tls
from broker import Broker
from producing import ProducingHost, assert_conforms, assert_order, publish_and_kill
from running_host import PYTHON, RunningHost, event, events, wait_for
from wire import Wire

HERE = Path(__file__).parent


@pytest.fixture
def wire(broker: Broker) -> Wire:
    return Wire(broker)


class ConsumingHost(RunningHost):
    """Another host, whose bus is the broker; its exchange is the one of the source."""

    def __init__(self, folder: Path, wire: Wire) -> None:
        self.records = folder / "records"
        super().__init__(
            folder, bus={"kind": "rabbitmq", "url": wire.url},
            plugins=[{"name": "recorder", "run": [str(PYTHON), str(HERE / "recorder.py"), str(self.records)]}],
            routes=[{"name": "all", "source": {"service": "storyboard"}, "delivery": {"order_by": "subject"},
                     "to": ["recorder"]}])

    def handled(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.records.read_text().split("\n")[:-1]] if self.records.exists() else []

    def wait_for(self, ids: list[str]) -> list[dict[str, Any]]:
        wait_for("all were handled", lambda: {record["id"] for record in self.handled()} >= set(ids), 120)
        return self.handled()


def config(wire: Wire, **more: Any) -> dict[str, Any]:
    return {"url": wire.url, "exchange": "storyboard", "unroutable": "retry", **more}


def test_it_keeps_the_contract(wire: Wire) -> None:
    wire.declare("storyboard")
    wire.listen("q", "storyboard")
    assert_conforms("rabbitmq", config(wire))
    assert wire.messages("q") > 0, "handlers really ran"


def test_another_host_consumes_what_was_produced(tmp_path: Path, wire: Wire) -> None:
    with (ConsumingHost(tmp_path / "there", wire) as there,
          ProducingHost(tmp_path / "here", "rabbitmq", config(wire)) as host):
        ids = host.publish([event(n, count=n, flag=True, time="2026-03-02T14:46:27.173Z") for n in range(1500)])
        host.wait_done(1500)
        handled = there.wait_for(ids)
        assert len(handled) == 1500
        [one] = [record for record in handled if record["id"] == "e7"]
        assert (one["source"], one["type"], one["subject"], json.loads(one["data"])) == (
            "storyboard", "story.post", "story/7", {"number": 7})
        wanted = {"count": "7", "flag": "True", "datacontenttype": "application/json"}
        assert wanted.items() <= one["attributes"].items()
        assert_order([int(record["id"][1:]) for record in handled], 50)
        assert host.stop() == 0


def test_modes_and_routing_keys_as_queues_get_them(tmp_path: Path, wire: Wire) -> None:
    wire.declare("out")
    wire.listen("q", "out")
    settings = {"structured": config(wire, exchange="out", mode="structured"),
                "data": config(wire, exchange="", routing_key="q", mode="data")}
    for mode, used in settings.items():
        with ProducingHost(tmp_path / mode, "rabbitmq", used) as host:
            host.publish([event(1)])
            host.wait_done(1)
        got = wire.get("q")
        if mode == "data":
            assert got == {"content_type": "application/json", "body": '{"number": 1}'}
        else:
            assert got["content_type"] == "application/cloudevents+json; charset=utf-8"
            assert json.loads(got["body"])["id"] == "e1"


def test_what_goes_to_no_queue_is_retried_rejected_or_accepted(tmp_path: Path, wire: Wire) -> None:
    wire.declare("out")
    for unroutable in ("retry", "reject", "accept"):
        used = config(wire, exchange="out", unroutable=unroutable)
        with ProducingHost(tmp_path / unroutable, "rabbitmq", used, retry={"max_attempts": 2}) as host:
            host.publish(list(events(3)))
            host.wait_idle("all/rabbitmq")
            letters = {(letter["event_id"], letter["reason"]) for letter in host.dead()}
            assert letters == (set() if unroutable == "accept" else {(f"e{n}", "UNROUTABLE") for n in range(3)})
            assert int(host.lane("all/rabbitmq").get("retries", 0)) == (6 if unroutable == "retry" else 0)


def test_an_exchange_that_is_missing_is_said_and_can_be_declared(tmp_path: Path, wire: Wire) -> None:
    used = config(wire, exchange="new", unroutable="accept")
    with ProducingHost(tmp_path / "missing", "rabbitmq", used, retry={"max_attempts": 1}) as host:
        host.publish([event(1)])
        [letter] = wait_for("it is dead", host.dead)
        assert letter["reason"] == "NOT_CONFIRMED"
        assert "no exchange 'new'" in letter["message"]
    with ProducingHost(tmp_path / "declared", "rabbitmq", {**used, "declare": "topic"}) as host:
        host.publish([event(1)])
        host.wait_done(1)
        assert wire.bindings("new") == 0


def test_kills_lose_nothing_and_keep_the_order(tmp_path: Path, wire: Wire) -> None:
    with (ConsumingHost(tmp_path / "there", wire) as there,
          ProducingHost(tmp_path / "here", "rabbitmq", config(wire)) as host):
        ids = publish_and_kill(host, [list(events(2000, start)) for start in range(0, 6000, 2000)],
                               lambda: int(host.lane("all/rabbitmq").get("done", 0)))
        handled = there.wait_for(ids)
        assert len(ids) == 6000
        assert_order([int(record["id"][1:]) for record in handled], 50)
        assert host.dead() == []


def test_a_broker_that_restarts_loses_nothing(tmp_path: Path, broker: Broker, wire: Wire) -> None:
    with (ConsumingHost(tmp_path / "there", wire) as there,
          ProducingHost(tmp_path / "here", "rabbitmq", config(wire), retry={"max_attempts": 1000}) as host):
        ids = host.publish(list(events(500)))
        host.wait_done(500)
        broker.await_queues_on_disk()
        broker.stop()
        ids += host.publish(list(events(5, 500)))  # Fewer than what makes the lane wait a minute.
        wait_for("it was tried again", lambda: int(host.lane("all/rabbitmq").get("retries", 0)) > 0)
        broker.start()
        host.wait_done(505)
        there.wait_for(ids)
        assert host.dead() == []


def test_an_idle_connection_that_was_closed_costs_no_attempt(tmp_path: Path, broker: Broker, wire: Wire) -> None:
    wire.declare("storyboard")
    wire.listen("q", "storyboard")
    with ProducingHost(tmp_path, "rabbitmq", config(wire)) as host:
        host.publish([event(0)])
        host.wait_done(1)
        broker.ctl("close_all_connections", "--vhost", wire.vhost, "test")
        host.publish([event(1)])
        host.wait_done(2)
        assert int(host.lane("all/rabbitmq").get("retries", 0)) == 0


def test_a_broker_short_of_memory_holds_events_back(tmp_path: Path, broker: Broker, wire: Wire) -> None:
    wire.declare("storyboard")
    wire.listen("q", "storyboard")
    used = config(wire, timeout="500ms")
    with ProducingHost(tmp_path, "rabbitmq", used, retry={"max_attempts": 1000}) as host:
        host.publish([event(0)])
        host.wait_done(1)
        broker.set_memory_alarm(True)
        try:
            host.publish([event(1)])
            wait_for("it was tried again", lambda: int(host.lane("all/rabbitmq").get("retries", 0)) > 0)
        finally:
            broker.set_memory_alarm(False)
        host.wait_done(2)


# ---- TLS -------------------------------------------------------------------------------------------


def by_ip(used: dict[str, Any]) -> dict[str, Any]:
    return {**used, "url": used["url"].replace("localhost", "127.0.0.1")}


def over_tls(wire: Wire, port: int, **files: Path) -> dict[str, Any]:
    """`files`: ca_file, cert_file, key_file."""
    url = wire.url.replace("amqp://", "amqps://").replace(f"127.0.0.1:{wire.broker.port}/", f"localhost:{port}/")
    return config(wire, url=url, exchange="", routing_key="q", **{key: str(path) for key, path in files.items()})


def refusal(folder: Path, used: dict[str, Any]) -> str:
    """What the one attempt on an event came to."""
    with ProducingHost(folder, "rabbitmq", used, retry={"max_attempts": 1}) as host:
        host.publish([event(0)])
        [letter] = wait_for("it is dead", host.dead)
        assert letter["reason"] == "NOT_CONNECTED"
        return str(letter["message"])


def test_a_broker_is_known_by_its_certificate(tmp_path: Path, wire: Wire) -> None:
    wire.listen("q", "amq.topic")
    ca, other = tls.make(tmp_path, "ca"), tls.make(tmp_path, "other")
    port = tls.listen(wire.broker, tls.make(tmp_path, "server", ca, host="localhost"))
    with ProducingHost(tmp_path / "known", "rabbitmq", over_tls(wire, port, ca_file=ca.certificate)) as host:
        host.publish(list(events(500)))
        host.wait_done(500)
        assert wire.get("q")["body"] == '{"number": 0}'
        assert host.dead() == []
    numeric = tls.listen(wire.broker, tls.make(tmp_path, "numeric", ca, host="127.0.0.1"))
    with ProducingHost(tmp_path / "ip", "rabbitmq", by_ip(over_tls(wire, numeric, ca_file=ca.certificate))) as host:
        host.publish([event(0)])
        host.wait_done(1)
    waiting = wire.messages("q")
    none = tmp_path / "none.pem"
    elsewhere = tls.listen(wire.broker, tls.make(tmp_path, "elsewhere", ca, host="elsewhere.example"))
    for name, used, said in (
        ("other-ca", over_tls(wire, port, ca_file=other.certificate), "SSL peer cert verification failed"),
        ("system-ca", over_tls(wire, port), "SSL peer cert verification failed"),
        ("other-name", over_tls(wire, elsewhere, ca_file=ca.certificate), "is its certificate for localhost"),
        ("other-ip", by_ip(over_tls(wire, port, ca_file=ca.certificate)), "is its certificate for 127.0.0.1"),
        ("no-ca", over_tls(wire, port, ca_file=none), f"ca_file {none} cannot be used"),
        ("no-tls", over_tls(wire, wire.broker.port, ca_file=ca.certificate), "SSL"),
    ):
        assert said in refusal(tmp_path / name, used), name
    assert wire.messages("q") == waiting


def test_a_broker_that_wants_certificates_gets_the_clients(tmp_path: Path, wire: Wire) -> None:
    wire.listen("q", "amq.topic")
    ca, other = tls.make(tmp_path, "ca"), tls.make(tmp_path, "other")
    port = tls.listen(wire.broker, tls.make(tmp_path, "server", ca, host="localhost"), clients_of=ca)
    client, stranger = tls.make(tmp_path, "client", ca), tls.make(tmp_path, "stranger", other)
    own = {"cert_file": client.certificate, "key_file": client.key}
    with ProducingHost(tmp_path / "known", "rabbitmq", over_tls(wire, port, ca_file=ca.certificate, **own)) as host:
        host.publish([event(1)])
        host.wait_done(1)
        assert wire.get("q")["body"] == '{"number": 1}'
    for name, files, said in (
        ("none", {}, "does the broker want a client certificate"),
        ("stranger", {"cert_file": stranger.certificate, "key_file": stranger.key},
         "does the broker want a client certificate"),
        ("other-key", {"cert_file": client.certificate, "key_file": ca.key},
         f"cert_file {client.certificate} and key_file {ca.key} cannot be used"),
    ):
        assert said in refusal(tmp_path / name, over_tls(wire, port, ca_file=ca.certificate, **files)), name
    assert wire.messages("q") == 0


def test_a_faulty_url_is_found_by_check_without_its_password(tmp_path: Path) -> None:
    said = ProducingHost(tmp_path, "rabbitmq", {"url": "amqp://user:hunter2@host:port/x"}).check_fails()
    assert "/url: must be as" in said
    assert "hunter2" not in said
