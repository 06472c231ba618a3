"""The other checks that hold logic: mirror, hygiene, sizes, what git knows."""

import subprocess
from pathlib import Path

import common
import hygiene
import mirror
import pytest
import sizes


def test_mirror_wants_a_test_for_each_pure_source() -> None:
    findings = mirror.compare({"host/lane/lane.cc", "host/shard/shard.cc"}, set(), set())
    assert [f.path for f in findings] == ["host/lane/lane.cc"]
    assert "tests/unit/lane/lane_test.cc" in findings[0].what


def test_mirror_wants_a_source_for_each_test() -> None:
    findings = mirror.compare({"host/lane/lane.cc"}, set(),
                              {"tests/unit/lane/lane_test.cc", "tests/unit/lane/story_test.cc"})
    assert [f.path for f in findings] == ["tests/unit/lane/story_test.cc"]


def test_mirror_takes_a_test_of_a_header_alone() -> None:
    assert mirror.compare(set(), {"host/base/status.h"}, {"tests/unit/base/status_test.cc"}) == []


def test_mirror_takes_a_test_of_a_proto() -> None:
    assert mirror.compare(set(), {"host/plugin/wire.proto"}, {"tests/unit/plugin/wire_test.cc"}) == []


def test_mirror_takes_tests_that_are_split_by_behaviour() -> None:
    tests = {"tests/unit/lane/lane_test.cc", "tests/unit/lane/lane_keys_test.cc"}
    assert mirror.compare({"host/lane/lane.cc"}, set(), tests) == []
    findings = mirror.compare(set(), {"host/lane/item.h"}, {"tests/unit/lane/item_keys_test.cc"})
    assert [f.path for f in findings] == ["tests/unit/lane/item_keys_test.cc"]


def test_mirror_leaves_the_tests_of_the_sdk_alone() -> None:
    assert mirror.compare(set(), set(), {"tests/unit/sdk_cpp/worker_test.cc"}) == []


def test_mirror_refuses_a_stale_exception(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mirror, "EXCEPTIONS", {"host/lane/gone.cc": "lane_test"})
    findings = mirror.compare(set(), set(), set())
    assert len(findings) == 1
    assert "stale" in findings[0].what


@pytest.mark.parametrize(
    "text",
    ["index = " + hygiene.REGISTRIES[0] + "/simple", "see /home" + "/ann/x", '"/root' + '/x"', "<" * 7 + " HEAD"],
)
def test_hygiene_refuses(text: str) -> None:
    findings = hygiene.check_text("a.txt", "fine\n" + text)
    assert [f.line for f in findings] == [2]


@pytest.mark.parametrize("text", ["build/home" + "/x", "https://a.b/home" + "/x", "/usr/lib/x", "/tmp/outboard"])
def test_hygiene_accepts(text: str) -> None:
    assert hygiene.check_text("a.txt", text) == []


def test_sizes_aims_before_it_refuses() -> None:
    assert sizes.check_length("host/a.h", 200) == (None, False)
    assert sizes.check_length("host/a.h", 201) == (None, True)
    finding, above = sizes.check_length("host/a.h", 301)
    assert above
    assert finding is not None
    assert "301 lines" in finding.what


def test_tracked_knows_new_files_and_leaves_out_ignored_and_deleted_ones(tmp_path: Path) -> None:
    def git(*words: str) -> None:
        subprocess.run(["git", "-c", "user.name=t", "-c", "user.email=t@example.com", *words], cwd=tmp_path, check=True,
                       capture_output=True)

    git("init")
    for name in ("kept.cc", "gone.cc", "new.cc", "ignored.cc", "other.txt"):
        (tmp_path / name).write_text("x\n")
    (tmp_path / ".gitignore").write_text("ignored.cc\n")
    git("add", "kept.cc", "gone.cc")
    git("commit", "-m", "x")
    (tmp_path / "gone.cc").unlink()
    assert common.tracked(tmp_path, suffixes=(".cc",)) == ["kept.cc", "new.cc"]


def test_scripts_are_known_by_their_first_line(tmp_path: Path) -> None:
    (tmp_path / "tool").write_text("#!/usr/bin/env python3\n")
    (tmp_path / "setup").write_text("#!/usr/bin/env bash\n")
    (tmp_path / "plain").write_text("words\n")
    assert common.scripts(tmp_path, "python3") == ["tool"]
    assert common.scripts(tmp_path, "sh") == ["setup"]
