"""Messages of other systems, and CloudEvents in all their forms, through a real host and a real RabbitMQ."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from broker import Broker
from running_host import PYTHON, ROOT, RunningHost, wait_for
from wire import Wire, headers

PAGE = ROOT / "docs" / "how-to" / "consume-other-systems.md"
RECORDER = Path(__file__).parent / "recorder.py"
TRACE = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "tracestate": "vendor=a,other=b"}

# Captured: what StoryBoard's API, oslo.messaging's notifiers and nameko's dispatcher put on the wire.
STORYBOARD = (
    '{"author_id": 1, "method": "PUT", "url": "http://localhost/", "path": "/v1/tasks/1", "query_string": "", '
    '"status": 200, "resource": "task", "resource_id": "1", "sub_resource": null, "sub_resource_id": null, '
    '"resource_before": {"id": 1, "created_at": null, "title": "Tést", "status": "inprogress", "creator_id": 1, '
    '"story_id": 1, "project_id": 1, "assignee_id": 1, "priority": "medium"}, '
    '"resource_after": {"id": 1, "created_at": null, "title": "Tést", "status": "merged", "creator_id": 1, '
    '"story_id": 1, "project_id": 1, "assignee_id": 1, "priority": "medium"}}'
)
OSLO_1 = (
    r'{"message_id": "a14af102-2266-409a-b393-6b444b2a4226", "publisher_id": "compute.host1", '
    r'"event_type": "compute.instance.create.end", "priority": "INFO", "payload": {"instance_id": 12, '
    r'"name": "\u00e9", "flag": true, "none": null}, "timestamp": "2026-11-22 05:30:25.718500", '
    r'"_unique_id": "f155a60b3a774f759e74f7f897f4aaf2", "_context_user_id": "u1", "_context_request_id": "req-1"}'
)
OSLO_2 = json.dumps({"oslo.version": "2.0", "oslo.message": OSLO_1})
AS_STORYBOARD = ("content_type=application/json", "app_id=storyboard")
AS_OSLO = ("content_type=application/json", "content_encoding=utf-8", "delivery_mode=2", "priority=0", "{headers,[]}")


@pytest.fixture
def wire(broker: Broker) -> Wire:
    return Wire(broker)


class Records:
    """What the recorder wrote."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "records"

    def all(self) -> list[dict[str, Any]]:
        if not self.path.exists():
            return []
        return [json.loads(line) for line in self.path.read_text().split("\n")[:-1]]

    def wait(self, count: int) -> list[dict[str, Any]]:
        wait_for(f"{count} events are recorded", lambda: len(self.all()) >= count)
        assert len(self.all()) == count
        return self.all()


def recording_host(folder: Path, wire: Wire, *routes: dict[str, Any], **bus: Any) -> RunningHost:
    recorder = {"name": "recorder", "run": [str(PYTHON), str(RECORDER), str(folder / "records")]}
    return RunningHost(
        folder,
        plugins=[recorder],
        routes=[{"to": ["recorder"], **route} for route in routes],
        bus={"kind": "rabbitmq", "url": wire.url, **bus},
    )


def host_of_the_page(folder: Path, wire: Wire, heading: str) -> RunningHost:
    """With the configuration that the page shows; only the host's places, the broker and the program are the test's."""
    yaml = PAGE.read_text().split(f"\n## {heading}\n")[1].split("```yaml\n")[1].split("```")[0]
    host = recording_host(folder, wire)
    ours = json.loads(host.config.read_text())
    for pattern, ours_now in (
        (r"(?<=^host: )\{.*\}", json.dumps({**ours["host"], "name": "tracker"})),
        (r'(?<=^  url: )".*"', json.dumps(wire.url)),
        (r"(?<=run: )\[.*?\]", json.dumps(ours["plugins"][0]["run"])),
    ):
        yaml, count = re.subn(pattern, lambda _, text=ours_now: text, yaml, flags=re.MULTILINE)
        assert count == 1, pattern
    host.config.write_text(yaml)
    return host


