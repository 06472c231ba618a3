"""Hygiene lint: no file names a package registry's host or a path of somebody's machine."""

from __future__ import annotations

import re
from pathlib import Path

from common import Finding, tracked

# Put together here, so that this file passes its own check.
REGISTRIES = ("pypi" + ".org", "files.pythonhosted" + ".org", "registry.npmjs" + ".org", "npmjs" + ".com",
              "proxy.golang" + ".org", "crates" + ".io", "deb.debian" + ".org", "repo1.maven" + ".org",
              "rubygems" + ".org")
MACHINE_PATHS = ("/home" + "/", "/root" + "/", "/work" + "/", "/Users" + "/", "/tmp/w" + "/")

REGISTRY = re.compile("|".join(re.escape(name) for name in REGISTRIES))
# Not inside a longer path or address: `a/home/b` and `https://x/home/` are no machine's.
MACHINE = re.compile(r"(?<![\w./\-}])(" + "|".join(re.escape(path) for path in MACHINE_PATHS) + r")\w")
CONFLICT = re.compile(r"^(<{7} |>{7} )")


def check_text(path: str, text: str) -> list[Finding]:
    findings = []
    for number, line in enumerate(text.splitlines(), 1):
        if match := REGISTRY.search(line):
            findings.append(Finding(path, number, f"names a registry's host: {match[0]}",
                                    "leave the address to the machine's own settings of pip, npm or apt"))
        if match := MACHINE.search(line):
            findings.append(Finding(path, number, f"names a path of one machine: {match[0]}…",
                                    "use a path relative to the file, or one that the caller gives"))
        if CONFLICT.match(line):
            findings.append(Finding(path, number, "a merge conflict's marker", "merge it"))
    return findings


def check(root: Path) -> list[Finding]:
    findings = []
    for path in tracked(root):
        try:
            text = (root / path).read_text()
        except UnicodeDecodeError:
            continue  # Not text: a golden database, an archive.
        findings += check_text(path, text)
        name = Path(path).name
        if not text and name in (".gitkeep", ".keep", ".empty"):
            findings.append(Finding(path, 1, "a placeholder", "delete it; the folder comes with its first file"))
    return findings
