"""A config that changes while the host runs: `outboard reload`, SIGHUP, pause and resume."""

from __future__ import annotations

import functools
import signal
import threading
from pathlib import Path
from typing import Any

import grpc
import outboard
import pytest
from broker import Broker
from reloading import changes, plugin, publishing, refused, reload, replaced, route, wait_until_all_serve
from running_host import BIN, Ledger, RunningHost, event, events, faulty_until, wait_for


@pytest.fixture(params=["embedded", "rabbitmq"])
def bus(request: pytest.FixtureRequest) -> dict[str, Any]:
    if request.param == "embedded":
        return {"kind": "embedded"}
    broker: Broker = request.getfixturevalue("broker")
    return {"kind": "rabbitmq", "url": broker.url(broker.new_vhost())}


def test_a_changed_plugin_is_replaced_new_before_old_and_others_do_not_notice(
    tmp_path: Path, bus: dict[str, Any]
) -> None:
    changing, other = (Ledger(tmp_path / name) for name in ("changing", "other"))
    slow = ("--mode", "slow:2ms", "--concurrency", "8")
    both = [plugin(tmp_path, "changing", *slow, instances=2), plugin(tmp_path, "other", *slow)]
    routes = [route("a", "changing"), route("b", "other")]
    with RunningHost(tmp_path, plugins=both, routes=routes, bus=bus, host={"name": "reloading"}) as host:
        wait_until_all_serve(host)
        other_pids = host.pids("other")
        old_pids = host.pids("changing")
        with publishing(host) as ids:
            wait_for("events flow", lambda: changing.size() > 100)
            for version in ("2.0", "3.0"):
                both[0] = plugin(tmp_path, "changing", *slow, "--version-name", version, instances=2)
                host.write_config(plugins=both)
                said = reload(host)
                assert changes(said) == [("changed", "plugin", "changing")]
                assert said["applied"]
                assert host.plugin("changing")["version"] == version

                wait_for("the former instances are gone", functools.partial(replaced, host, "changing", old_pids, 2))
                old_pids = host.pids("changing")
        host.wait_idle("a/changing")
        host.wait_idle("b/other")
        assert host.pids("other") == other_pids
        assert host.plugin("other").get("restarts", 0) in (0, "0")
        assert host.dead() == []
    # A drain gives nothing back that was handled: all exactly once.
    assert changing.handled() == dict.fromkeys(ids, 1)
    assert other.handled() == dict.fromkeys(ids, 1)


def test_routes_and_plugins_come_and_go(tmp_path: Path, bus: dict[str, Any]) -> None:
    ledgers = {name: Ledger(tmp_path / name) for name in ("one", "two", "three")}
    plugins = [plugin(tmp_path, name) for name in ("one", "two")]
    routes = [route("a", "one"), route("b", "two", "task.*")]
    with RunningHost(tmp_path, plugins=plugins, routes=routes, bus=bus, host={"name": "coming"}) as host:
        wait_until_all_serve(host)
        first = host.publish(list(events(20)))
        host.wait_idle("a/one")
        one = host.pids("one")
        gone = host.pids("two")
        host.write_config(
            plugins=[plugins[0], plugin(tmp_path, "three")], routes=[routes[0], route("c", "three"), route("d", "one")]
        )
        dry = reload(host, "--dry-run")
        assert not dry.get("applied")
        assert host.pids("two") == gone
        said = reload(host)
        assert changes(said) == changes(dry) == [
            ("added", "plugin", "three"), ("removed", "plugin", "two"),
            ("added", "route", "c"), ("added", "route", "d"), ("removed", "route", "b"),
        ]
        assert host.pids("one") == one
        wait_for("the removed plugin has ended", lambda: not Path(f"/proc/{gone[0]}").exists())
        second = host.publish([*events(20, 20), event(99, kind="task.put")])
        for lane in ("a/one", "c/three", "d/one"):
            host.wait_idle(lane)
        states = {lane["name"]: lane["state"] for lane in host.status()["lanes"]}
        assert states == {"a/one": "running", "c/three": "running", "d/one": "running", "b/two": "orphan"}
        # And back, under the same names.
        host.write_config(plugins=plugins, routes=routes)
        assert reload(host)["applied"]
        third = host.publish([event(100, kind="task.put")])
        host.wait_idle("b/two")
        assert host.pids("one") == one
    assert set(ledgers["one"].handled()) == {*first, *second, *third}
    assert set(ledgers["three"].handled()) == set(second)
    assert set(ledgers["two"].handled()) == set(third)