def test_the_page_consumes_storyboard(tmp_path: Path, wire: Wire) -> None:
    wire.declare("storyboard")
    records = Records(tmp_path)
    with host_of_the_page(tmp_path, wire, "StoryBoard") as host:
        for _ in range(2):
            wire.publish("storyboard", "task", STORYBOARD.encode(), *AS_STORYBOARD)
        wire.publish("storyboard", "user", STORYBOARD.encode(), *AS_STORYBOARD)
        event, again = records.wait(2)
        assert host.dead() == []
    assert (event["source"], event["type"], event["subject"]) == ("storyboard", "task", "1")
    assert event["data"] == STORYBOARD
    assert event["attributes"]["method"] == "PUT"
    assert event["attributes"]["author"] == "1"
    assert re.fullmatch("[0-9a-f]{32}", event["id"])
    assert again == event, "the same content has the same id"


def test_the_page_consumes_oslo_notifications(tmp_path: Path, wire: Wire) -> None:
    wire.declare("openstack", durable=False)
    records = Records(tmp_path)
    with host_of_the_page(tmp_path, wire, "oslo.messaging notifications") as host:
        wire.publish("openstack", "conductor", b'{"oslo.version": "2.0", "oslo.message": "{}"}', *AS_OSLO)  # RPC.
        other = OSLO_2.replace("compute.instance.create.end", "network.create.end")
        wire.publish("openstack", "notifications.info", other.encode(), *AS_OSLO)
        wire.publish("openstack", "notifications.info", OSLO_1.encode(), *AS_OSLO)
        wire.publish("openstack", "notifications.error", OSLO_2.encode(), *AS_OSLO)
        events = records.wait(2)
        host.wait_idle("instances/worker")
        assert host.dead() == []
    assert [event["data"] for event in events] == [OSLO_1, OSLO_2]
    for event in events:
        assert event["id"] == "a14af102-2266-409a-b393-6b444b2a4226"
        assert (event["source"], event["type"]) == ("compute.host1", "compute.instance.create.end")
        assert event["subject"] == "12"
        assert event["attributes"]["time"].startswith("2026-11-22 05:30:25.718500")
        assert event["attributes"]["priority"] == "INFO"
        assert event["attributes"]["requestid"] == "req-1"


def test_the_page_consumes_nameko_events(tmp_path: Path, wire: Wire) -> None:
    wire.declare("orders.events")
    stack = ["standalone_rpc_proxy.call.d0394295-0000-4000-8000-000000000000",
             "srcservice.go.2eee95fe-0000-4000-8000-000000000000"]
    context = headers(nameko__user_id=7, nameko__language="en", nameko__call_id_stack=stack)
    records = Records(tmp_path)
    with host_of_the_page(tmp_path, wire, "nameko events") as host:
        for body in (b'{"a": 1}', b'{"order_id": 12}', b'"msg"'):
            wire.publish("orders.events", "eventtype", body, *AS_OSLO[:4], context)
        plain, order, text = records.wait(3)
        assert host.dead() == []
    for event in (plain, order, text):
        assert (event["source"], event["type"]) == ("orders", "eventtype")
        assert re.fullmatch("[0-9a-f]{32}", event["id"])
        assert event["attributes"]["userid"] == "7"
        assert event["attributes"]["language"] == "en"
    assert [event["subject"] for event in (plain, order, text)] == [None, "12", None]
    assert [event["data"] for event in (plain, order, text)] == ['{"a": 1}', '{"order_id": 12}', '"msg"']


