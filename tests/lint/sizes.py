"""Size report: how long files are. Function length is clang-tidy's (readability-function-size)."""

from __future__ import annotations

from pathlib import Path

from common import Finding, tracked

# Lines: what we aim at, and what the check refuses.
LIMITS = {".h": (200, 300), ".cc": (400, 600), ".py": (400, 600)}
README_LINES = 20

# Longer on purpose, each with its reason.
EXCEPTIONS: dict[str, str] = {}


def check_length(path: str, lines: int) -> tuple[Finding | None, bool]:
    """A finding if the file is refused; whether it is above what we aim at."""
    aim, limit = LIMITS[Path(path).suffix]
    if lines > limit and path not in EXCEPTIONS:
        return Finding(path, limit, f"{lines} lines; the limit is {limit}, the aim {aim}",
                       "split it: one class or one family of pure functions a file"), True
    return None, lines > aim


def check(root: Path) -> list[Finding]:
    findings = []
    above = []
    total = {suffix: [0, 0] for suffix in LIMITS}
    for path in tracked(root, "host/", "sdk/", "plugins/", "tests/", suffixes=tuple(LIMITS)):
        lines = len((root / path).read_text().splitlines())
        entry = total[Path(path).suffix]
        entry[0] += 1
        entry[1] += lines
        finding, is_above = check_length(path, lines)
        if finding:
            findings.append(finding)
        elif is_above:
            above.append(f"{path} {lines}")
    for path in tracked(root, "host/", suffixes=("README.md",)):
        lines = len((root / path).read_text().splitlines())
        if lines > README_LINES:
            findings.append(Finding(path, README_LINES, f"{lines} lines; a module's README has at most {README_LINES}",
                                    "move the rest into docs/"))
    print("  " + ", ".join(f"{n} {suffix} of {lines} lines" for suffix, (n, lines) in total.items()))
    if above:
        print("  above the aim (not refused): " + ", ".join(above))
    return findings
