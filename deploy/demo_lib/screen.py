"""What the demo prints: steps, notes, and on a terminal a block of lines that is drawn over and over."""

from __future__ import annotations

import os
import re
import shutil
import sys
import time

ESCAPES = re.compile(r"\x1b\[[0-9;]*m")
COLOURS = {"green": "32", "yellow": "33", "red": "31", "bold": "1", "dim": "2"}


class Screen:
    """Standard output. Nothing else may print while a block stands."""

    def __init__(self) -> None:
        self.live = sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"
        self._colour = self.live and not os.environ.get("NO_COLOR")
        self._standing = 0  # Lines of the block on the screen.
        self._block: list[str] = []

    def paint(self, colour: str, text: str) -> str:
        return f"\x1b[{COLOURS[colour]}m{text}\x1b[0m" if self._colour else text

    def step(self, name: str, text: str, since: float) -> None:
        """One line for a step that is over."""
        self.note(f"[{time.monotonic() - since:6.1f} s] {name:6} {text}")

    def note(self, text: str) -> None:
        """Lines that stay, above the block."""
        block = self._block
        self.clear()
        print(text, flush=True)
        if block:
            self.draw(block)

    def draw(self, lines: list[str]) -> None:
        """Replaces the block; terminals only."""
        if not self.live:
            return
        self.clear()
        size = shutil.get_terminal_size()
        self._block = lines
        cut = [_cut(line, size.columns - 1) for line in lines[: size.lines - 2]]
        self._standing = len(cut)
        sys.stdout.write("".join(line + "\n" for line in cut))
        sys.stdout.flush()

    def clear(self) -> None:
        if self._standing:
            sys.stdout.write(f"\x1b[{self._standing}A\x1b[J")
            sys.stdout.flush()
        self._standing = 0
        self._block = []

    def keep(self) -> None:
        """The block stays as it is; what comes is printed below."""
        self._standing = 0
        self._block = []


def visible(text: str) -> int:
    """Characters that a terminal shows."""
    return len(ESCAPES.sub("", text))


def _cut(line: str, width: int) -> str:
    if visible(line) <= width:
        return line
    return ESCAPES.sub("", line)[: max(width - 1, 0)] + "…"
