"""Builds what the demo needs, in the tree that the tests use too."""

from __future__ import annotations

import math
import os
import re
import subprocess
import time
from pathlib import Path

from paths import BUILD, ROOT, shown
from screen import Screen

TARGETS = ("outboard", "outboard-launcher", "outboard-audit")
LOG = ROOT / "build" / "log" / "demo-build.log"
SECONDS_PER_STEP = 2.3  # CPU, as a mean over a whole build of these targets.
WORTH_TELLING = 20  # Steps.
SAY_EVERY = 30.0  # Seconds, where there is no terminal.
TAIL = 30
PROGRESS = re.compile(r"^\[(\d+)/(\d+)\]")


class BuildError(Exception):
    """Says what failed and where to look."""


def build(screen: Screen) -> Path:
    """Brings the programs up to date; returns their folder."""
    start = time.monotonic()
    LOG.parent.mkdir(parents=True, exist_ok=True)
    LOG.write_text("")
    if not (BUILD / "build.ninja").exists():
        _configure()
        screen.step("cmake", f"configured {shown(BUILD)}", start)
        start = time.monotonic()
    files = _outdated()
    cores = os.cpu_count() or 1
    if files >= WORTH_TELLING:
        minutes = math.ceil(files * SECONDS_PER_STEP / cores / 60)
        screen.note(f"{files} steps to build: about {minutes} min on {cores} cores")
    if files:
        _run_ninja(screen, start)
    screen.step("build", f"{files} steps" if files else "up to date", start)
    return BUILD / "bin"


def _configure() -> None:
    command = ["cmake", "--preset", "release"]
    has_gtest = subprocess.run(["pkg-config", "--exists", "gtest", "gmock"], check=False).returncode == 0
    if not has_gtest:  # tests/run sets it again, once deploy/setup test has been here.
        command.append("-DOUTBOARD_TESTS=OFF")
    with LOG.open("a") as log:
        if subprocess.run(command, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT, check=False).returncode != 0:
            raise _failure("cmake")


def _outdated() -> int:
    """How many steps the build has to make."""
    _ninja("build.ninja")  # Configures again where that is due: the count would stop there.
    totals = [int(match[2]) for line in _ninja("-n", *TARGETS).splitlines() if (match := PROGRESS.match(line))]
    return max(totals, default=0)


def _ninja(*words: str) -> str:
    said = subprocess.run(["ninja", "-C", str(BUILD), *words], capture_output=True, text=True, check=False)
    if said.returncode != 0:
        LOG.write_text(said.stdout + said.stderr)
        raise _failure(f"ninja {' '.join(words)}")
    return said.stdout


def _run_ninja(screen: Screen, start: float) -> None:
    command = ["cmake", "--build", str(BUILD), "--target", *TARGETS]
    say_at = start + SAY_EVERY
    with (
        LOG.open("a") as log,
        subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as ninja,
    ):
        assert ninja.stdout is not None
        for line in ninja.stdout:
            log.write(line)
            match = PROGRESS.match(line)
            if match is None:
                continue
            screen.draw([f"[{time.monotonic() - start:6.1f} s] build  {match[1]} of {match[2]}"])
            if not screen.live and time.monotonic() >= say_at:
                say_at += SAY_EVERY
                screen.step("build", f"{match[1]} of {match[2]}", start)
    screen.clear()
    if ninja.returncode != 0:
        raise _failure("the build")


def _failure(what: str) -> BuildError:
    tail = "\n".join(LOG.read_text(errors="replace").splitlines()[-TAIL:])
    return BuildError(f"{what} failed; the last lines of {shown(LOG)}:\n{tail}")