def test_a_foreign_exchange_that_the_broker_lost_is_bound_again(tmp_path: Path, wire: Wire, broker: Broker) -> None:
    nova = {"exchange": "openstack", "declare": "passive", "routing_keys": "notifications.*",
            "dialect": {"kind": "json", "attributes": {"id": {"body": "/message_id"}, "type": {"body": "/event_type"}}}}
    routes = ({"name": "nova", "source": {"service": "nova"}}, {"name": "any", "source": {"events": "compute.#"}})
    wire.declare("openstack", durable=False)
    records = Records(tmp_path)
    with recording_host(tmp_path, wire, *routes, sources={"nova": nova}) as host:
        wire.publish("openstack", "notifications.info", OSLO_1.encode(), *AS_OSLO)
        records.wait(2)
        broker.restart()
        wait_for("the host looks for the exchange", lambda: "start what declares it" in host.log_text())
        wire.declare("openstack", durable=False)
        wait_for("it is bound to the lane and to all", lambda: wire.bindings("openstack") == 2)
        wait_for("both lanes are consumed again", lambda: wire.consumers() == 2)
        wire.publish("openstack", "notifications.info", OSLO_1.encode(), *AS_OSLO)
        assert len({event["id"] for event in records.wait(4)}) == 1


def test_an_event_with_its_id_in_the_body_is_known_after_a_cut(tmp_path: Path, wire: Wire, broker: Broker) -> None:
    legacy = {"dialect": {"kind": "json", "attributes": {"id": {"body": "/id"}, "act": {"body": "/act"}}}}
    records = Records(tmp_path)
    route = {"name": "r", "source": {"service": "legacy"}}
    with recording_host(tmp_path, wire, route, sources={"legacy": legacy}) as host:
        wire.publish("legacy", "made", b'{"id": "a", "act": "wait"}', "delivery_mode=2")
        records.wait(1)
        broker.stop()
        (tmp_path / "records.go").touch()  # It ends while the broker cannot be told.
        broker.start()
        wait_for("the lane is consumed again", wire.consumers)
        wire.publish("legacy", "made", b'{"id": "b"}', "delivery_mode=2")
        wait_for("the other came", lambda: "b" in [event["id"] for event in records.all()])
        host.wait_idle("r/recorder")
        assert [event["id"] for event in records.all()] == ["a", "b"]


def test_a_foreign_exchange_that_is_named_wrongly_is_said_with_the_fix(tmp_path: Path, wire: Wire) -> None:
    wire.declare("openstack", durable=False)
    route = {"name": "nova", "source": {"service": "nova"}}
    active = recording_host(tmp_path / "active", wire, route, sources={"nova": {"exchange": "openstack"}})
    with pytest.raises(AssertionError, match=r"set declare: passive for its source in bus\.sources"):
        active.start()
    passive = recording_host(tmp_path / "passive", wire, route, sources={"nova": {"declare": "passive"}})
    with pytest.raises(AssertionError, match=r"no exchange 'nova'.*; start what declares it, or take declare: passive"):
        passive.start()


CORE = {"specversion": "1.0", "id": "1", "source": "tracker", "type": "made", "subject": "s/1"}


@pytest.mark.parametrize("prefix", ["cloudEvents___", "cloudEvents_", "ce-"])
def test_cloudevents_are_read_with_every_prefix(tmp_path: Path, wire: Wire, prefix: str) -> None:
    records = Records(tmp_path)
    with recording_host(tmp_path, wire, {"name": "r", "source": {"service": "tracker"}}):
        fields = headers(**{prefix + name: value for name, value in CORE.items()}, **TRACE)
        wire.publish("tracker", "made", b'{"a": 1}', "content_type=application/json", fields)
        event = records.wait(1)[0]
    assert (event["id"], event["source"], event["type"], event["subject"]) == ("1", "tracker", "made", "s/1")
    assert event["data"] == '{"a": 1}'
    assert {name: event["attributes"][name] for name in TRACE} == TRACE