def test_a_route_that_changes_keeps_its_backlog(tmp_path: Path) -> None:
    """Its retry in place, its filter on the bus, its order by a new lane of the same name."""
    ledger = Ledger(tmp_path / "one")
    plugins = [plugin(tmp_path, "one", "--mode", "slow:2ms", "--concurrency", "4")]
    with RunningHost(tmp_path, plugins=plugins, routes=[route("a", "one")]) as host:
        wait_until_all_serve(host)
        pids = host.pids("one")
        ids = host.publish(list(events(1000)))
        host.write_config(routes=[route("a", "one", retry={"max_attempts": 3})])
        said = reload(host)
        assert said["changes"][0]["details"] == ["retry.max_attempts: 12 -> 3"]
        ids += host.publish(list(events(300, 1000)))
        host.write_config(routes=[route("a", "one", delivery={"order_by": "subject"})])
        assert reload(host)["applied"]
        ids += host.publish(list(events(300, 1300)))
        host.write_config(routes=[route("a", "one", "task.*", delivery={"order_by": "subject"})])
        assert reload(host)["applied"]
        host.publish(list(events(10, 5000)))  # Not any more.
        ids += host.publish([event(6000, kind="task.put")])
        host.wait_idle("a/one")
        assert host.pids("one") == pids
        assert host.dead() == []
    assert ledger.handled() == dict.fromkeys(ids, 1)


BAD: dict[str, tuple[tuple[str, ...], dict[str, Any], str]] = {
    "does not start": (("--at-start", "exit:3"), {}, "did not come up: ended before it answered Describe"),
    "no such file": ((), {"run": ["/nowhere/plugin"]}, "did not come up"),
    "config is wrong": (("--config-error", "no such table"), {}, "no such table"),
    "another component": (("--component", "else"), {}, "did not come up"),
    "refuses to open": (("--at-open", "end-error"), {}, "did not come up"),
    "never ready": (("--at-describe", "hang"), {"start_timeout": "1s"}, "within start_timeout"),
}


@pytest.mark.parametrize("why", BAD)
def test_a_plugin_that_does_not_come_up_rolls_back(tmp_path: Path, why: str) -> None:
    flags, more, told = BAD[why]
    ledger = Ledger(tmp_path / "one")
    to = "one.faulty"
    with RunningHost(tmp_path, plugins=[plugin(tmp_path, "one")], routes=[route("a", to)]) as host:
        first = host.publish(list(events(10)))
        bad = {**plugin(tmp_path, "one", *flags), **more}
        host.write_config(plugins=[bad, plugin(tmp_path, "two")], routes=[route("a", to), route("b", "two")])
        said = refused(host)
        assert "plugin one did not come up" in said
        assert told in said
        second = host.publish(list(events(10, 10)))
        host.wait_idle(f"a/{to}")
        assert host.plugin("one")["instances"][0]["state"] == "ready"
        # Mended, it is taken.
        host.write_config(plugins=[plugin(tmp_path, "one", "--version-name", "1.1"), plugin(tmp_path, "two")])
        assert len(reload(host)["changes"]) == 3
        third = host.publish(list(events(10, 20)))
        for lane in (f"a/{to}", "b/two"):
            host.wait_idle(lane)
    assert ledger.handled() == dict.fromkeys([*first, *second, *third], 1)


