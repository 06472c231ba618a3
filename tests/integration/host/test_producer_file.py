"""The file producer: lines of JSON, rotated."""

from __future__ import annotations

import json
from pathlib import Path

from producing import ProducingHost, assert_order, publish_and_kill
from running_host import event, events, wait_for


def lines(path: Path) -> list[str]:
    """All whole lines: those put aside first, the oldest before all."""
    aside = sorted(path.parent.glob(path.name + ".*"), key=lambda old: -int(old.suffix[1:]))
    return [line for file in [*aside, path] if file.exists() for line in file.read_text().split("\n")[:-1]]


def numbers(path: Path) -> list[int]:
    return [json.loads(line)["data"]["number"] for line in lines(path)]


def test_events_are_lines_and_files_are_rotated(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    with ProducingHost(tmp_path, "file", {"path": str(path), "max_size": "64KiB", "keep": 100}) as host:
        host.publish(list(events(3000)))
        host.wait_done(3000)
        assert sorted(numbers(path)) == list(range(3000))
        assert_order(numbers(path), 50)
        aside = list(tmp_path.glob("events.jsonl.*"))
        assert len(aside) > 3
        assert all(file.stat().st_size <= 65536 for file in [*aside, path])
        first = json.loads(lines(path)[0])
        assert {"specversion": "1.0", "source": "storyboard", "type": "story.post"}.items() <= first.items()
        assert host.stop() == 0


def test_kills_lose_nothing_and_keep_the_order(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    with ProducingHost(tmp_path, "file", {"path": str(path), "max_size": "256KiB", "keep": 100}) as host:
        ids = publish_and_kill(host, [list(events(3000, start)) for start in range(0, 12000, 3000)],
                               lambda: sum(file.stat().st_size for file in tmp_path.glob("events.jsonl*")))
        assert len(ids) == 12000
        assert set(numbers(path)) == set(range(12000))
        assert_order(numbers(path), 50)
        assert host.dead() == []


def test_two_instances_share_a_file(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    config = {"path": str(path), "fsync": "each", "max_size": "64KiB", "keep": 100}
    with ProducingHost(tmp_path, "file", config, plugin={"instances": 2}) as host:
        wait_for("both run", lambda: len(host.pids("file")) == 2)
        host.publish(list(events(3000)))
        host.wait_done(3000)
        assert sorted(numbers(path)) == list(range(3000))


def test_a_file_that_logrotate_took_is_begun_anew(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    with ProducingHost(tmp_path, "file", {"path": str(path)}) as host:
        host.publish([event(0)])
        host.wait_done(1)
        path.rename(path.with_name("events.jsonl.1"))
        host.publish([event(1)])
        host.wait_done(2)
        assert numbers(path) == [0, 1]
        assert len(path.read_text().splitlines()) == 1
