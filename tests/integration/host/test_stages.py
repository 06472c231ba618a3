"""Stages in front of a target: a real stage and a real worker, each in processes of its own."""

from __future__ import annotations

import json
import os
import random
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from running_host import PYTHON, Ledger, RunningHost, event, events, faulty, wait_for

HERE = Path(__file__).parent


class StagedHost(RunningHost):
    """stager.guard, then the recorder."""

    def __init__(self, folder: Path, bus: dict[str, Any], *, fail: str = "closed", **plugin: Any) -> None:
        self.staged = folder / "staged"
        self.recorded = folder / "recorded"
        stager = {"name": "stager", "run": [str(PYTHON), str(HERE / "stager.py"), str(self.staged)],
                  "restart": {"initial": "50ms", "max": "200ms"}, **plugin}
        recorder = {"name": "recorder", "run": [str(PYTHON), str(HERE / "recorder.py"), str(self.recorded)]}
        super().__init__(folder, bus=bus, plugins=[stager, recorder], routes=[
            {"name": "all", "source": {"service": "storyboard"}, "stages": [{"stage": "stager", "fail": fail}],
             "to": ["recorder"], "retry": {"initial": "50ms", "max": "1s", "max_attempts": 3}}])

    def walked(self) -> list[str]:
        return self.staged.read_text().splitlines() if self.staged.exists() else []

    def handled(self) -> dict[str, Any]:
        lines = self.recorded.read_text().splitlines() if self.recorded.exists() else []
        return {line["id"]: line for line in map(json.loads, lines)}


def acting(number: int, act: str, **extra: Any) -> dict[str, Any]:
    return event(number, stage=act, **extra)


def test_each_verdict_of_a_stage(tmp_path: Path, bus: Callable[[], dict[str, Any]]) -> None:
    with StagedHost(tmp_path, bus()) as host:
        host.publish([event(0), acting(1, "halt"), acting(2, "change"), acting(3, "retry-once"), acting(4, "reject"),
                      acting(5, "retry"), event(6, kind="task.put")])
        host.wait_idle("all/recorder")
        handled = host.handled()
        assert set(handled) == {"e0", "e2", "e3", "e6"}
        assert json.loads(handled["e2"]["data"]) == {"changed": True}
        assert handled["e3"]["attempt"] == 2
        assert "e6 pass 1" not in host.walked(), "its type is none that the stage hooks"
        assert {(letter["event_id"], letter["reason"], letter.get("attempts", 0)) for letter in host.dead()} == {
            ("e4", "ASKED", 0), ("e5", "ASKED", 3)}
        assert {letter["message"] for letter in host.dead()} == {"stage stager: as asked"}
        lane = host.lane("all/recorder")
        assert int(lane["done"]) == 4
        assert [(stage["name"], int(stage["halted"])) for stage in lane["stages"]] == [("stager", 1)]
        assert host.stop() == 0


def test_a_dead_letter_of_a_stage_is_replayed_through_it(tmp_path: Path, bus: Callable[[], dict[str, Any]]) -> None:
    with StagedHost(tmp_path, bus()) as host:
        host.publish([acting(1, "reject")])
        wait_for("it is dead", host.dead)
        host.command("dead", "replay", "--all")
        wait_for("it walked again", lambda: len(host.walked()) == 2)
        wait_for("it is dead again", host.dead)


def test_a_stage_that_dies_loses_nothing_and_its_killer_is_convicted(
        tmp_path: Path, bus: Callable[[], dict[str, Any]]) -> None:
    with StagedHost(tmp_path, bus(), circuit={"crashes": 20}) as host:
        ids = host.publish(list(events(300)))
        host.publish([acting(1000, "die")])
        ids += host.publish(list(events(300, 300)))
        ids += host.publish_until_dead(events(100_000, 2000), 120)
        wait_for("all others are handled", lambda: set(host.handled()) == set(ids), 120)
        [letter] = host.dead()
        assert (letter["event_id"], letter["reason"]) == ("e1000", "CRASHED")
        assert "exited with 3" in host.command("dead", "show", str(letter["dead_id"])).stdout
        assert host.stop() == 0


@pytest.mark.parametrize("act", ["retry", "die", "sleep"])
def test_a_stage_that_fails_open_lets_events_pass(tmp_path: Path, act: str) -> None:
    with StagedHost(tmp_path, {"kind": "embedded"}, fail="open", time_limit="500ms", circuit={"crashes": 50}) as host:
        host.publish([acting(1, act), event(2)])
        wait_for("both are handled", lambda: set(host.handled()) == {"e1", "e2"}, 120)
        assert host.handled()["e1"]["attempt"] == 1
        assert host.dead() == []


def test_an_absent_stage_holds_events_back_or_is_passed_by(tmp_path: Path) -> None:
    broken = {"run": ["/bin/false"]}
    with StagedHost(tmp_path / "open", {"kind": "embedded"}, fail="open", **broken) as host:
        host.publish([event(1)])
        wait_for("it passes", lambda: set(host.handled()) == {"e1"})
    with StagedHost(tmp_path / "closed", {"kind": "embedded"}, **broken) as host:
        host.publish([event(1)])
        wait_for("its circuit is open", lambda: host.lane("all/recorder")["state"] == "circuit")
        assert host.handled() == {}