def test_what_did_not_come_up_leaves_nothing_behind(tmp_path: Path) -> None:
    """Another plugin, component and pipeline in the place of those that were tried."""
    ledgers = {name: Ledger(tmp_path / name) for name in ("one", "three")}
    several = plugin(tmp_path, "one", "--component", "a", "--component", "b", "--component", "c")
    with RunningHost(tmp_path, plugins=[several], routes=[route("a", "one.a")]) as host:
        slow = plugin(tmp_path, "two", "--at-describe", "hang", start_timeout="1s", grace="3s")
        host.write_config(plugins=[several, slow], routes=[route("a", "one.a"), route("b", "one.b"), route("c", "two")])
        done = host.command("reload", check=False)
        assert "plugin two did not come up" in done.stderr
        # At once, while what was tried still ends.
        host.write_config(plugins=[several, plugin(tmp_path, "three")],
                          routes=[route("a", "one.a"), route("d", "one.c"), route("e", "three")])
        assert reload(host)["applied"]
        ids = host.publish(list(events(20)))
        for lane in ("a/one.a", "d/one.c", "e/three"):
            host.wait_idle(lane)
        assert [p["name"] for p in host.status()["plugins"]] == ["one", "three"]
        wait_for("the other one has ended", lambda: any(
            "plugin=two" in line and ("stopped" in line or "ended" in line) for line in host.log_text().splitlines()))
        assert host.stop() == 0
    assert ledgers["one"].handled() == dict.fromkeys(ids, 2)
    assert ledgers["three"].handled() == dict.fromkeys(ids, 1)


def test_a_bad_config_changes_nothing_and_says_all_that_is_wrong(tmp_path: Path) -> None:
    with RunningHost(tmp_path, plugins=[plugin(tmp_path, "one")], routes=[route("a", "one")]) as host:
        host.write_config(routes=[route("a", "nobody"), {**route("b", "one"), "sorce": {}}])
        said = refused(host, code=2)
        assert "nobody" in said
        assert "sorce" in said
        assert f"{host.config}:" in said
        host.write_config(routes=[route("a", "one")], host={**host._settings["host"], "http": "127.0.0.1:0"})
        assert "only a restart of the host can bring this in force: host.http:" in refused(host)
        host.write_config(host={**host._settings["host"], "http": ""},
                          plugins=[{"name": "one", "address": "127.0.0.1:1"}])
        assert "plugin one goes from run to address" in refused(host)
        assert "no plugin two" in refused(host, "--replace", "two", "--dry-run", code=2)


def test_sighup_reloads_and_says_so(tmp_path: Path) -> None:
    plugins = [plugin(tmp_path, "one")]
    with RunningHost(tmp_path, plugins=plugins, routes=[route("a", "one")]) as host:
        assert host.process is not None
        host.write_config(plugins=[plugin(tmp_path, "one", "--version-name", "2.0")])
        host.process.send_signal(signal.SIGHUP)
        wait_for("the new version serves", lambda: host.plugin("one")["version"] == "2.0")
        wait_for("it is logged", lambda: "config reloaded" in host.log_text())
        host.write_config(routes=[route("a", "nobody")])
        host.process.send_signal(signal.SIGHUP)
        wait_for("the failure is logged", lambda: "the config was not reloaded, all is as before" in host.log_text())
        assert host.stop() == 0


def test_replace_takes_a_program_that_was_changed_in_its_place(tmp_path: Path) -> None:
    with RunningHost(tmp_path, plugins=[plugin(tmp_path, "one", instances=2)], routes=[route("a", "one")]) as host:
        wait_until_all_serve(host)
        before = host.pids("one")
        said = host.command("reload", "--replace", "one").stdout
        assert said == "~ plugin one: its instances are replaced\nin force\n"
        wait_for("all are others", lambda: replaced(host, "one", before, 2))
        assert host.command("reload").stdout == "the config file changes nothing\n"


def test_what_is_set_aside_is_tried_anew_by_a_program_that_was_mended_in_its_place(tmp_path: Path) -> None:
    mended = tmp_path / "mended"
    ledger = Ledger(tmp_path / "ledger")
    one = faulty_until(mended, "--ledger", str(ledger.path), name="one", restart={"initial": "50ms", "max": "100ms"},
                       circuit={"crashes": 50, "within": "60s", "trial_after": "1s"})
    with RunningHost(tmp_path, plugins=[one], routes=[route("a", "one")]) as host:
        ids = host.publish([event(1)])
        wait_for("it is set aside", lambda: any(s.get("set_aside") for s in host.plugin("one").get("suspects", [])))
        mended.touch()
        host.command("reload", "--replace", "one")
        ids += host.publish([event(2)])  # No control: of another build, though of the same version.
        host.wait_idle("a/one")
        assert host.dead() == []
    assert set(ledger.handled()) == set(ids)


