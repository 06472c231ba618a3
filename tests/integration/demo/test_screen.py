"""What the demo prints where there is no terminal, and how its tables line up."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "deploy" / "demo_lib"))

import screen
import table


def test_without_a_terminal_nothing_is_drawn_and_nothing_coloured(capsys: pytest.CaptureFixture[str]) -> None:
    plain = screen.Screen()
    plain.draw(["a block"])
    plain.note(plain.paint("red", "a note"))
    plain.clear()
    assert capsys.readouterr().out == "a note\n"


def test_columns_line_up_whatever_their_colour() -> None:
    rows = [["LANE", "STATE", "DONE"], ["a", "\x1b[32mrunning\x1b[0m", "5"], ["long/name", "x", "12345"]]
    shown = [screen.ESCAPES.sub("", line) for line in table.grid(rows)]
    assert shown == ["LANE       STATE     DONE", "a          running      5", "long/name  x        12345"]
