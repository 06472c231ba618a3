"""Dead letters as people work with them: found, understood, mended and given back, on both buses."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from running_host import BIN, PYTHON, RunningHost, event, wait_for

CHOOSY = Path(__file__).parent / "choosy.py"
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
Bus = Callable[[], dict[str, Any]]


class Stories:
    """A host with a lane stories/choosy."""

    def __init__(self, folder: Path, bus: dict[str, Any], **route: Any) -> None:
        self.path = folder / "handled"
        self.host = RunningHost(
            folder, bus=bus,
            plugins=[{"name": "choosy", "run": [str(PYTHON), str(CHOOSY), str(self.path)]}],
            routes=[{"name": "stories", "source": {"events": ["story.#"]}, "to": ["choosy"], **route}])

    def handled(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.path.read_text().splitlines()] if self.path.exists() else []

    def bury(self, *events: dict[str, Any]) -> list[dict[str, Any]]:
        before = len(self.host.dead())
        self.host.publish(list(events))
        wait_for("all are dead", lambda: len(self.host.dead()) == before + len(events))
        return self.host.dead()[before:]

    def said(self, *words: str) -> Any:
        return json.loads(self.host.command("dead", *words, "--json").stdout)


def test_letters_are_found_by_what_is_known_of_them(tmp_path: Path, bus: Bus) -> None:
    stories = Stories(tmp_path, bus())
    with stories.host:
        stories.bury(event(1, subject="story/1"), event(2, subject="story/2", tenant="a"),
                     event(3, kind="story.put", subject="story/2"))

        def found(*words: str) -> list[str]:
            listed = stories.said("list", *words)
            assert listed["total"] == len(listed["letters"])
            return [letter["event_id"] for letter in listed["letters"]]

        assert found() == ["e1", "e2", "e3"]
        assert found("--route", "stories", "--target", "choosy", "--reason", "NO_TITLE") == ["e1", "e2", "e3"]
        assert found("--route", "other") == []
        assert found("--plugin-version", "2.1", "--subject", "story/2") == ["e2", "e3"]
        assert found("--plugin-version", "2.0") == []
        assert found("--type", "*.put") == ["e3"]
        assert found("--source", "storyboard", "--attribute", "tenant=a") == ["e2"]
        assert found("--event", "e1") == ["e1"]
        assert found("--since", "1h") == ["e1", "e2", "e3"]
        assert found("--before", "1h") == []
        wrong = stories.host.command("dead", "list", "--type", "story.p*", check=False)
        assert wrong.returncode == 2
        assert "story.p*" in wrong.stderr


def test_letters_of_one_cause_are_one_group(tmp_path: Path, bus: Bus) -> None:
    stories = Stories(tmp_path, bus())
    with stories.host:
        stories.bury(*(event(n, subject=f"story/{n}") for n in range(5)))
        stories.bury(event(7, act="refuse"))
        groups = stories.said("group")["groups"]
        assert [group["count"] for group in groups] == [5, 1]
        assert groups[0]["reason"] == "NO_TITLE"
        assert groups[0]["error"] == "no title in story * of *"
        assert groups[0]["lane"] == "stories/choosy"
        assert groups[0]["plugin_version"] == "2.1"
        listed = stories.said("list", "--group", groups[0]["group"])["letters"]
        assert [letter["event_id"] for letter in listed] == [f"e{n}" for n in range(5)]
        assert groups[0]["example_dead_id"] == listed[-1]["dead_id"]
        assert {letter["group"] for letter in listed} == {groups[0]["group"]}
        text = stories.host.command("dead", "group").stdout
        assert f"outboard dead replay --group {groups[0]['group']}" in text


def test_a_letter_shows_its_life(tmp_path: Path, bus: Bus) -> None:
    made = bus()
    stories = Stories(tmp_path, made, retry={"max_attempts": 3, "initial": "20ms", "max": "40ms"})
    with stories.host:
        letter = stories.bury(event(1, act="busy", traceparent=f"00-{TRACE}-00f067aa0ba902b7-01"))[0]
        shown = stories.said("show", str(letter["dead_id"]))
        assert shown["event"]["id"] == "e1"
        assert shown["trace_id"] == TRACE
        assert shown["plugin_version"] == "2.1"
        assert shown["accepted_at"] <= shown["died_at"]
        assert (shown["offset"] == 1) == (made["kind"] == "embedded")
        assert [(turn["outcome"], turn["reason"], turn["message"]) for turn in shown["history"]] == [
            ("retry", "BUSY", "busy with e1")] * 3
        assert sorted(turn["at"] for turn in shown["history"]) == [turn["at"] for turn in shown["history"]]
        text = stories.host.command("dead", "show", str(letter["dead_id"])).stdout
        assert text.count("busy with e1") == 4
        assert f"trace        {TRACE}" in text


@pytest.mark.parametrize("bus", ["embedded"], indirect=True)
def test_turns_in_memory_are_in_the_history_too(tmp_path: Path, bus: Bus) -> None:
    retry = {"max_attempts": 2, "initial": "20ms", "max": "40ms"}
    stories = Stories(tmp_path, bus(), retry=retry, delivery={"order_by": "subject"})
    with stories.host:
        letter = stories.bury(event(1, act="busy"))[0]
        history = stories.said("show", str(letter["dead_id"]))["history"]
        assert [turn["outcome"] for turn in history] == ["retry", "retry"]


def test_an_edited_event_goes_to_its_lane_and_says_so(tmp_path: Path, bus: Bus) -> None:
    stories = Stories(tmp_path, bus())
    with stories.host:
        letters = stories.bury(event(1), event(2))
        number = letters[0]["dead_id"]
        fixed = tmp_path / "fixed.json"
        fixed.write_text(json.dumps({"number": 1, "title": "one"}))
        said = stories.said("edit", str(number), "--data", str(fixed), "--set", "tenant=a")
        assert said["changed"]
        assert '+     "title": "one"' in said["diff"]
        shown = stories.said("show", str(number))
        assert shown["event"]["data"] == {"number": 1}, "the letter keeps its event"
        assert shown["edited"]["data"] == {"number": 1, "title": "one"}
        assert shown["edited"]["outboardedited"] == str(number)
        assert [letter["is_edited"] for letter in stories.host.dead()] == [True, False]
        stories.host.command("dead", "replay", str(number))
        handled = wait_for("it is handled", stories.handled)
        assert handled == [{"id": "e1", "data": {"number": 1, "title": "one"}, "attributes": handled[0]["attributes"]}]
        assert handled[0]["attributes"]["outboardedited"] == str(number)
        assert handled[0]["attributes"]["tenant"] == "a"
        assert [letter["event_id"] for letter in stories.host.dead()] == ["e2"]


def test_an_edit_is_checked_like_a_published_event(tmp_path: Path, bus: Bus) -> None:
    stories = Stories(tmp_path, bus())
    with stories.host:
        number = str(stories.bury(event(1))[0]["dead_id"])
        for flag, text in (("id=e9", "must stay what they were"), ("type=task.put", "must stay what they were"),
                           ("No=1", "No")):
            refused = stories.host.command("dead", "edit", number, "--set", flag, check=False)
            assert refused.returncode in (1, 2)
            assert text in refused.stderr
        assert not stories.host.dead()[0]["is_edited"]
        stories.host.command("dead", "edit", number, "--set", "title=x")
        assert '-   "title": "x"' in stories.host.command("dead", "edit", number, "--undo", "--dry-run").stdout
        assert stories.host.dead()[0]["is_edited"], "a dry run changes nothing"
        assert stories.said("edit", number, "--undo")["changed"]
        assert not stories.host.dead()[0]["is_edited"]
        assert not stories.said("edit", number, "--undo")["changed"]
        missing = stories.host.command("dead", "edit", "77", "--set", "a=b", check=False)
        assert missing.returncode == 1
        assert "no dead letter 77" in missing.stderr


def test_an_edit_outlives_the_host(tmp_path: Path, bus: Bus) -> None:
    stories = Stories(tmp_path, bus())
    with stories.host:
        number = str(stories.bury(event(1))[0]["dead_id"])
        fixed = tmp_path / "fixed.json"
        fixed.write_text(json.dumps({"number": 1, "title": "one"}))
        stories.host.command("dead", "edit", number, "--data", str(fixed))
        stories.host.kill()
        stories.host.start()
        stories.host.command("dead", "replay", number)
        assert wait_for("it is handled", stories.handled)[0]["data"]["title"] == "one"


def test_many_letters_are_given_back_at_a_rate_and_an_interruption_loses_none(tmp_path: Path, bus: Bus) -> None:
    stories = Stories(tmp_path, bus())
    with stories.host:
        stories.bury(*(event(n, act="refuse") for n in range(40)))
        group = stories.said("group")["groups"][0]["group"]
        dry = stories.said("replay", "--group", group, "--dry-run")
        assert dry == {"replayed": 40, "stayed": 0, "dry_run": True}
        assert len(stories.host.dead()) == 40
        # They are refused again, so each that was given back is a letter with two turns.
        first = stories.host.dead()[0]["dead_id"]
        replay = subprocess.Popen(
            [BIN / "outboard", "dead", "replay", "--group", group, "--rate", "10", "--socket", stories.host.socket],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        wait_for("some are given back", lambda: all(one["dead_id"] != first for one in stories.host.dead()))
        replay.send_signal(signal.SIGINT)
        _, said = replay.communicate(timeout=60)
        assert replay.returncode == 1
        count = int(re.search(r"interrupted: (\d+) of 40 dead letters are given back", said).group(1))  # type: ignore[union-attr]
        assert 0 < count < 40
        letters = wait_for("all are dead again", lambda: len(stories.host.dead()) == 40 and stories.host.dead())
        assert sorted(letter["event_id"] for letter in letters) == sorted(f"e{n}" for n in range(40))
        turns = [len(stories.said("show", str(letter["dead_id"]))["history"]) for letter in letters]
        assert sorted(turns) == [1] * (40 - count) + [2] * count


def test_a_purge_says_first_what_it_would_do(tmp_path: Path, bus: Bus) -> None:
    stories = Stories(tmp_path, bus())
    with stories.host:
        stories.bury(event(1), event(2, act="refuse"))
        assert stories.said("purge", "--reason", "NO_TITLE", "--dry-run")["purged"] == 1
        unsure = stories.host.command("dead", "purge", "--reason", "NO_TITLE", check=False)
        assert unsure.returncode == 2
        assert len(stories.host.dead()) == 2
        assert stories.said("purge", "--reason", "NO_TITLE", "--yes")["purged"] == 1
        left = stories.host.dead()
        assert [letter["event_id"] for letter in left] == ["e2"]
        none = stories.host.command("dead", "purge", "--reason", "NO_TITLE")
        assert none.stdout == "nothing to delete: there are no such dead letters\n"
        for flag in ("--yes", "--dry-run"):
            missing = stories.host.command("dead", "purge", str(left[0]["dead_id"]), "7777777", flag, check=False)
            assert missing.returncode == 1
            assert "no dead letter 7777777, and none was deleted" in missing.stderr
        assert [letter["event_id"] for letter in stories.host.dead()] == ["e2"]


def test_a_purge_deletes_only_what_a_person_was_told_of(tmp_path: Path, bus: Bus) -> None:
    stories = Stories(tmp_path, bus())
    with stories.host:
        stories.bury(event(1), event(2))
        ours, its = pty.openpty()
        purge = subprocess.Popen([BIN / "outboard", "dead", "purge", "--reason", "NO_TITLE",
                                  "--socket", stories.host.socket], stdin=its, stderr=its, stdout=subprocess.PIPE)
        os.close(its)
        said = b""
        while b"[y/N]" not in said:
            said += os.read(ours, 1000)
        assert b"Delete 2 dead letters for good?" in said
        stories.bury(event(3))
        os.write(ours, b"y\n")
        out, _ = purge.communicate(timeout=60)
        os.close(ours)
        assert (purge.returncode, out) == (0, b"deleted 2 dead letters\n")
        assert [letter["event_id"] for letter in stories.host.dead()] == ["e3"]
