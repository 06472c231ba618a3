"""What the checks of tests/lint share."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent


@dataclass(frozen=True)
class Finding:
    """Something that a check refuses: where, what, and how to mend it."""

    path: str
    line: int
    what: str
    fix: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.what}\n    fix: {self.fix}"


def tracked(root: Path, *prefixes: str, suffixes: tuple[str, ...] = ()) -> list[str]:
    """The files that git knows or would add, relative to the root; all that exist where there is no git."""
    try:
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=root, capture_output=True, check=True,
        ).stdout.decode().split("\0")
    except (subprocess.CalledProcessError, FileNotFoundError):
        listed = [str(p.relative_to(root)) for p in root.rglob("*")]
    return sorted(
        path for path in set(listed)
        if path and (not prefixes or path.startswith(prefixes))
        and (not suffixes or path.endswith(suffixes)) and (root / path).is_file()
    )


def scripts(root: Path, interpreter: str) -> list[str]:
    """Files without a suffix whose first line names the interpreter."""
    found = []
    for path in tracked(root):
        if "." in Path(path).name.lstrip("."):
            continue
        with (root / path).open("rb") as file:
            first = file.readline(200)
        if first.startswith(b"#!") and interpreter.encode() in first:
            found.append(path)
    return found
