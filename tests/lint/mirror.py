"""Test-mirror lint: host/a/b.cc has tests/unit/a/b_test.cc, and the other way round.

Long tests may be split by behaviour: b_behaviour_test.cc also tests b.cc.
"""

from __future__ import annotations

from pathlib import Path

from common import Finding, tracked

# Folders of pure code; of host/supervise and host/conform only the files named.
PURE = ("host/base/", "host/event/", "host/dialect/", "host/route/", "host/lane/", "host/config/")
PURE_FILES = ("host/supervise/backoff.cc", "host/supervise/lines.cc", "host/supervise/output_limiter.cc",
              "host/supervise/output_format.cc", "host/supervise/launcher_protocol.cc",
              "host/supervise/process_end.cc",
              "host/conform/audit.cc", "host/conform/bad_config.cc", "host/conform/frame.cc",
              "host/conform/report.cc", "host/conform/samples.cc", "host/conform/transcript.cc")

# Unit tests of what is not the host: the C++ SDK's are split by behaviour, the plugins' are named by plugin and file.
OTHER_TESTS = ("tests/unit/sdk_cpp/", "tests/unit/plugins/")

# Sources without a test file of their own, each with the test that holds it.
EXCEPTIONS: dict[str, str] = {}


def test_of(source: str) -> str:
    return "tests/unit/" + source.removeprefix("host/").removesuffix(".cc") + "_test.cc"


def source_of(test: str) -> str:
    return "host/" + test.removeprefix("tests/unit/").removesuffix("_test.cc") + ".cc"


def has_source(test: str, sources: set[str], headers: set[str]) -> bool:
    source = source_of(test)
    folder, _, words = source.removesuffix(".cc").rpartition("/")
    parts = words.split("_")
    stems = [f"{folder}/{'_'.join(parts[:n])}" for n in range(1, len(parts) + 1)]
    return (any(stem + ".cc" in sources for stem in stems)
            or any(stems[-1] + suffix in headers for suffix in (".h", ".proto")))


def is_pure(source: str) -> bool:
    return source.startswith(PURE) or source in PURE_FILES


def compare(sources: set[str], headers: set[str], tests: set[str]) -> list[Finding]:
    """What lacks its counterpart. A header or proto without a source may have a test too."""
    findings = []
    for source in sorted(sources):
        if is_pure(source) and test_of(source) not in tests and source not in EXCEPTIONS:
            findings.append(Finding(source, 1, f"no test file {test_of(source)}",
                                    "write it, or name the test that holds it in EXCEPTIONS of tests/lint/mirror.py"))
    for test in sorted(t for t in tests if not t.startswith(OTHER_TESTS)):
        if not has_source(test, sources, headers):
            findings.append(Finding(test, 1, f"tests nothing of that name: no {source_of(test)}",
                                    "name it after the file it tests; tests of several belong elsewhere in tests/"))
    for source, test in sorted(EXCEPTIONS.items()):
        if source not in sources or test_of(source) in tests:
            findings.append(Finding("tests/lint/mirror.py", 1, f"the exception of {source} ({test}) is stale",
                                    "delete it from EXCEPTIONS"))
    return findings


def check(root: Path) -> list[Finding]:
    host = tracked(root, "host/", suffixes=(".cc", ".h", ".proto"))
    tests = tracked(root, "tests/unit/", suffixes=("_test.cc",))
    return compare({p for p in host if p.endswith(".cc")}, {p for p in host if not p.endswith(".cc")}, set(tests))
