"""tests/run counts what the test programs reported, and never takes a dead program for a passed one."""

import importlib.machinery
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

GTEST = """<testsuites><testsuite name="LaneTest">
  <testcase name="Good" status="run" result="completed" classname="LaneTest"/>
  <testcase name="Bad" status="run" result="completed" classname="LaneTest"><failure message="no"/></testcase>
  <testcase name="Skipped" status="run" result="skipped" classname="LaneTest"><skipped message="no root"/></testcase>
  <testcase name="DISABLED_Off" status="notrun" result="suppressed" classname="LaneTest"/>
</testsuite></testsuites>"""


@pytest.fixture(scope="module")
def runner() -> ModuleType:
    path = str(Path(__file__).parent.parent / "run")
    loader = importlib.machinery.SourceFileLoader("tests_run", path)
    spec = importlib.util.spec_from_loader("tests_run", loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["tests_run"] = module  # dataclasses look their module up
    loader.exec_module(module)
    return module


class FakeRun:
    """Stands for a phase: ctest "ran" and left these files."""

    def __init__(self, results: Path, programs: str, cases: dict[str, str]) -> None:
        self.results = results
        self.files = {"ctest-tree.xml": f"<testsuite>{programs}</testsuite>"}
        self.files |= {f"cases-tree/{name}.xml": text for name, text in cases.items()}

    def call(self, *_: object, **__: object) -> bool:
        (self.results / "cases-tree").mkdir()
        for name, text in self.files.items():
            (self.results / name).write_text(text)
        return True


def test_counts_cases(runner: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "a.xml").write_text(GTEST)
    count = runner.junit(tmp_path / "a.xml")
    assert (count.passed, count.failed) == (1, 1)
    assert count.skipped == ["LaneTest.Skipped: no root"]


def test_counts_a_program_without_cases_as_one(runner: ModuleType, tmp_path: Path) -> None:
    run = FakeRun(tmp_path, '<testcase name="a" status="run"/><testcase name="b" status="fail"/>', {})
    count = runner.ctest(run, "tree", "unit")
    assert (count.passed, count.failed) == (1, 1)


def test_a_program_that_dies_after_its_cases_passed_has_failed(runner: ModuleType, tmp_path: Path) -> None:
    good = '<testsuites><testcase name="A" status="run" classname="T"/></testsuites>'
    run = FakeRun(tmp_path, '<testcase name="a" status="fail"/>', {"a": good})
    count = runner.ctest(run, "tree", "unit")
    assert (count.passed, count.failed) == (1, 1)


def test_a_program_that_is_not_built_has_failed(runner: ModuleType, tmp_path: Path) -> None:
    run = FakeRun(tmp_path, '<testcase name="a" status="notrun"/>', {})
    assert runner.ctest(run, "tree", "unit").failed == 1


OUTPUT = """[ RUN      ] LaneTest.Good
[       OK ] LaneTest.Good (0 ms)
[ RUN      ] BusTest.Bad/rabbitmq
WARN bus: cut
bus_test.cc:7: Failure
Value of: 1
[  FAILED  ] BusTest.Bad/rabbitmq, where GetParam() = 4 (12 ms)
[ RUN      ] BusTest.Dies
deadlock
"""


def test_shows_what_each_failed_case_of_googletest_said_also_the_one_that_ended_its_program(
        runner: ModuleType, tmp_path: Path) -> None:
    run = FakeRun(tmp_path, f'<testcase name="a" status="fail"><system-out>{OUTPUT}</system-out></testcase>', {})
    shown = runner.shown(runner.ctest(run, "tree", "unit").failures)
    assert shown.splitlines() == [
        "---- FAILED a: BusTest.Bad/rabbitmq", "WARN bus: cut", "bus_test.cc:7: Failure", "Value of: 1",
        "[  FAILED  ] BusTest.Bad/rabbitmq, where GetParam() = 4 (12 ms)", "---- FAILED a: BusTest.Dies", "deadlock"]


def test_cases_that_failed_in_a_summary_are_not_shown_again(runner: ModuleType) -> None:
    assert runner.gtest_failures("[  FAILED  ] 1 test, listed below:\n[  FAILED  ] BusTest.Bad\n") == []


def test_shows_a_program_without_googletest_by_its_output(runner: ModuleType, tmp_path: Path) -> None:
    run = FakeRun(tmp_path, '<testcase name="a" status="fail"><system-out>no such file</system-out></testcase>', {})
    assert runner.shown(runner.ctest(run, "tree", "unit").failures) == "---- FAILED a\nno such file"


def test_shows_what_pytest_says_of_a_test(runner: ModuleType, tmp_path: Path) -> None:
    said = '<failure message="short">def test_b():\nE  assert 0\ntest_a.py:3: AssertionError</failure>'
    (tmp_path / "a.xml").write_text(
        f'<testsuites><testsuite><testcase classname="test_a" name="test_b">{said}</testcase>'
        '<testcase classname="test_a" name="test_c"><error message="no broker"/></testcase></testsuite></testsuites>')
    assert runner.shown(runner.junit(tmp_path / "a.xml").failures).splitlines() == [
        "---- FAILED test_a.test_b", "def test_b():", "E  assert 0", "test_a.py:3: AssertionError",
        "---- FAILED test_a.test_c", "no broker"]


def test_of_many_failures_only_the_first_ones_are_shown_whole(runner: ModuleType) -> None:
    failures = [runner.Failure(f"t{n}", "\n".join(f"line {at}" for at in range(100))) for n in range(runner.SHOWN + 1)]
    lines = runner.shown(failures).splitlines()
    assert len(lines) == runner.SHOWN * (runner.TAIL + 1) + 1
    assert lines[runner.TAIL] == "line 99"
    assert lines[-1] == f"---- FAILED t{runner.SHOWN}"


def test_every_group_names_phases_once(runner: ModuleType) -> None:
    names = [phase.name for phase in runner.PHASES]
    assert len(names) == len(set(names))
    for group in runner.GROUPS.values():
        assert set(group) <= set(names)
        assert len(group) == len(set(group))
    assert runner.GROUPS["all"].index("build") < runner.GROUPS["all"].index("unit")


def test_an_unknown_phase_names_the_known_ones(runner: ModuleType) -> None:
    with pytest.raises(SystemExit, match=r"no phase or group 'unti'.*unit"):
        runner.chosen(["unti"])
