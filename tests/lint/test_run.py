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
