"""Layer lint: who may include whom. Headers all sit under /usr/include, so links cannot enforce it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from common import Finding, tracked

# Module (the longest prefix of a path wins): which of our modules it may include, itself apart, and which
# libraries. Abseil and the standard library are free to all.
#
#   module               may include                                          libraries
LAYERS: dict[str, tuple[str, str]] = {
    "host/base":          ("",                                                "spdlog system"),
    # values
    "host/event":         ("base",                                            "json"),
    "host/dialect":       ("base event",                                      ""),
    # core: pure
    "host/route":         ("base event",                                      ""),
    "host/lane":          ("base event route bus",                            ""),
    "host/pipeline":      ("base lane",                                       ""),
    # ports
    "host/bus":           ("base event route",                                "json system"),
    "host/plugin":        ("base event route lane",                           "system proto json"),
    # adapters
    "host/bus/embedded":  ("base event route bus metrics",                    "sqlite json system"),
    "host/bus/memory":    ("base event route bus",                            "system"),
    "host/bus/amqp":      ("base dialect",                                    "amqp system"),
    "host/bus/rabbitmq":  ("base event dialect route bus bus/amqp metrics",   "json system"),
    "host/plugin/grpc":   ("base event lane plugin metrics",                  "grpc proto json system"),
    "host/lineage":       ("base event bus lane",                             "json system"),
    "host/ingress":       ("base event bus lane",                             ""),
    "host/access":        ("base route",                                      "tls system"),
    "host/http":          ("base event dialect bus access ingress admin metrics",
                                                                              "http tls json system"),
    "host/admin":         ("base event route bus lane lineage pipeline access ingress plugin shard fleet supervise "
                           "config",
                                                                              "grpc proto json system"),
    # the rest
    "host/metrics":       ("base lane lineage pipeline access ingress admin", "system"),
    "host/shard":         ("base event route bus lane lineage pipeline plugin fleet",
                                                                              "system"),
    "host/supervise":     ("base",                                            "system json"),
    "host/fleet":         ("base plugin plugin/grpc supervise",               "grpc proto system"),
    "host/conform":       ("base event route plugin plugin/grpc supervise",       "grpc proto json system"),
    "host/config":        ("base dialect route",                             "yaml json system"),
    "host/app":           ("*",                                               "*"),
    # Outside of the host: a plugin sees the SDK alone, the SDK nothing of the host.
    "sdk/cpp":            ("",                                                "grpc proto json system"),
    "plugins":            ("sdk",                                             "*"),
}

# Single files that may include more than their module, each with its reason.
EXCEPTIONS: dict[str, str] = {
    "host/metrics/*.cc": "prometheus",  # prometheus-cpp stays behind the verbs: never in a header
}

# Modules without I/O, threads and locks: Step(input, now) -> effects.
PURE = ("host/event", "host/dialect", "host/route", "host/lane", "host/pipeline")
IMPURE_BASE = {"host/base/mailbox.h", "host/base/mutex.h", "host/base/log.h"}

# Which library a header belongs to; what is not listed is free.
LIBRARIES: tuple[tuple[str, str], ...] = (
    (r"(grpc|grpcpp)/|.*\.grpc\.pb\.h$", "grpc"),
    (r"google/protobuf/|.*\.pb\.h$", "proto"),
    (r"sqlite3", "sqlite"),
    (r"prometheus/", "prometheus"),
    (r"yaml-cpp/", "yaml"),
    (r"spdlog/|fmt/", "spdlog"),
    (r"microhttpd", "http"),
    (r"gnutls/", "tls"),
    (r"nlohmann/|rapidjson/", "json"),
    (r"CLI/", "cli"),
    (r"amqp.*\.h|rabbitmq-c/", "amqp"),
    (r"(sys|netinet|arpa|linux)/|(unistd|fcntl|poll|signal|spawn|pthread|dirent|netdb|sched)\.h$", "system"),
    (r"(thread|mutex|shared_mutex|condition_variable|future|fstream|filesystem|csignal)$", "system"),
)

INCLUDE = re.compile(r'^\s*#\s*include\s*[<"]([^">]+)[">]')


@dataclass(frozen=True)
class Rule:
    module: str
    ours: frozenset[str]
    libraries: frozenset[str]


def module_of(path: str) -> str | None:
    """The module that a path (from the root) belongs to: the longest entry of the table."""
    fits = [m for m in LAYERS if path.startswith(m + "/")]
    return max(fits, key=len) if fits else None


def library_of(header: str) -> str | None:
    return next((name for pattern, name in LIBRARIES if re.match(pattern, header)), None)


def rule_of(path: str) -> Rule | None:
    module = module_of(path)
    if module is None:
        return None
    ours, libraries = LAYERS[module]
    extra = [more for pattern, more in EXCEPTIONS.items() if Path(path).match(pattern)]
    return Rule(module, frozenset(ours.split()), frozenset(" ".join([libraries, *extra]).split()))


def allows_ours(rule: Rule, header: str) -> bool:
    target = module_of(header)
    if target is None or target == rule.module or "*" in rule.ours:
        return True
    if target.startswith("sdk/"):
        return "sdk" in rule.ours
    # A port is included by its name; the adapters below it are not meant by it.
    return target.startswith("host/") and target.removeprefix("host/") in rule.ours


def check_include(path: str, line: int, header: str) -> Finding | None:
    """What is wrong with this include, if anything."""
    rule = rule_of(path)
    if rule is None:
        return None
    if header.startswith(("host/", "sdk/", "plugins/")):
        if not allows_ours(rule, header):
            allowed = ", ".join(sorted(rule.ours)) or "nothing of ours"
            return Finding(path, line, f"{rule.module} -> {module_of(header)} ({header}) is not an allowed edge",
                           f"{rule.module} may include {allowed}; move the shared part down, or pass it in")
        if rule.module in PURE and header in IMPURE_BASE:
            return Finding(path, line, f"{rule.module} is pure, {header} is I/O, locks or threads",
                           "return an effect and let the caller act on it")
        return None
    library = library_of(header)
    if library is None or library in rule.libraries or "*" in rule.libraries:
        return None
    allowed = ", ".join(sorted(rule.libraries)) or "none beyond Abseil and the standard library"
    return Finding(path, line, f"{rule.module} includes <{header}> ({library})",
                   f"libraries of {rule.module}: {allowed}; put it behind an adapter or into a .cc that may")


def check(root: Path) -> list[Finding]:
    findings = []
    for path in tracked(root, "host/", "sdk/cpp/", "plugins/", suffixes=(".h", ".cc")):
        if "/tests/" in path:
            continue
        if module_of(path) is None:
            findings.append(Finding(path, 1, "its module is not in the table of layers",
                                    "give the module a line in LAYERS of tests/lint/layers.py"))
        for number, text in enumerate((root / path).read_text().splitlines(), 1):
            match = INCLUDE.match(text)
            finding = check_include(path, number, match[1]) if match else None
            if finding:
                findings.append(finding)
    return findings
