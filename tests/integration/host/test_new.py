"""`outboard new`: what it makes builds, passes its own test, and runs under a host."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from running_host import BIN, PYTHON, ROOT, wait_for

ROLES = ("worker", "stage", "producer")
# Kept from run to run, so that the SDK is built once.
CPP = BIN.parent / "new-plugins"
PROJECT = """\
cmake_minimum_required(VERSION 3.25)
project(plugins LANGUAGES CXX)
enable_testing()
add_subdirectory({sdk}/cpp sdk)
"""


def run(*words: str | Path, cwd: Path, code: int = 0) -> str:
    done = subprocess.run([str(word) for word in words], cwd=cwd, capture_output=True, text=True, timeout=900,
                          check=False)
    assert done.returncode == code, f"{words}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def new(language: str, role: str, parent: Path) -> Path:
    name = f"{language}-{role}"
    said = run(BIN / "outboard", "new", "--json", "--lang", language, "--role", role, name, cwd=parent)
    made: dict[str, Any] = json.loads(said)
    assert (made["name"], made["sdk"]) == (name, str(BIN.resolve().parents[2] / "sdk"))
    assert sorted(made["files"]) == sorted(path.name for path in (parent / name).iterdir())
    return parent / name


@pytest.fixture(scope="module")
def plugins(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One of each language and role, built and tested as its README says, but all of C++ in one project."""
    folder = tmp_path_factory.mktemp("new")
    made = {f"python-{role}": new("python", role, folder) for role in ROLES}
    for plugin in made.values():
        (plugin / ".venv").symlink_to(ROOT / ".venv")
    CPP.mkdir(exist_ok=True)
    project = PROJECT.format(sdk=ROOT / "sdk")
    for role in ROLES:
        shutil.rmtree(CPP / f"cpp-{role}", ignore_errors=True)
        made[f"cpp-{role}"] = new("cpp", role, CPP)
        (CPP / f"cpp-{role}" / "build").symlink_to(CPP / "build" / role)
        project += f"add_subdirectory(cpp-{role} {role})\n"
    (CPP / "CMakeLists.txt").write_text(project)
    launcher = ["-DCMAKE_CXX_COMPILER_LAUNCHER=ccache"] if shutil.which("ccache") else []
    run("cmake", "--fresh", "-G", "Ninja", "-S", ".", "-B", "build", "-DCMAKE_BUILD_TYPE=Debug",
        "-DCMAKE_CXX_FLAGS_DEBUG=-O0", "-DCMAKE_UNITY_BUILD=ON", *launcher, cwd=CPP)
    run("cmake", "--build", "build", cwd=CPP)
    return made


def command(name: str) -> list[str]:
    return [".venv/bin/python", "main.py"] if name.startswith("python") else [f"./build/bin/{name}"]


def tailed(folder: Path, count: int) -> list[str]:
    """The last events on the bus."""
    words = [str(BIN / "outboard"), "tail", "--json", "--last", str(count)]
    with subprocess.Popen(words, cwd=folder, stdout=subprocess.PIPE, text=True) as tail:
        assert tail.stdout is not None
        lines = [tail.stdout.readline() for _ in range(count)]
        tail.terminate()
    return lines


NAMES = [f"{language}-{role}" for language in ("python", "cpp") for role in ROLES]


@pytest.mark.parametrize("name", NAMES)
def test_its_own_test_passes(plugins: dict[str, Path], name: str) -> None:
    if name.startswith("python"):
        run(PYTHON, "-m", "pytest", "-q", "-p", "no:cacheprovider", cwd=plugins[name])
    else:
        said = run("ctest", "--test-dir", "build", "--output-on-failure", cwd=plugins[name])
        assert "100% tests passed, 0 tests failed out of 1" in said


@pytest.mark.parametrize("name", NAMES)
def test_the_host_and_the_contract_agree_with_it(plugins: dict[str, Path], name: str) -> None:
    folder = plugins[name]
    run(BIN / "outboard", "check", cwd=folder)
    sample = ("--event", "events.ndjson")
    said = run(BIN / "outboard", "try", *sample, *command(name), cwd=folder)
    assert said.endswith("2 events, 0 failed\n")
    graded = json.loads(run(BIN / "outboard", "conform", "--json", *sample, *command(name), cwd=folder))
    assert (graded["failed"], graded["grade"]) == (0, "robust")


@pytest.mark.parametrize("name", ["python-worker", "cpp-stage", "python-producer"])
def test_a_host_gives_it_an_event(plugins: dict[str, Path], name: str) -> None:
    folder = plugins[name]
    shutil.rmtree(folder / "outbox", ignore_errors=True)
    log = folder / "host.log"
    with log.open("wb") as out:
        host = subprocess.Popen([BIN / "outboard", "serve"], cwd=folder, stderr=out, stdin=subprocess.DEVNULL)
    try:
        def lane_done() -> int:
            status = subprocess.run([BIN / "outboard", "status", "--json"], cwd=folder, capture_output=True, text=True,
                                    timeout=60, check=False)
            assert host.poll() is None, log.read_text()
            return -1 if status.returncode else int(json.loads(status.stdout)["lanes"][0]["done"])

        wait_for("the host answers", lambda: lane_done() >= 0)
        run(BIN / "outboard", "publish", "--type", "story.post", "--source", "me", "--id", "s1", "--data",
            '{"title": "Hello", "author_email": "ada@example.org"}', cwd=folder)
        wait_for(f"the event is done; {log}", lambda: lane_done() == 1, 20)
        if name == "python-worker":
            assert "Hello: Hello" in tailed(folder, 2)[1]
        elif name == "cpp-stage":
            assert 'story.post : {"title":"Hello"}' in log.read_text()
        else:
            assert "Hello" in (folder / "outbox" / "me+s1").read_text()
    finally:
        host.terminate()
        assert host.wait(60) == 0
