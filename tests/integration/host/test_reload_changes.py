"""Reloads of what changes in more than its program: filters, modes, names of components, addresses; and what fails."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from broker import Broker
from reloading import changes, plugin, publishing, refused, reload, replaced, route, wait_until_all_serve
from running_host import BIN, PYTHON, Ledger, RunningHost, event, events, wait_for
from test_remote import Far, free_port
from wire import Wire

Bus = Callable[[], dict[str, Any]]
SLOW = ("--mode", "slow:2ms", "--concurrency", "4")


def test_the_filter_of_a_mapped_source_changes(tmp_path: Path, broker: Broker) -> None:
    """On RabbitMQ, where its binding says nothing of the types."""
    wire = Wire(broker)
    wire.declare("openstack")
    attributes = {"id": {"body": "/id"}, "type": {"body": "/kind"}}
    nova = {"exchange": "openstack", "declare": "passive", "routing_keys": "notifications.*",
            "dialect": {"kind": "json", "attributes": attributes}}
    records = tmp_path / "records"

    def publish(id_: str, kind: str) -> None:
        wire.publish("openstack", "notifications.info", json.dumps({"id": id_, "kind": kind}).encode(),
                     "content_type=application/json")

    def recorded() -> list[str]:
        return [json.loads(line)["id"] for line in records.read_text().splitlines()] if records.exists() else []

    def routed(kind: str) -> list[dict[str, Any]]:
        return [{"name": "a", "source": {"service": "nova", "events": [kind]}, "to": ["recorder"]}]

    recorder = {"name": "recorder", "run": [str(PYTHON), str(Path(__file__).with_name("recorder.py")), str(records)]}
    with RunningHost(tmp_path, plugins=[recorder], routes=routed("compute.#"),
                     bus={"kind": "rabbitmq", "url": wire.url, "sources": {"nova": nova}}) as host:
        publish("c1", "compute.create")
        publish("n1", "network.create")
        wait_for("the first one", lambda: recorded() == ["c1"])
        host.wait_idle("a/recorder")
        pids = host.pids("recorder")
        host.write_config(routes=routed("network.#"))
        assert changes(reload(host)) == [("changed", "route", "a")]
        publish("c2", "compute.create")
        publish("n2", "network.create")
        wait_for("the second one", lambda: recorded() == ["c1", "n2"])
        host.wait_idle("a/recorder")
        assert recorded() == ["c1", "n2"]
        assert host.pids("recorder") == pids
        assert host.dead() == []


def test_the_filter_of_a_singleton_changes(tmp_path: Path, bus: Bus) -> None:
    """On RabbitMQ its queue is another then, and the former one an orphan that keeps what it has."""
    ledger = Ledger(tmp_path / "one")
    single = {"mode": "singleton"}
    config = bus()
    with RunningHost(tmp_path, plugins=[plugin(tmp_path, "one", *SLOW)], bus=config, host={"name": "single"},
                     routes=[route("a", "one", "story.*", delivery=single)]) as host:
        ids = host.publish(list(events(500)))
        host.write_config(routes=[route("a", "one", "task.*", delivery=single)])
        assert reload(host)["applied"]
        ids += host.publish([event(n, kind="task.put") for n in range(500, 600)])
        former = [lane["name"] for lane in host.status()["lanes"] if lane["name"].startswith("a/one@")]
        assert len(former) == (config["kind"] == "rabbitmq")
        for lane in former:
            host.command("lane", "forget", lane, "--to-dead")
            host.command("dead", "replay", "--all")
        host.publish([event(700)])  # Not any more.
        host.wait_idle("a/one")
        assert host.dead() == []
        assert [lane["name"] for lane in host.status()["lanes"]] == ["a/one"]
    assert ledger.handled() == dict.fromkeys(ids, 1)


def test_a_component_is_renamed_under_load(tmp_path: Path, bus: Bus) -> None:
    """Its lane is another then; what the former one still has can be given to it."""
    ledger = Ledger(tmp_path / "one")
    former, renamed = (plugin(tmp_path, "one", *SLOW, "--component", name) for name in ("old", "new"))
    with RunningHost(tmp_path, plugins=[former], routes=[route("a", "one.old")], bus=bus(),
                     host={"name": "renaming"}) as host:
        with publishing(host) as ids:
            wait_for("events flow", lambda: ledger.size() > 100)
            host.write_config(plugins=[renamed], routes=[route("a", "one.new")])
            assert reload(host)["applied"]
            size = ledger.size()
            wait_for("events flow on", lambda: ledger.size() > size + 100)
        states = {lane["name"]: lane["state"] for lane in host.status()["lanes"]}
        assert states == {"a/one.new": "running", "a/one.old": "orphan"}
        host.wait_idle("a/one.new")
        host.command("lane", "forget", "a/one.old", "--to-dead")
        kept = [letter["event_id"] for letter in host.dead()]
    assert {*ledger.handled(), *kept} == set(ids)


def test_a_version_that_fails_is_mended_by_the_next(tmp_path: Path, bus: Bus) -> None:
    """It ends with every event that it gets; none of them is to blame."""
    ledger = Ledger(tmp_path / "one")
    quick = {"circuit": {"trial_after": "1s"}, "restart": {"initial": "20ms", "max": "50ms"}}
    with RunningHost(tmp_path, plugins=[plugin(tmp_path, "one", "--mode", "segv", **quick)], routes=[route("a", "one")],
                     bus=bus(), host={"name": "mending"}) as host:
        ids = host.publish(list(events(100)))
        wait_for("its circuit is open", lambda: host.lane("a/one")["state"] == "circuit")
        host.write_config(plugins=[plugin(tmp_path, "one", "--version-name", "2.0", **quick)])
        assert reload(host)["applied"]
        ids += host.publish(list(events(100, 100)))
        host.wait_idle("a/one")
        assert host.dead() == []
        assert host.lane("a/one")["state"] == "running"
    assert set(ledger.handled()) == set(ids)


def test_what_does_not_come_up_under_load_loses_nothing(tmp_path: Path, bus: Bus) -> None:
    ledger = Ledger(tmp_path / "one")
    good = plugin(tmp_path, "one", *SLOW, instances=2)
    with RunningHost(tmp_path, plugins=[good], routes=[route("a", "one")], bus=bus(), host={"name": "rolling"}) as host:
        with publishing(host) as ids:
            wait_for("events flow", lambda: ledger.size() > 100)
            bad = plugin(tmp_path, "one", *SLOW, "--at-start", "exit:3", instances=2)
            host.write_config(plugins=[bad, plugin(tmp_path, "two")], routes=[route("a", "one"), route("b", "two")])
            assert "plugin one did not come up" in refused(host)
            size = ledger.size()
            wait_for("events flow on", lambda: ledger.size() > size + 100)
        host.wait_idle("a/one")
        assert host.dead() == []
    assert ledger.handled() == dict.fromkeys(ids, 1)


def test_a_remote_plugin_gets_another_address_under_load(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger")
    addresses = [f"127.0.0.1:{free_port()}" for _ in range(2)]
    with Far(tmp_path, addresses[0], *SLOW) as first, Far(tmp_path, addresses[1], *SLOW) as second:
        first.start()
        second.start("--version-name", "2.0")
        far = [{"name": "far", "address": address} for address in addresses]
        with RunningHost(tmp_path, plugins=far[:1], routes=[route("a", "far")]) as host:
            with publishing(host) as ids:
                wait_for("events flow", lambda: ledger.size() > 100)
                host.write_config(plugins=far[1:])
                assert changes(reload(host)) == [("changed", "plugin", "far")]
                wait_for("the former one is left alone", lambda: [
                    i["address"] for i in host.plugin("far")["instances"]] == [f"ipv4:{addresses[1]}"])
                # Nothing goes there any more: its end is none of the host's business.
                first.signal(signal.SIGKILL)
                size = ledger.size()
                wait_for("events flow on", lambda: ledger.size() > size + 100)
            host.wait_idle("a/far")
            assert host.plugin("far")["version"] == "2.0"
            assert host.dead() == []
            assert host.stop() == 0
    assert ledger.handled() == dict.fromkeys(ids, 1)


def test_plugins_of_several_shards_change_at_once(tmp_path: Path, bus: Bus) -> None:
    names = ("one", "two", "three")
    ledgers = {name: Ledger(tmp_path / name) for name in names}
    plugins = [plugin(tmp_path, name, *SLOW) for name in names]
    routes = [route(f"to-{name}", name) for name in names]
    with RunningHost(tmp_path, plugins=plugins, routes=routes, bus=bus(),
                     host={"name": "sharded", "shards": 2}) as host:
        wait_until_all_serve(host)
        before = {name: host.pids(name) for name in names}
        with publishing(host) as ids:
            wait_for("events flow", lambda: all(ledger.size() > 50 for ledger in ledgers.values()))
            host.write_config(plugins=[plugin(tmp_path, name, *SLOW, "--version-name", "2.0") for name in names])
            assert len(reload(host)["changes"]) == 3
            for name in names:
                wait_for(f"{name} is another", lambda name=name: replaced(host, name, before[name], 1))
        for name in names:
            host.wait_idle(f"to-{name}/{name}")
        host.write_config(routes=[{**routes[0], "stages": ["two"]}, *routes[1:]])
        assert "plugins one and two would have to be on one shard: restart the host" in refused(host)
    for ledger in ledgers.values():
        assert ledger.handled() == dict.fromkeys(ids, 1)


def test_the_host_answers_during_a_slow_reload(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "one")
    with RunningHost(tmp_path, plugins=[plugin(tmp_path, "one")], routes=[route("a", "one")]) as host:
        wait_until_all_serve(host)
        host.publish([event(0, faulty="reject")])
        host.write_config(plugins=[plugin(tmp_path, "one", "--at-describe", "hang")])
        with subprocess.Popen([BIN / "outboard", "reload", "--socket", host.socket], stdin=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL) as reloading:
            wait_for("the new instance starts", lambda: len(host.pids("one")) == 2)
            assert [letter["event_id"] for letter in host.dead()] == ["e0"]
            ids = host.publish(list(events(20, 1)))
            wait_for("they are handled", lambda: len(ledger.handled()) == 20)
            assert reloading.poll() is None
            assert host.stop() == 0
            assert reloading.wait(60) != 0
    assert ledger.handled() == dict.fromkeys(ids, 1)
