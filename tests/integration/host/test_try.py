"""`outboard try`: one plugin against events of a file."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from running_host import BIN, PYTHON, event

FAULTY = str(BIN / "outboard-faulty")
HERE = Path(__file__).parent


def run(*words: str | Path) -> subprocess.CompletedProcess[str]:
    command = [str(word) for word in (BIN / "outboard", "try", *words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


def sample(folder: Path, *events: dict[str, Any]) -> Path:
    file = folder / "events.ndjson"
    file.write_text("".join(json.dumps(e) + "\n" for e in events))
    return file


def test_each_event_has_its_verdict_in_the_order_of_the_file(tmp_path: Path) -> None:
    acts = ["change", "pass", "halt", "reject", "retry"]
    events = sample(tmp_path, *(event(i, stage=act) for i, act in enumerate(acts)))
    stager = (PYTHON, HERE / "stager.py", tmp_path / "notes")
    done = run("--json", "--event", events, *stager)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 1, "some failed"
    assert [line["id"] for line in lines] == ["e0", "e1", "e2", "e3", "e4"]
    assert [line["outcome"] for line in lines] == ["CONTINUE", "CONTINUE", "HALT", "REJECT", "RETRY"]
    assert lines[0]["event"]["data"] == {"changed": True}
    assert lines[3]["failure"]["reason"] == "ASKED"
    assert lines[4]["retry_after_seconds"] == 0.05
    shown = run("--event", events, *stager)
    assert "e3  story.post  REJECT ASKED: as asked" in shown.stdout
    assert shown.stdout.endswith("5 events, 2 failed\n")


def test_emits_and_offsets_are_shown_as_the_host_would_take_them(tmp_path: Path) -> None:
    events = sample(tmp_path, event(1), event(2))
    roles = ("--json", "--event", events)
    emits = run(*roles, "--component", "echo", BIN / "conform_roles")
    assert emits.returncode == 0
    first = json.loads(emits.stdout.splitlines()[0])["emits"]
    assert [(e["type"], e["data"], e["outboardhops"]) for e in first] == [("roles.echoed", {"number": 1}, 1)]
    offsets = run(*roles, "--component", "put", BIN / "conform_roles")
    assert json.loads(offsets.stdout.splitlines()[0])["offset"] == {"int": len('{"number": 1}')}


def test_what_is_wrong_is_told(tmp_path: Path) -> None:
    events = sample(tmp_path, event(1), event(2))
    for code, said, words in [
        (2, "which events? give them with --event FILE", (FAULTY,)),
        (2, "which component? say --component with one of echo, ordered", ("--event", events, BIN / "conform_roles")),
        (2, "has no component x; it has: faulty", ("--event", events, "--component", "x", FAULTY)),
        (1, "refuses its config: / smtp is missing", ("--event", events, FAULTY, "--config-error", "smtp is missing")),
        (1, "the process killed by SIGSEGV", ("--event", events, FAULTY, "--mode", "segv")),
        (1, "it broke answer.once", ("--event", events, FAULTY, "--mode", "twice")),
        (1, "unanswered: 2", ("--event", events, "--patience", "1", FAULTY, "--mode", "silent", "--every", "2")),
        (3, "nobody listens there", ("--event", events, "--start-timeout", "0.2", f"unix:{tmp_path}/none.sock")),
    ]:
        done = run(*words)
        assert (done.returncode, said in done.stderr) == (code, True), done