def test_order_per_key_holds_through_a_stage_under_kills(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger")
    chance = random.Random(5)
    stager = {"name": "stager", "run": [str(PYTHON), str(HERE / "stager.py"), str(tmp_path / "staged")],
              "restart": {"initial": "50ms", "max": "200ms"}, "circuit": {"crashes": 50}}
    with RunningHost(
            tmp_path, plugins=[stager, faulty("--ledger", str(ledger.path), "--concurrency", "4")],
            routes=[{"name": "all", "source": {"service": "storyboard"}, "stages": ["stager"], "to": ["faulty"],
                     "delivery": {"order_by": "subject"}}]) as host:
        sent = [event(n, subject=f"story/{n % 20}", **({"stage": "retry-once"} if chance.random() < 0.02 else {}))
                for n in range(3000)]
        ids = host.publish(sent)
        for _ in range(3):
            for name in ("stager", "faulty"):
                wait_for("it runs", lambda n=name: host.pids(n))
                os.kill(host.pids(name)[0], signal.SIGKILL)
        wait_for("all is handled", lambda: set(ledger.handled()) == set(ids), 180)
        first = [int(id_[1:]) for id_ in dict.fromkeys(line[0] for line in ledger.lines())]
        for key in range(20):
            numbers = [n for n in first if n % 20 == key]
            assert numbers == sorted(numbers)
        assert host.dead() == []


def test_an_observer_neither_delays_nor_fails_an_event(tmp_path: Path, bus: Callable[[], dict[str, Any]]) -> None:
    seen, recorded = tmp_path / "seen", tmp_path / "recorded"
    plugins = [
        {"name": "watcher", "run": [str(PYTHON), str(HERE / "stager.py"), str(seen)], "time_limit": "1s",
         "restart": {"initial": "50ms", "max": "200ms"}},
        {"name": "recorder", "run": [str(PYTHON), str(HERE / "recorder.py"), str(recorded)]}]
    routes = [{"name": "all", "source": {"service": "storyboard"},
               "stages": [{"stage": "watcher", "observe": True}], "to": ["recorder"]}]
    with RunningHost(tmp_path, bus=bus(), plugins=plugins, routes=routes) as host:
        wait_for("the observer is there", lambda: host.lane("all/recorder")["stages"][0]["state"] == "running")
        ids = host.publish([acting(n, act) for n, act in enumerate(["", "halt", "reject", "retry", "sleep", "die"])])
        host.wait_idle("all/recorder")
        handled = [json.loads(line) for line in recorded.read_text().splitlines()]
        assert [(line["id"], line["attempt"]) for line in handled] == [(id_, 1) for id_ in ids]
        assert host.dead() == []
        wait_for("it has seen them", lambda: seen.exists() and len(seen.read_text().splitlines()) >= 5)
        [stage] = host.lane("all/recorder")["stages"]
        assert stage["observes"]
        assert int(stage["halted"]) == 1


def test_events_are_done_while_the_observer_has_them_in_hand(
        tmp_path: Path, bus: Callable[[], dict[str, Any]]) -> None:
    seen, recorded = tmp_path / "seen", tmp_path / "recorded"
    plugins = [
        {"name": "watcher", "run": [str(PYTHON), str(HERE / "stager.py"), str(seen)], "time_limit": "5m"},
        {"name": "recorder", "run": [str(PYTHON), str(HERE / "recorder.py"), str(recorded)]}]
    routes = [{"name": "all", "source": {"service": "storyboard"},
               "stages": [{"stage": "watcher", "observe": True}], "to": ["recorder"]}]
    with RunningHost(tmp_path, bus=bus(), plugins=plugins, routes=routes) as host:
        wait_for("the observer is there", lambda: host.lane("all/recorder")["stages"][0]["state"] == "running")
        ids = host.publish([acting(0, "hang"), *events(20, 1)])
        host.wait_idle("all/recorder")
        wait_for("it hangs", lambda: seen.exists() and seen.read_text() == "e0 hang 1\n")
        lane = host.lane("all/recorder")
        [stage] = lane["stages"]
        assert int(lane["done"]) == len(ids)
        assert int(stage.get("in_flight", 0)) > 0
        assert host.dead() == []


def test_a_stage_may_have_a_time_limit_on_one_route(tmp_path: Path) -> None:
    staged, recorded = tmp_path / "staged", tmp_path / "recorded"
    plugins = [
        {"name": "stager", "run": [str(PYTHON), str(HERE / "stager.py"), str(staged)]},
        {"name": "recorder", "run": [str(PYTHON), str(HERE / "recorder.py"), str(recorded)]}]
    routes = [{"name": "all", "source": {"service": "storyboard"},
               "stages": [{"stage": "stager", "fail": "open", "time_limit": "300ms"}], "to": ["recorder"]}]
    with RunningHost(tmp_path, plugins=plugins, routes=routes) as host:
        host.publish([acting(1, "sleep")])
        wait_for("it passes long before the plugin's limit of 30 s", recorded.exists, 20)


def test_a_drain_gives_back_what_is_between_stage_and_target(tmp_path: Path, bus: Callable[[], dict[str, Any]]) -> None:
    ledger = Ledger(tmp_path / "ledger")
    stager = {"name": "stager", "run": [str(PYTHON), str(HERE / "stager.py"), str(tmp_path / "staged")]}
    host = RunningHost(
        tmp_path, bus=bus(), host={"drain_timeout": "20s"},
        plugins=[stager, faulty("--ledger", str(ledger.path), "--mode", "slow:5ms", "--concurrency", "4")],
        routes=[{"name": "all", "source": {"service": "storyboard"}, "stages": ["stager"], "to": ["faulty"]}])
    with host:
        ids = host.publish(list(events(3000)))
        wait_for("some are handled", lambda: ledger.size() > 200)
        assert host.stop() == 0, "all that was over is settled"
        assert len(ledger.handled()) < len(ids)
        host.start()
        wait_for("all are handled", lambda: set(ledger.handled()) == set(ids))
        assert set(ledger.handled().values()) == {1}
