"""`outboard conform` against good plugins, which must pass, and against lies, each found by its rule."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from running_host import BIN, PYTHON, ROOT, wait_for

FAULTY = str(BIN / "outboard-faulty")
HERE = Path(__file__).parent


def run(*words: str | Path) -> subprocess.CompletedProcess[str]:
    command = [str(word) for word in (BIN / "outboard", "conform", *words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


def judge(*words: str | Path) -> dict[str, Any]:
    """The report of a plugin; its results are told where a test fails."""
    done = run("--json", *words)
    assert done.returncode in (0, 1), f"{done.returncode}: {done.stdout} {done.stderr}"
    report: dict[str, Any] = json.loads(done.stdout)
    assert done.returncode == (1 if report["failed"] else 0)
    return report


def failed(report: dict[str, Any]) -> dict[str, str]:
    return {r["rule"]: f"{r['component']}: {r['came']}" for r in report["results"] if r["result"] == "failed"}


def skipped(report: dict[str, Any]) -> dict[str, str]:
    return {r["rule"]: r["note"] for r in report["results"] if r["result"] == "skipped"}


# ---- Good plugins --------------------------------------------------------------------------------


def good_plugins(folder: Path) -> dict[str, tuple[str | Path, ...]]:
    return {
        "audit": ("--config", json.dumps({"path": str(folder / "audit.jsonl")}), BIN / "outboard-audit"),
        "notifier": (
            "--config", json.dumps({"database": str(folder / "notifier.db")}),
            PYTHON, ROOT / "plugins/notifier/main.py",
        ),
        "notifier-stage": (
            "--config", json.dumps({"subscriptions": []}),
            PYTHON, ROOT / "plugins/notifier-stage/main.py",
        ),
        "faulty": (FAULTY,),
        "file": ("--config", json.dumps({"path": str(folder / "events.jsonl")}), BIN / "outboard-file-producer"),
        "sqlite": ("--config", json.dumps({"path": str(folder / "bus.sqlite")}), BIN / "outboard-sqlite-producer"),
        "stager": (PYTHON, HERE / "stager.py", folder / "stager.txt"),
        "cpp": (BIN / "conform_roles",),
        "python": (PYTHON, HERE / "roles.py"),
        "node": (
            "--config", json.dumps({"file": str(folder / "node.ledger")}),
            "node", ROOT / "plugins/examples/node/index.js",
        ),
    }  # fmt: skip


# The producers that need a server are judged where their tests have one.
@pytest.mark.parametrize("name", ["audit", "notifier", "notifier-stage", "faulty", "file", "sqlite", "stager", "cpp",
                                  "python", "node"])
def test_a_good_plugin_is_fast(tmp_path: Path, name: str) -> None:
    modules = ROOT / "plugins/examples/node/node_modules"
    if name == "node" and (shutil.which("node") is None or not modules.is_dir()):
        pytest.skip("needs node and `npm ci` in plugins/examples/node")
    report = judge("--grade", "fast", "--patience", "60", *good_plugins(tmp_path)[name])
    assert failed(report) == {}
    assert report["grade"] == "fast"
    # What is skipped does not apply: nothing else may hide there.
    assert set(skipped(report)) <= {"order.key", "order.release", "stage.call", "stage.answer"}


def test_a_stage_without_an_sdk_is_robust(tmp_path: Path) -> None:
    report = judge(PYTHON, HERE / "pipeliner_raw.py", tmp_path / "records")
    assert failed(report) == {}
    assert report["grade"] == "robust"
    assert set(skipped(report)) == {"order.key", "order.release"}


def test_a_notification_of_storyboard_is_handled_by_the_notifier(tmp_path: Path) -> None:
    """With --event the handler's own work is judged, not only how it refuses what was made up."""
    sample = (ROOT / "deploy/samples/tracker-feed.ndjson").read_text().splitlines()
    notices = [line for line in sample if '"timeline_event' in line][:20]
    assert notices
    events = tmp_path / "events.ndjson"
    events.write_text("\n".join(notices))
    done = run(
        "--transcript", "--rule", "session.drain", "--event", events,
        "--config", json.dumps({"database": str(tmp_path / "n.db")}), PYTHON, ROOT / "plugins/notifier/main.py",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert "done_ids[" in done.stdout
    assert "REJECT" not in done.stdout


def test_every_role_of_a_plugin_is_judged() -> None:
    report = judge(BIN / "conform_roles")
    assert {r["component"] for r in report["results"]} == {
        "", "worker echo", "worker ordered", "stage change", "stage calls", "producer put",
    }  # fmt: skip
    only = judge("--component", "put", BIN / "conform_roles")
    assert {r["component"] for r in only["results"]} == {"", "producer put"}


@pytest.mark.parametrize("name", ["cpp", "python"])
def test_calls_of_a_stage_are_judged(tmp_path: Path, name: str) -> None:
    plugin = good_plugins(tmp_path)[name]
    report = judge("--component", "calls", "--rule", "stage.call", "--rule", "stage.answer", *plugin)
    assert {r["rule"]: r["result"] for r in report["results"]} == {"stage.call": "passed", "stage.answer": "passed"}


# ---- Lies ----------------------------------------------------------------------------------------

LIES = [
    # What Describe says.
    ("describe.answers", "--at-start", "exit:3"),
    ("describe.answers", "--at-start", "segv"),
    ("describe.answers", "--at-describe", "hang"),
    ("describe.answers", "--at-describe", "end-error"),
    ("describe.config", "--config-error", "smtp is missing"),
    ("describe.components", "--at-describe", "no-role"),
    ("describe.components", "--event-type", "story.po*st"),
    ("describe.unique", "--component", "a", "--component", "a"),
    ("describe.schema", "--at-describe", "no-schema"),
    ("describe.pure", "--at-describe", "twin"),
    ("describe.refuses", "--at-describe", "any-config"),
    ("describe.while-busy", "--at-describe", "blocked"),
    ("health.serving", "--at-describe", "not-serving"),
    ("flow.limits", "--concurrency", "4", "--max-in-flight", "2"),
    ("delivery.largest", "--at-describe", "boast"),
    # Sessions.
    ("session.opened", "--at-open", "silent"),
    ("session.opened", "--at-open", "end-error"),
    ("session.opened", "--at-open", "end-ok"),
    ("opened.first", "--at-open", "early"),
    ("opened.once", "--mode", "opened-again"),
    ("opened.instance", "--at-open", "other-instance"),
    ("session.kept", "--mode", "end-ok"),
    ("session.kept", "--mode", "end-error"),
    ("session.drain", "--at-close", "end-error"),
    ("session.drain", "--at-close", "silent"),
    ("session.drain", "--at-close", "drop", "--mode", "slow:50ms"),
    ("session.lost-host", "--at-close", "silent"),
    ("session.no-component", "--at-open", "any-component"),
    ("session.two", "--at-open", "one-session"),
    ("flow.window", "--mode", "pause"),
    # Processes.
    ("process.alive", "--mode", "segv"),
    ("process.alive", "--mode", "abort"),
    ("process.alive", "--mode", "kill"),
    ("process.alive", "--mode", "exit:0"),
    ("process.alive", "--mode", "oom:64m"),
    ("process.stdin", "--ignore-everything"),
    ("process.sigterm", "--ignore-everything"),
    ("process.stop-busy", "--at-start", "deaf"),
    # Answers.
    ("delivery.answered", "--mode", "silent"),
    ("delivery.answered", "--mode", "hang"),
    ("delivery.answered", "--mode", "stop"),
    ("delivery.answered", "--mode", "busy"),
    ("delivery.answered", "--mode", "flood"),
    ("delivery.again", "--mode", "forget-late"),
    ("delivery.large", "--mode", "forget-large"),
    ("cancel.pending", "--mode", "forget-cancelled"),
    ("answer.once", "--mode", "twice"),
    ("answer.once", "--mode", "contradict"),
    ("answer.known-id", "--mode", "unknown-id"),
    ("answer.known-id", "--mode", "zero-id"),
    ("answer.known-id", "--mode", "progress-unknown"),
    ("answer.outcome", "--mode", "zero-outcome"),
    ("answer.failure", "--mode", "no-failure"),
    ("answer.failure", "--mode", "bad-reason"),
    ("answer.failure", "--mode", "tell-config"),
    ("answer.retry-after", "--mode", "bad-retry-after"),
    ("answer.emits", "--mode", "emit-retry"),
    ("answer.emits", "--emits", "good.#", "--mode", "emit:bad.type"),
    ("frame.readable", "--mode", "bad-utf8"),
    ("frame.size", "--mode", "oversize"),
    ("order.key", "--in-order", "--mode", "last-first"),
    ("order.release", "--in-order", "--mode", "reject", "--every", "5"),
    # Speed.
    ("fast.throughput", "--mode", "slow:2ms"),
    ("fast.batches", "--mode", "chatty"),
    ("fast.bare-ids", "--mode", "chatty"),
]
# Lies that break other rules as well.
ALSO = {"early": {"opened.once", "answer.known-id"}}


def judge_lie(lie: tuple[str, ...]) -> dict[str, Any]:
    rule, *flags = lie
    # Whoever is silent is so for any time.
    return judge("--patience", "3", "--start-timeout", "5", "--rule", rule, FAULTY, *flags)


@pytest.fixture(scope="module")
def reports() -> Iterator[dict[tuple[str, ...], Future[dict[str, Any]]]]:
    """Of all lies; most of the time they wait for an answer that does not come."""
    with ThreadPoolExecutor(8) as pool:
        yield {lie: pool.submit(judge_lie, lie) for lie in LIES}


@pytest.mark.parametrize("lie", LIES, ids=lambda lie: " ".join(lie))
def test_a_lie_is_found_by_its_rule(
    lie: tuple[str, ...], reports: dict[tuple[str, ...], Future[dict[str, Any]]]
) -> None:
    report = reports[lie].result()
    assert lie[0] in failed(report), report
    assert set(failed(report)) - {lie[0]} <= ALSO.get(lie[-1], set())


ROLE_LIES = [
    ("stage.change", "other-id"),
    ("stage.change", "other-source"),
    ("stage.change", "no-type"),
    ("stage.change", "change-and-halt"),
    ("stage.call", "none"),
    ("stage.change", "other-operation"),
    ("stage.answer", "empty-answer"),
    ("stage.answer", "answer-to-continue"),
    ("producer.offset", "empty-offset"),
    ("producer.offset", "offset-of-reject"),
    ("delivery.unknown-fields", "strict"),
    ("delivery.unusual", "json-only"),
    ("delivery.frame", "first-only"),
]


@pytest.mark.parametrize(("rule", "lie"), [lie for lie in ROLE_LIES if lie[1] != "none"])
def test_a_lie_of_another_role_is_found_by_its_rule(rule: str, lie: str) -> None:
    rules = ("--rule", rule, "--rule", "stage.call") if rule.startswith("stage") else ("--rule", rule)
    report = judge("--patience", "2", *rules, PYTHON, HERE / "liar.py", lie)
    assert set(failed(report)) == {rule}, report


def test_every_rule_has_a_lie_that_it_finds() -> None:
    rules = {rule["rule"] for rule in json.loads(run("--list", "--json").stdout)["rules"]}
    tried = {lie[0] for lie in LIES} | {lie[0] for lie in ROLE_LIES}
    # No lie of ours shows these alone: they are what the good plugins are for.
    unproved = {
        "session.second-host", "session.cancelled", "session.protocol-error", "session.empty-frame",
        "flow.full", "cancel.answered", "time.short",
    }  # fmt: skip
    assert rules - tried == unproved


# ---- What people and programs see ------------------------------------------------------------------


def test_a_failure_says_rule_sent_came_and_fix() -> None:
    done = run("--rule", "answer.once", FAULTY, "--mode", "twice")
    assert done.returncode == 1
    for text in (
        "FAILED answer.once, worker faulty",
        "rule  A delivery is answered exactly once.",
        "sent  deliveries[",
        "came  a second answer to id 1: a bare id",
        "fix   Answer where the work on a delivery ends, in one place.",
    ):
        assert text in done.stdout


def test_junit_has_a_case_for_each_result(tmp_path: Path) -> None:
    file = tmp_path / "junit.xml"
    report = judge("--junit", file, "--rule", "answer.once", "--rule", "order.key", FAULTY, "--mode", "twice")
    suite = ElementTree.parse(file).getroot()
    assert (suite.get("tests"), suite.get("failures"), suite.get("skipped")) == ("2", "1", "1")
    assert [case.get("name") for case in suite] == [result["rule"] for result in report["results"]]
    assert "a second answer" in (suite.find("testcase/failure").get("message") or "")  # type: ignore[union-attr]


def test_the_list_has_every_rule_with_its_fix() -> None:
    done = run("--list")
    assert done.returncode == 0
    assert "answer.once (basic; worker, stage, producer)\n  A delivery is answered exactly once.\n" in done.stdout


def test_an_address_is_dialled(tmp_path: Path) -> None:
    path = tmp_path / "p.sock"
    plugin = subprocess.Popen([FAULTY, "--listen", f"unix:{path}"], stdin=subprocess.DEVNULL)
    try:
        wait_for("it listens", path.exists)
        report = judge(f"unix:{path}")
        assert failed(report) == {}
        assert report["grade"] == "robust"
        assert "process.stdin" in skipped(report)
    finally:
        plugin.kill()
        plugin.wait()


def test_a_plugin_at_an_address_that_dies_is_told(tmp_path: Path) -> None:
    path = tmp_path / "p.sock"
    plugin = subprocess.Popen([FAULTY, "--mode", "segv", "--listen", f"unix:{path}"], stdin=subprocess.DEVNULL)
    try:
        wait_for("it listens", path.exists)
        report = judge("--start-timeout", "1", f"unix:{path}")
        assert "process.alive" in failed(report)
        assert report["grade"] is None
    finally:
        plugin.kill()
        plugin.wait()


def test_exit_codes_tell_usage_from_nobody_there(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as held:  # Taken and not listened to by any plugin.
        port = held.getsockname()[1]
    gone = run("--start-timeout", "0.2", f"127.0.0.1:{port}")
    assert (gone.returncode, gone.stdout) == (3, "")
    assert f"127.0.0.1:{port}: nobody listens there" in gone.stderr
    for words, said in [
        ((), "which plugin? give its command"),
        ((tmp_path / "no-such-program",), "no-such-program"),
        (("--rule", "answer.onse", FAULTY), "there is no rule answer.onse; did you mean answer.once?"),
        (("--component", "x", FAULTY), "has no component x"),
        (("--config", "{", FAULTY), "--config: the text is no JSON object"),
        (("--config", tmp_path / "none.json", FAULTY), "--config: cannot read"),
        (("--event", tmp_path / "none.json", FAULTY), "--event: cannot read"),
        (("--env", "A", FAULTY), '--env: "A" is no NAME=VALUE'),
        (("--grade", "best", FAULTY), "--grade"),
        (("--no-such-flag", FAULTY), "--no-such-flag"),
    ]:
        done = run(*words)
        assert done.returncode == 2, done
        assert said in done.stderr


def test_flags_behind_the_command_are_the_plugins(tmp_path: Path) -> None:
    report = judge("--rule", "describe.answers", "--", FAULTY, "--name", "other")
    assert report["plugin"] == "other"
