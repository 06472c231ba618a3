"""`on_dead_letter`: `stop`: a dead letter stops its lane until it is gone, or until a person goes on past it; `park`:
later events of its key wait."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from broker import Broker
from running_host import PYTHON, RunningHost, event, wait_for

CHOOSY = Path(__file__).parent / "choosy.py"
Bus = Callable[[], dict[str, Any]]
LANE = "stories/choosy"


def story(number: int, **more: Any) -> dict[str, Any]:
    return event(number, data={"number": number, "title": "one"}, **more)


class Stopping:
    """A host with a lane that refuses stories without a title, and another one that takes all."""

    def __init__(self, folder: Path, bus: dict[str, Any], host: dict[str, Any] | None = None, **route: Any) -> None:
        self.folder = folder
        self.paths = {name: folder / name for name in ("choosy", "other")}
        source = {"events": ["story.#"]}
        self.routes = [{"name": "stories", "source": source, "to": ["choosy"], "on_dead_letter": "stop", **route},
                       {"name": "others", "source": source, "to": ["other"]}]
        self.plugins = [{"name": name, "run": [str(PYTHON), str(CHOOSY), str(path)]}
                        for name, path in self.paths.items()]
        self.host = RunningHost(folder, bus=bus, host=host, routes=self.routes, plugins=self.plugins)

    def handled(self, by: str = "choosy") -> list[str]:
        path = self.paths[by]
        return [json.loads(line)["id"] for line in path.read_text().splitlines()] if path.exists() else []

    def state(self) -> str:
        return str(self.host.lane(LANE)["state"])

    def wait_for_state(self, state: str) -> None:
        wait_for(f"the lane is {state!r}", lambda: self.state() == state)

    def letters(self) -> list[int]:
        return [int(letter["dead_id"]) for letter in self.host.dead() if letter["lane"] == LANE]

    def bury(self, number: int) -> int:
        """One without a title; the id of its letter."""
        before = self.letters()
        self.host.publish([event(number)])
        wait_for("it is dead", lambda: len(self.letters()) > len(before))
        return self.letters()[-1]

    def publish_in_vain(self, *numbers: int) -> None:
        """Good ones, which the other lane gets and the stopped one does not."""
        before = self.handled()
        self.host.publish([story(number) for number in numbers])
        wait_for("the other lane has them", lambda: {f"e{n}" for n in numbers} <= set(self.handled("other")))
        assert self.handled() == before

    def wait_until_handled(self, *numbers: int) -> None:
        wait_for("they are handled", lambda: {f"e{n}" for n in numbers} <= set(self.handled()))

    def mend(self, letter: int) -> None:
        file = self.folder / "data.json"
        file.write_text('{"title": "one"}')
        self.host.command("dead", "edit", str(letter), "--data", str(file))


def test_a_dead_letter_stops_its_lane_until_it_was_replayed(tmp_path: Path, bus: Bus) -> None:
    config = bus()
    stopping = Stopping(tmp_path, config)
    with stopping.host as host:
        stopping.wait_for_state("running")
        letter = stopping.bury(1)
        assert stopping.state() == "dead letter"
        stopping.publish_in_vain(2, 3)
        wait_for("the host knows the letter", lambda: int(host.lane(LANE).get("stopped_by", 0)) == letter)
        said = f"lane {LANE}: stopped by dead letter {letter} (NO_TITLE, event e1): see `outboard dead show {letter}`"
        assert said in host.command("status").stdout
        assert said in host.command("lane", "list").stdout
        stopping.mend(letter)
        host.command("dead", "replay", str(letter))
        stopping.wait_until_handled(1, 2, 3)
        if config["kind"] == "embedded":
            assert stopping.handled() == ["e1", "e2", "e3"]
        stopping.wait_for_state("running")
        # One that is replayed as it is dies again.
        letter = stopping.bury(4)
        host.command("dead", "replay", str(letter))
        wait_for("it died again", lambda: stopping.letters() not in ([], [letter]))
        stopping.publish_in_vain(5)
        host.command("dead", "purge", "--lane", LANE, "--yes")
        stopping.wait_for_state("running")
        assert not host.lane(LANE).get("advice")


def test_a_purge_has_the_lane_go_on(tmp_path: Path, bus: Bus) -> None:
    stopping = Stopping(tmp_path, bus())
    with stopping.host as host:
        stopping.bury(1)
        stopping.publish_in_vain(2)
        host.command("dead", "purge", "--lane", LANE, "--yes")
        stopping.wait_until_handled(2)
        stopping.wait_for_state("running")


def test_a_person_goes_on_past_a_letter_until_the_next(tmp_path: Path, bus: Bus) -> None:
    stopping = Stopping(tmp_path, bus())
    with stopping.host as host:
        letter = stopping.bury(1)
        stopping.publish_in_vain(2)
        assert f"goes on past its dead letters up to {letter}" in host.command("lane", "resume", LANE).stdout
        stopping.wait_until_handled(2)
        # Also over a restart.
        assert host.stop() == 0
        host.start()
        host.publish([story(3)])
        stopping.wait_until_handled(3)
        assert stopping.letters() == [letter]
        stopping.bury(4)
        stopping.publish_in_vain(5)
        host.command("dead", "purge", "--event", "e4", "--yes")
        stopping.wait_until_handled(5)
        assert stopping.letters() == [letter]


def test_a_killed_host_begins_with_the_lane_stopped(tmp_path: Path, bus: Bus) -> None:
    stopping = Stopping(tmp_path, bus())
    with stopping.host as host:
        stopping.wait_for_state("running")
        host.publish([event(1), *(story(n) for n in range(2, 200))])
        wait_for("the letter is there", lambda: stopping.letters())
        host.kill()
        before = stopping.handled()
        host.start()
        stopping.publish_in_vain(300)
        assert stopping.handled() == before
        assert stopping.state() == "dead letter"
        host.command("dead", "purge", "--lane", LANE, "--yes")
        stopping.wait_until_handled(*range(2, 200), 300)


def test_a_pause_and_a_dead_letter_do_not_undo_each_other(tmp_path: Path, bus: Bus) -> None:
    stopping = Stopping(tmp_path, bus())
    with stopping.host as host:
        letter = stopping.bury(1)
        host.command("lane", "pause", LANE)
        host.command("dead", "purge", "--lane", LANE, "--yes")
        stopping.publish_in_vain(2)
        assert stopping.state() == "stopped"
        host.command("lane", "resume", LANE)
        stopping.wait_until_handled(2)
        letter = stopping.bury(3)
        wait_for("the host knows the letter", lambda: int(host.lane(LANE).get("stopped_by", 0)) == letter)
        host.command("lane", "pause", LANE)
        said = host.command("lane", "resume", LANE).stdout
        assert f"not paused any more, and still stopped by dead letter {letter}" in said
        stopping.publish_in_vain(4)
        host.command("lane", "resume", LANE)
        stopping.wait_until_handled(4)


def test_a_reload_begins_and_ends_it(tmp_path: Path, bus: Bus) -> None:
    stopping = Stopping(tmp_path, bus(), on_dead_letter="continue")
    with stopping.host as host:
        stopping.bury(1)
        host.publish([story(2)])
        stopping.wait_until_handled(2)
        stopping.routes[0]["on_dead_letter"] = "stop"
        host.write_config(routes=stopping.routes)
        assert "on_dead_letter" in host.command("reload").stdout
        stopping.publish_in_vain(3)
        assert stopping.state() == "dead letter"
        stopping.routes[0]["on_dead_letter"] = "continue"
        host.write_config(routes=stopping.routes)
        host.command("reload")
        stopping.wait_until_handled(3)


def test_a_letter_of_a_stage_stops_the_lane(tmp_path: Path) -> None:
    stager = [str(PYTHON), str(Path(__file__).parent / "stager.py"), str(tmp_path / "stage")]
    stopping = Stopping(tmp_path, {"kind": "embedded"}, stages=["stager"])
    stopping.host.write_config(plugins=[{"name": "stager", "run": stager}, *stopping.plugins])
    with stopping.host as host:
        host.publish([story(1, stage="reject")])
        stopping.wait_for_state("dead letter")
        stopping.publish_in_vain(2)
        host.command("lane", "resume", LANE)
        stopping.wait_until_handled(2)


def test_the_letter_of_one_replica_stops_the_others(tmp_path: Path, broker: Broker) -> None:
    url = broker.url(broker.new_vhost())
    one, two = (Stopping(tmp_path / name, {"kind": "rabbitmq", "url": url}, host={"replica": name})
                for name in ("one", "two"))
    with one.host, two.host:
        for replica in (one, two):
            replica.wait_for_state("running")
        one.host.publish([event(1)])
        for replica in (one, two):
            replica.wait_for_state("dead letter")
        two.host.command("dead", "purge", "--lane", LANE, "--yes")
        for replica in (one, two):
            replica.wait_for_state("running")


class Parking(Stopping):
    """The same with `park`: stories of one subject wait behind a dead letter of theirs."""

    def __init__(self, folder: Path, **route: Any) -> None:
        super().__init__(folder, {"kind": "embedded"}, on_dead_letter="park", delivery={"order_by": "subject"}, **route)

    def parked(self) -> tuple[int, int]:
        lane = self.host.lane(LANE)
        return int(lane.get("parked", 0)), int(lane.get("parked_keys", 0))

    def waiting(self) -> dict[str, int]:
        return {letter["event_id"]: int(letter.get("waiting", 0)) for letter in self.host.dead()
                if letter["lane"] == LANE}


def of(subject: str, number: int) -> dict[str, Any]:
    return story(number, subject=subject)


def test_later_events_of_a_key_wait_behind_its_dead_letter(tmp_path: Path) -> None:
    parking = Parking(tmp_path)
    with parking.host as host:
        host.publish([event(1, subject="a"), of("a", 2), of("b", 3), of("a", 4)])
        parking.wait_until_handled(3)
        wait_for("two wait", lambda: parking.parked() == (2, 1))
        assert parking.waiting() == {"e1": 2}
        [letter] = parking.letters()
        assert "2 later events of its key" in host.command("dead", "show", str(letter)).stdout
        said = f"lane {LANE}: 2 events of 1 key wait behind dead letters: `outboard dead list --lane {LANE}`"
        assert said in host.command("status").stdout
        assert said in host.command("lane", "list").stdout
        assert parking.state() == "running"
        parking.mend(letter)
        host.command("dead", "replay", str(letter))
        parking.wait_until_handled(1, 2, 3, 4)
        assert [name for name in parking.handled() if name != "e3"] == ["e1", "e2", "e4"]
        assert parking.parked() == (0, 0)
        assert not host.lane(LANE).get("advice")


def test_what_waits_outlives_a_killed_host(tmp_path: Path) -> None:
    parking = Parking(tmp_path)
    with parking.host as host:
        host.publish([event(1, subject="a"), *(of("ab"[n % 2], n) for n in range(2, 400))])
        wait_for("the letter is there", parking.letters)
        host.kill()
        host.start()
        others = [n for n in range(2, 400) if n % 2]
        parking.wait_until_handled(*others)
        wait_for("all others of its key wait", lambda: parking.parked() == (199, 1))
        assert not {f"e{n}" for n in range(2, 400) if n % 2 == 0} & set(parking.handled())
        host.kill()
        host.start()
        host.command("dead", "purge", "--lane", LANE, "--yes")
        parking.wait_until_handled(*range(2, 400))
        waited = [int(name[1:]) for name in dict.fromkeys(parking.handled()) if int(name[1:]) % 2 == 0]
        assert waited == sorted(waited)


def test_beyond_park_limit_the_lane_stops(tmp_path: Path) -> None:
    parking = Parking(tmp_path, park_limit=2)
    with parking.host as host:
        host.publish([event(1, subject="a"), of("a", 2), of("a", 3), of("b", 4)])
        parking.wait_until_handled(4)
        assert parking.state() == "running"
        host.publish([of("a", 5)])
        parking.wait_for_state("dead letter")
        parking.publish_in_vain(6)
        assert "no more may wait" in host.command("status").stdout
        # Room by a reload.
        parking.routes[0]["park_limit"] = 3
        host.write_config(routes=parking.routes)
        host.command("reload")
        parking.wait_until_handled(6)
        host.command("dead", "purge", "--lane", LANE, "--yes")
        parking.wait_until_handled(2, 3, 5)
        assert [n for n in parking.handled() if n in ("e2", "e3", "e5")] == ["e2", "e3", "e5"]


def test_or_what_would_have_to_wait_becomes_a_dead_letter(tmp_path: Path) -> None:
    parking = Parking(tmp_path, park_limit=1, park_overflow="dead")
    with parking.host as host:
        host.publish([event(1, subject="a"), of("a", 2), of("a", 3), of("b", 4)])
        parking.wait_until_handled(4)
        wait_for("it is dead", lambda: {letter["reason"] for letter in host.dead()} == {"NO_TITLE", "PARK_FULL"})
        assert parking.waiting() == {"e1": 1, "e3": 0}
        parking.mend(parking.letters()[0])
        host.command("dead", "replay", "--lane", LANE)
        parking.wait_until_handled(1, 2, 3, 4)
        assert [name for name in parking.handled() if name != "e4"] == ["e1", "e2", "e3"]


def test_a_reload_lets_go_what_waits(tmp_path: Path) -> None:
    parking = Parking(tmp_path)
    with parking.host as host:
        host.publish([event(1, subject="a"), of("a", 2)])
        wait_for("one waits", lambda: parking.parked() == (1, 1))
        parking.routes[0]["on_dead_letter"] = "continue"
        host.write_config(routes=parking.routes)
        host.command("reload")
        parking.wait_until_handled(2)
        assert parking.parked() == (0, 0)
