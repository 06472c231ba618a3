"""`outboard why`: what became of an event, and what it waits for, on both buses and over restarts of the host."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from running_host import PYTHON, RunningHost, event, wait_for

HERE = Path(__file__).parent
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
Bus = Callable[[], dict[str, Any]]


class Lineal:
    """A host with a lane stories/lineal.work."""

    def __init__(self, folder: Path, bus: dict[str, Any], *, routes: list[dict[str, Any]] | None = None,
                 host: dict[str, Any] | None = None, **route: Any) -> None:
        self.go = folder / "go"
        self.has_log = bus["kind"] == "embedded"
        source = {"service": "storyboard", "events": ["story.post"]}
        self.host = RunningHost(
            folder, bus=bus, host=host,
            plugins=[{"name": "lineal", "run": [str(PYTHON), str(HERE / "lineal.py"), str(self.go)],
                      "restart": {"initial": "50ms", "max": "200ms"}},
                     {"name": "stager", "run": [str(PYTHON), str(HERE / "stager.py"), str(folder / "stages")]}],
            routes=[{"name": "stories", "source": source, "to": ["lineal.work"], **route}, *(routes or [])])

    def publish(self, number: int, act: str = "", **more: Any) -> str:
        [name] = self.host.publish([event(number, **({"act": act} if act else {}), **more)])
        return name

    def why(self, name: str, *flags: str) -> Any:
        """All that is told; nothing where the event is not known."""
        done = self.host.command("why", name, "--json", *flags, check=False)
        assert done.returncode in (0, 1), done.stderr
        return json.loads(done.stdout) if done.returncode == 0 else None

    def lane(self, name: str, lane: str = "stories/lineal.work") -> dict[str, Any]:
        """What one lane did with the only event of this id; nothing: it is not known there."""
        told = self.why(name)
        assert told is None or len(told["events"]) == 1
        lanes = told["events"][0]["lanes"] if told else []
        return next((dict(one) for one in lanes if one["lane"] == lane), {})

    def wait_state(self, name: str, state: str, **more: Any) -> dict[str, Any]:
        def reached() -> dict[str, Any] | None:
            lane = self.lane(name, **more)
            return lane if lane.get("state") == state else None

        found: dict[str, Any] = wait_for(f"{name} is {state}", reached)
        return found


def outcomes(lane: dict[str, Any]) -> list[str]:
    return [turn["outcome"] for turn in lane["turns"]]


def test_what_went_straight_through_and_what_was_retried(tmp_path: Path, bus: Bus) -> None:
    lineal = Lineal(tmp_path, bus())
    with lineal.host as host:
        lineal.publish(1, traceparent=f"00-{TRACE}-00f067aa0ba902b7-01")
        lineal.publish(2, "retry")

        def check() -> None:
            retried = lineal.wait_state("e2", "done")
            assert outcomes(retried) == ["retry", "done"]
            assert retried["turns"][0]["reason"] == "BUSY"
            assert retried["turns"][0]["plugin_version"] == "3.1"
            assert all(turn["microseconds"] > 0 and turn["instance"] == "0" for turn in retried["turns"])
            assert retried["turns"][1]["component"] == "lineal.work"
            assert retried["attempts"] == 1
            assert not retried["straight_through"]
            if lineal.has_log:
                straight = lineal.wait_state("e1", "done")
                assert straight["straight_through"]
                assert straight["turns"] == []
                told = lineal.why("e1")["events"][0]
                assert (told["trace_id"], told["subject"], told["offset"]) == (TRACE, "story/1", 1)
            else:
                unknown = host.command("why", "e1", check=False)
                assert unknown.returncode == 1
                assert "settled without incident here, or was never with this host" in unknown.stderr

        check()
        text = host.command("why", "e2").stdout
        assert "stories/lineal.work: done" in text
        assert "BUSY" in text
        host.kill()
        host.start()
        check()


def test_an_unknown_id_is_told_with_where_it_was_looked_for(tmp_path: Path, bus: Bus) -> None:
    lineal = Lineal(tmp_path, bus())
    with lineal.host as host:
        lineal.publish(1)
        unknown = host.command("why", "e9", check=False)
        assert unknown.returncode == 1
        assert "no event e9; searched: " in unknown.stderr
        if lineal.has_log:
            assert "the bus's log of 1 events since 20" in unknown.stderr
            assert "outboard tail" in unknown.stderr
        assert host.command("why", check=False).returncode == 2


def test_a_halt_names_its_stage_and_a_dead_letter_its_id(tmp_path: Path, bus: Bus) -> None:
    lineal = Lineal(tmp_path, bus(), stages=["stager"])
    with lineal.host as host:
        lineal.publish(1, stage="halt")
        lineal.publish(2, "reject")
        halted = lineal.wait_state("e1", "dropped")
        assert halted["reason"] == "stager"
        assert outcomes(halted) == ["halt"]
        dead = lineal.wait_state("e2", "dead")
        assert (dead["reason"], dead["message"]) == ("NOT_OURS", "not for us")
        assert outcomes(dead) == ["reject"]
        assert [letter["dead_id"] for letter in host.dead()] == [dead["dead_id"]]
        assert f"outboard dead show {dead['dead_id']}" in host.command("why", "e2").stdout
        host.command("dead", "purge", str(dead["dead_id"]), "--yes")
        assert lineal.wait_state("e2", "replayed")["reason"] == "NOT_OURS"


def test_an_event_that_kills_is_told_until_it_is_convicted(tmp_path: Path, bus: Bus) -> None:
    lineal = Lineal(tmp_path, bus())
    with lineal.host as host:
        lineal.publish(1, "die")

        def waits_for() -> str:
            return next((str(wait["kind"]) for wait in lineal.lane("e1").get("waits", [])), "")

        wait_for("it is set aside", lambda: waits_for() == "aside")
        aside = lineal.lane("e1")
        assert aside["waits"][0]["ends"] == 2
        assert "exited with 3" in aside["waits"][0]["detail"]
        assert outcomes(aside) == ["lost"] * 3
        assert [turn["instance"][:1] for turn in aside["turns"]] == ["0", "q", "q"]
        assert "set aside: it ended 2 processes alone" in host.command("why", "e1").stdout
        lineal.publish(2)
        dead = lineal.wait_state("e1", "dead")
        assert dead["reason"] == "CRASHED"
        assert "exited with 3" in dead["turns"][-1]["message"]


def test_what_an_event_waits_behind(tmp_path: Path, bus: Bus) -> None:
    lineal = Lineal(tmp_path, bus(), delivery={"order_by": "subject"})
    with lineal.host as host:
        lineal.publish(1, "hold", subject="story/7")
        lineal.publish(2, subject="story/7")
        behind = lineal.wait_state("e2", "waiting")
        wait_for("it waits for its key", lambda: lineal.lane("e2")["waits"][0]["kind"] == "key")
        behind = lineal.lane("e2")["waits"][0]
        assert (behind["event_id"], behind["key"]) == ("e1", "story/7")
        first = lineal.lane("e1")["waits"][0]
        assert (first["kind"], first["component"], first["instance"]) == ("answer", "lineal.work", "0")
        assert "behind event e1, which has its key story/7: outboard why e1" in host.command("why", "e2").stdout
        lineal.publish(3, "later", subject="story/8")
        retrying = lineal.wait_state("e3", "retrying")
        assert retrying["waits"][0]["until"] > retrying["turns"][0]["at"]
        assert retrying["attempts"] == 1
        lineal.go.touch()
        if lineal.has_log:
            lineal.wait_state("e2", "done")
            assert lineal.lane("e1")["straight_through"]
        else:
            wait_for("both are done", lambda: lineal.why("e2") is None and lineal.why("e1") is None)


def test_a_retry_that_the_bus_has_says_when_it_is_due(tmp_path: Path, bus: Bus) -> None:
    lineal = Lineal(tmp_path, bus())
    with lineal.host as host:
        lineal.publish(1, "later")
        before = lineal.wait_state("e1", "retrying")
        host.kill()
        host.start()
        after = lineal.wait_state("e1", "retrying")
        assert after["waits"][0]["until"] == before["waits"][0]["until"]
        assert outcomes(after) == ["retry"]


@pytest.mark.parametrize("bus", ["embedded"], indirect=True)
def test_a_paused_lane_is_what_its_events_wait_for(tmp_path: Path, bus: Bus) -> None:
    lineal = Lineal(tmp_path, bus())
    with lineal.host as host:
        host.command("lane", "pause", "stories/lineal.work")
        lineal.publish(1)
        assert lineal.wait_state("e1", "waiting")["waits"][0]["kind"] == "stopped"
        assert "outboard lane resume stories/lineal.work" in host.command("why", "e1").stdout


@pytest.mark.parametrize("bus", ["embedded"], indirect=True)
def test_of_a_lane_that_is_not_reliable_it_says_that_nothing_is_kept(tmp_path: Path, bus: Bus) -> None:
    lineal = Lineal(tmp_path, bus(), delivery={"reliable": False})
    with lineal.host as host:
        lineal.publish(1)
        assert lineal.wait_state("e1", "unkept")["turns"] == []
        said = "stories/lineal.work: not with this host now; how it ended is not kept (reliable: false)"
        assert said in host.command("why", "e1").stdout
        lineal.publish(2, "reject")
        assert lineal.wait_state("e2", "dead")["reason"] == "NOT_OURS"


@pytest.mark.parametrize("bus", ["embedded"], indirect=True)
def test_what_waits_behind_a_dead_letter_names_it(tmp_path: Path, bus: Bus) -> None:
    lineal = Lineal(tmp_path, bus(), on_dead_letter="park", delivery={"order_by": "subject"})
    with lineal.host as host:
        lineal.publish(1, "reject", subject="story/7")
        dead = lineal.wait_state("e1", "dead")["dead_id"]
        lineal.publish(2, subject="story/7")

        def behind() -> dict[str, Any] | None:
            waits = lineal.lane("e2").get("waits", [])
            return dict(waits[0]) if waits and waits[0]["kind"] == "letter" else None

        wait = wait_for("it waits behind the letter", behind)
        assert (wait["key"], wait["dead_id"]) == ("subject=story/7", dead)
        said = f"waits      behind dead letter {dead} (subject=story/7): outboard dead show {dead}"
        assert said in host.command("why", "e2").stdout
        host.command("dead", "purge", str(dead), "--yes")
        lineal.wait_state("e2", "done")


def test_what_was_emitted_is_followed_both_ways_over_a_restart(tmp_path: Path, bus: Bus) -> None:
    source = {"service": "storyboard", "events": ["story.child"]}
    children = {"name": "children", "source": source, "to": ["lineal.put"]}
    lineal = Lineal(tmp_path, bus(), routes=[children])
    with lineal.host as host:
        lineal.publish(1, "emit")
        lane = lineal.wait_state("e1", "done")
        assert lane["emitted_count"] == 2
        names = [child["event_id"] for child in lane["emitted"]]
        assert len(set(names)) == 2
        for name in names:
            placed = lineal.wait_state(name, "done", lane="children/lineal.put")
            assert placed["offset"] == 42
            assert outcomes(placed) == ["done"]
        assert "put at     42" in host.command("why", names[0]).stdout
        host.kill()
        host.start()
        told = lineal.why(names[0])["events"][0]
        assert [(parent["event_id"], parent["lane"]) for parent in told["parents"]] == [("e1", "stories/lineal.work")]
        [root] = lineal.why(names[0], "--tree")["tree"]
        assert (root["event_id"], root["asked"]) == ("e1", False)
        assert [(child["event_id"], child["asked"]) for child in root["children"]] == [
            (name, name == names[0]) for name in names]
        text = host.command("why", "e1", "--tree").stdout
        assert text.splitlines()[0].startswith("> e1  story.post  stories/lineal.work: done")
        assert f"\n  - {names[1]}  story.child  children/lineal.put: done" in text


def test_without_lineage_it_tells_what_the_bus_knows(tmp_path: Path, bus: Bus) -> None:
    lineal = Lineal(tmp_path, bus(), host={"lineage": False})
    with lineal.host:
        lineal.publish(1, "retry")
        lineal.publish(2, "reject")
        dead = lineal.wait_state("e2", "dead")
        assert outcomes(dead) == ["reject"], "as the letter has it"
        if lineal.has_log:
            assert lineal.wait_state("e1", "done")["turns"] == []
        assert not (Path(lineal.host.data) / "lineage.jsonl").exists()
