"""`outboard publish` against a real host: what it says of what was published, and how to go on after a stop."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from running_host import BIN, RunningHost, event, faulty, wait_for

ROUTE = {"name": "all", "source": {"service": "storyboard"}, "to": ["faulty"]}


@pytest.fixture
def host(tmp_path: Path) -> Iterator[RunningHost]:
    with RunningHost(tmp_path / "host", plugins=[faulty()], routes=[ROUTE]) as running:
        yield running


def test_an_event_that_no_route_takes_is_accepted_and_said_to_match_none(host: RunningHost) -> None:
    done = host.command("publish", "--type", "story.post", "--source", "elsewhere")
    assert "matched: 0" in done.stdout
    assert "no route of this host takes type story.post from source elsewhere" in done.stderr
    said = json.loads(host.command("publish", "--type", "story.post", "--source", "storyboard", "--json").stdout)
    assert said["matched"] == 1
    assert said["confirmed"] is True


def test_a_bad_line_stops_a_file_and_the_rest_can_go_on_from_there(tmp_path: Path, host: RunningHost) -> None:
    path = tmp_path / "feed.ndjson"
    lines = [json.dumps(event(n)) for n in range(20)]
    path.write_text("\n".join([*lines[:10], "{broken", *lines[10:]]) + "\n")
    done = host.command("publish", "--file", str(path), check=False)
    assert done.returncode == 1
    assert "feed.ndjson:11" in done.stderr
    path.write_text("\n".join([*lines[:10], "", *lines[10:]]) + "\n")
    host.command("publish", "--file", str(path), "--from-line", "11")
    wait_for("all are handled once", lambda: int(host.lane("all/faulty").get("done", 0)) == 20)


def interrupted_publish(host: RunningHost, *words: str, lines: list[str], after: int) -> tuple[int, str, str]:
    """Publishes lines from standard input, which stays open; Ctrl-C when so many are done. Exit code, out, err."""
    publish = subprocess.Popen(
        [BIN / "outboard", "publish", "-", "--socket", host.socket, *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert publish.stdin is not None
    publish.stdin.write("\n".join(lines) + "\n")
    publish.stdin.flush()
    wait_for(f"{after} are published", lambda: int(host.lane("all/faulty").get("done", 0)) >= after)
    publish.send_signal(signal.SIGINT)
    out, err = publish.communicate(timeout=60)
    return publish.returncode, out, err


@pytest.mark.parametrize("flags", [["--rate", "10"], []], ids=["paced", "waiting-for-input"])
def test_an_interrupted_publish_says_with_which_line_to_go_on(host: RunningHost, flags: list[str]) -> None:
    lines = [json.dumps(event(n)) for n in range(30 if flags else 8)]
    code, out, err = interrupted_publish(host, *flags, lines=lines, after=8)
    assert code == 1
    said = re.search(r"stopped; (\d+) events were confirmed, line (\d+) is the first that was not\n", err)
    assert said is not None, err
    confirmed, line = int(said[1]), int(said[2])
    assert 8 <= confirmed < 30
    assert line == confirmed + 1
    assert err.endswith(f"\ngo on with --from-line {line}\n")
    assert out.startswith(f"confirmed {confirmed} events")
    host.command("publish", "-", "--from-line", str(line), stdin="\n".join(lines))
    host.wait_idle("all/faulty")
    assert host.lane("all/faulty")["done"] == len(lines), "none is lost, none came twice"


def test_an_interrupted_publish_tells_programs_the_next_line(host: RunningHost) -> None:
    lines = [json.dumps(event(n)) for n in range(30)]
    flags = ["--rate", "10", "--from-line", "4", "--json"]
    code, out, _ = interrupted_publish(host, *flags, lines=lines, after=3)
    said = json.loads(out)
    assert code == said["error"]["code"] == 1
    assert said["next_line"] == said["confirmed"] + 4