def test_a_host_that_is_stopped_in_a_reload_drains(tmp_path: Path) -> None:
    with RunningHost(tmp_path, plugins=[plugin(tmp_path, "one")], routes=[route("a", "one")]) as host:
        assert host.process is not None
        wait_until_all_serve(host)
        host.write_config(plugins=[plugin(tmp_path, "one", "--at-describe", "hang")])
        host.process.send_signal(signal.SIGHUP)
        wait_for("the new instance starts", lambda: len(host.pids("one")) == 2)
        assert host.stop() == 0


def test_pipelines_change_under_calls(tmp_path: Path) -> None:
    pipeliner = {"name": "p", "run": [str(BIN / "outboard-pipeliner"), str(tmp_path / "records")]}
    one = {"name": "one", "stages": ["p.first", "p.second"]}
    two = {"name": "one", "stages": ["p.second"]}
    extra = {"name": "extra", "stages": ["p.first"]}
    with RunningHost(tmp_path, plugins=[pipeliner], routes=[], pipelines=[one]) as host:
        answers: list[str] = []
        over = threading.Event()

        def call() -> None:
            with outboard.Pipelines(f"unix:{host.socket}") as calls:
                while not over.is_set():
                    try:
                        answers.append(str(calls.invoke("one", "does_nothing").value))
                    except outboard.InvokeError as error:
                        answers.append(f"{error.code}: {error}")

        wait_for("it answers", lambda: host.status()["pipelines"][0]["stages"][0]["state"] == "running")
        threads = [threading.Thread(target=call) for _ in range(3)]
        for thread in threads:
            thread.start()
        for pipelines in ([two], [one, extra], [two, extra], [one]):
            host.write_config(pipelines=pipelines)
            assert reload(host)["applied"]
            assert [p["name"] for p in host.status()["pipelines"]] == [p["name"] for p in pipelines]
        over.set()
        for thread in threads:
            thread.join()
        assert set(answers) == {"None"}
        with outboard.Pipelines(f"unix:{host.socket}") as calls, pytest.raises(outboard.InvokeError) as gone:
            calls.invoke("extra", "does_nothing")
        assert gone.value.code == grpc.StatusCode.NOT_FOUND


def test_a_lane_is_paused_and_resumed(tmp_path: Path, bus: dict[str, Any]) -> None:
    ledgers = [Ledger(tmp_path / name) for name in ("one", "two")]
    plugins = [plugin(tmp_path, name) for name in ("one", "two")]
    routes = [route("a", "one", delivery={"order_by": "subject"}), route("b", "two")]
    with RunningHost(tmp_path, plugins=plugins, routes=routes, bus=bus, host={"name": "pausing"}) as host:
        first = host.publish(list(events(100)))
        host.wait_idle("a/one")
        host.command("lane", "pause", "a/one")
        assert host.lane("a/one")["state"] == "stopped"
        second = host.publish(list(events(100, 100)))
        host.wait_idle("b/two")
        assert set(ledgers[0].handled()) == set(first)
        # A reload leaves it as it is.
        host.write_config(plugins=[plugin(tmp_path, "one", "--version-name", "2"), plugins[1]])
        assert reload(host)["applied"]
        third = host.publish([event(300)])
        host.wait_idle("b/two")
        assert host.lane("a/one")["state"] == "stopped"
        assert set(ledgers[0].handled()) == set(first)
        # And so does a restart.
        assert host.stop() == 0
        host.start()
        third += host.publish([event(301)])
        host.wait_idle("b/two")
        assert host.lane("a/one")["state"] == "stopped"
        assert set(ledgers[0].handled()) == set(first)
        host.command("lane", "resume", "a/one")
        host.wait_idle("a/one")
        assert host.lane("a/one")["state"] == "running"
        unknown = host.command("lane", "pause", "a/two", check=False)
        assert unknown.returncode == 1
        assert "no lane a/two" in unknown.stderr
    for ledger in ledgers:
        assert ledger.handled() == dict.fromkeys([*first, *second, *third], 1)