def test_cloudevents_are_read_in_structured_mode_and_written_as_configured(tmp_path: Path, wire: Wire) -> None:
    dialects: dict[str, dict[str, str]] = {"b": {"prefix": "ce-"}, "s": {"form": "json"}, "j": {"kind": "json"}}
    sources = {name: {"dialect": dialect} for name, dialect in dialects.items()}
    routes = ({"name": name, "source": {"service": name}} for name in ("tracker", *sources))
    records = Records(tmp_path)
    with recording_host(tmp_path, wire, *routes, sources=sources) as host:
        body = json.dumps({**CORE, "data": {"a": 1}})
        wire.publish("tracker", "made", body.encode(), "content_type=application/cloudevents+json; charset=utf-8",
                     headers(**TRACE))
        event = records.wait(1)[0]
        assert (event["id"], event["source"], event["type"], event["subject"]) == ("1", "tracker", "made", "s/1")
        assert {name: event["attributes"][name] for name in TRACE} == TRACE
        for source in sources:
            wire.listen(f"copy.{source}", source)
            host.publish([{**CORE, **TRACE, "source": source, "datacontenttype": "application/json", "data": {"a": 1}}])
        for event in records.wait(4)[1:]:
            assert (event["id"], event["type"], event["subject"]) == ("1", "made", "s/1")
            assert json.loads(event["data"]) == {"a": 1}
            assert {name: event["attributes"][name] for name in TRACE} == TRACE
        binary, structured, plain = (wire.get(f"copy.{source}") for source in sources)
    assert binary["ce-id"] == plain["cloudEvents:id"] == "1"
    assert binary["content_type"] == plain["content_type"] == "application/json"
    assert binary["body"] == plain["body"] == '{"a": 1}'
    for name, value in TRACE.items():
        assert binary[name] == binary[f"ce-{name}"] == plain[name] == value
    assert structured["content_type"] == "application/cloudevents+json"
    assert json.loads(structured["body"])["traceparent"] == TRACE["traceparent"]


def test_a_trace_goes_through_retries_dead_letters_and_emits_unchanged(tmp_path: Path, wire: Wire) -> None:
    wire.declare("legacy")
    wire.declare("derived")
    wire.listen("copy", "derived")
    legacy = {"dialect": {"kind": "json", "attributes": {"act": {"body": "/act"}}}}
    retry = {"max_attempts": 2, "initial": "100ms", "max": "100ms"}
    records = Records(tmp_path)
    with recording_host(tmp_path, wire, {"name": "r", "source": {"service": "legacy"}, "retry": retry},
                        sources={"legacy": legacy}) as host:
        wire.publish("legacy", "made", b'{"act": "retry"}', headers(**TRACE))
        wait_for("it is dead", lambda: len(host.dead()) == 1)
        host.command("dead", "replay", "--all")
        events = records.wait(4)
        wire.publish("legacy", "made", b'{"act": "emit"}', headers(**TRACE))
        events = records.wait(5)
        emitted = wait_for("the emit", lambda: wire.get("copy"))
    assert [event["attempt"] for event in events] == [1, 2, 1, 2, 1]
    assert len({event["id"] for event in events[:4]}) == 1
    for event in events:
        assert {name: event["attributes"][name] for name in TRACE} == TRACE
    for name, value in TRACE.items():
        assert emitted[name] == emitted[f"cloudEvents:{name}"] == value


def test_what_a_source_does_not_take_is_refused_to_its_publisher(tmp_path: Path, wire: Wire) -> None:
    sources = {"j": {"dialect": {"kind": "json"}}, "nova": {"routing_keys": "notifications.*"}}
    with recording_host(tmp_path, wire, {"name": "r", "source": {"service": "j"}}, sources=sources) as host:
        for event, why in (
            ({**CORE, "source": "j", "data_base64": "/w=="}, "data: is no well-formed JSON in UTF-8"),
            ({**CORE, "source": "nova"}, "only messages with the routing keys notifications.* are events of it"),
        ):
            done = host.command("publish", "--file", "-", check=False, stdin=json.dumps(event) + "\n")
            assert done.returncode == 1
            assert why in done.stdout + done.stderr
