"""Plugins that lie, misbehave or get stuck: the host says what was wrong, and nothing else suffers."""

from __future__ import annotations

import json
import os
import re
import resource
import signal
from pathlib import Path
from typing import Any

import pytest
from broker import Broker
from running_host import BIN, Ledger, RunningHost, event, events, faulty, resident, wait_for

ROUTE = {"name": "all", "source": {"service": "storyboard"}, "to": ["bad", "good"]}
QUICK = {
    "restart": {"initial": "50ms", "max": "200ms"},
    "grace": "300ms",
    "circuit": {"crashes": 20, "within": "60s", "trial_after": "1s"},
}

# What a plugin does, and what the host says of it: which rule, and how to keep it.
BROKEN_RULES = [
    ("unknown-id", "which was never sent", "answer with the delivery_id of a delivery of this session"),
    ("zero-id", "delivery 0, which was never sent", "answer with the delivery_id of a delivery of this session"),
    ("zero-outcome", "has no valid outcome", "set one"),
    ("bad-utf8", "a frame is no valid message of the service", "is a text field no UTF-8?"),
    ("oversize", "a frame above 16777216 bytes", "send answers in several frames"),
    ("opened-again", "opened came a second time", "send it in the first frame only"),
]
LOST_STREAMS = [
    ("end-ok", "the plugin ended the stream"),
    ("end-error", "ended on purpose"),
    ("half-close", "the stream failed"),
    ("exit:0", "exited with 0"),
]


class Pair:
    """Two plugins that each get every event; only `bad` does what the events or its flags ask for."""

    def __init__(
        self,
        folder: Path,
        *flags: str,
        good: dict[str, Any] | None = None,
        route: dict[str, Any] | None = None,
        host: dict[str, Any] | None = None,
        bus: dict[str, Any] | None = None,
        **bad: Any,
    ) -> None:
        mended = folder / "mended"
        mended.touch()
        self.bad = Ledger(folder / "bad.ledger")
        self.good = Ledger(folder / "good.ledger")
        self.published: list[str] = []
        plugins = [
            faulty("--ledger", str(self.bad.path), "--ledger-sync", "none", *flags, name="bad", **{**QUICK, **bad}),
            faulty(
                "--ledger",
                str(self.good.path),
                "--ledger-sync",
                "none",
                "--once",
                str(mended),
                name="good",
                **(good or {}),
            ),
        ]
        self.host = RunningHost(folder, plugins=plugins, routes=[{**ROUTE, **(route or {})}], host=host, bus=bus)

    def __enter__(self) -> Pair:
        self.host.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.host.__exit__()

    def publish(self, made: list[dict[str, Any]]) -> None:
        self.published += self.host.publish(made)

    def finish(self, dead: set[str] = frozenset()) -> None:  # type: ignore[assignment]
        """All is handled by both, but what is dead on the bad lane; the host drains and ends well."""
        self.good_goes_on()
        self.host.wait_idle("all/bad")
        letters = self.host.dead()
        assert {letter["event_id"] for letter in letters} == dead
        assert {letter["lane"] for letter in letters} <= {"all/bad"}
        assert self.host.stop() == 0
        assert set(self.bad.handled()) >= set(self.published) - dead

    def good_goes_on(self) -> None:
        wait_for("the good plugin handled all", lambda: set(self.good.handled()) == set(self.published))
        assert set(self.good.handled().values()) == {1}
        assert int(self.host.plugin("good").get("restarts", 0)) == 0

    def log_line(self, *parts: str) -> str:
        def find() -> str | None:
            return next(
                (line for line in self.host.log_text().splitlines() if all(part in line for part in parts)), None
            )

        return str(wait_for(f"the log has a line with {parts}", find))


def some(count: int, at: int, what: str) -> list[dict[str, Any]]:
    made = list(events(count))
    made[at]["faulty"] = what
    return made


# ---- Lies ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("lie", "rule", "fix"), BROKEN_RULES)
def test_a_lie_ends_the_session_and_all_is_handled_by_the_next(tmp_path: Path, lie: str, rule: str, fix: str) -> None:
    with Pair(tmp_path, "--once", str(tmp_path / "lied"), core=True) as pair:
        pair.publish(some(300, 150, lie))
        line = pair.log_line("broke the contract", rule)
        assert fix in line
        assert "plugin=bad" in line
        pair.finish()
        assert "SIGABRT" not in pair.host.log_text(), "a core file is for what hangs"
    assert (tmp_path / "lied").exists()


# gRPC itself gives up a stream with a frame that is too large or no message: nothing can be sent on it any more.
@pytest.mark.parametrize(("lie", "rule", "fix"), [r for r in BROKEN_RULES if r[0] not in ("bad-utf8", "oversize")])
def test_the_plugin_is_told_which_rule_it_broke(tmp_path: Path, lie: str, rule: str, fix: str) -> None:
    with Pair(tmp_path, "--once", str(tmp_path / "lied")) as pair:
        pair.publish([event(1, faulty=lie)])
        assert fix in pair.log_line("outboard-faulty: the host closed the session", rule)
        pair.finish()


# Its process lives on until the host ends it for that.
@pytest.mark.parametrize(("lie", "says"), [
    ("unknown-id", ["broke the contract", "which was never sent"]),
    ("end-ok", ["the plugin ended the stream"]),
    ("end-error", ["the stream failed: ended on purpose"]),
])
def test_an_event_by_which_its_plugin_ends_each_session_is_a_dead_letter_with_the_report_on_its_process(
        tmp_path: Path, lie: str, says: list[str]) -> None:
    with Pair(tmp_path) as pair:
        pair.publish(some(300, 150, lie))
        pair.publish([event(1000)])
        letter = wait_for("the dead letter", pair.host.dead)[0]
        assert (letter["event_id"], letter["reason"], letter["lane"]) == ("e150", "CRASHED", "all/bad")
        report = str(json.loads(pair.host.command("dead", "show", str(letter["dead_id"]), "--json").stdout)["detail"])
        for part in (*says, "plugin version 1.0", "; its process: ", "instance q0", "CPU time", "peak memory"):
            assert part in report, report
        pair.finish(dead={"e150"})


def test_the_report_on_a_plugin_that_dies_of_its_lie_tells_both(tmp_path: Path) -> None:
    with Pair(tmp_path, "--at-close", "exit:3") as pair:
        pair.publish(some(300, 150, "unknown-id"))
        pair.publish([event(1000)])
        letter = wait_for("the dead letter", pair.host.dead)[0]
        shown = json.loads(pair.host.command("dead", "show", str(letter["dead_id"]), "--json").stdout)
        report = str(shown["detail"])
        for part in (
            "plugin version 1.0",
            " in flight; broke the contract: ",
            "which was never sent",
            "its process: exited with 3; plugin bad, instance q0",
            "CPU time",
            "outboard-faulty: the host closed the session",
        ):
            assert part in report, report


def test_of_many_misdeeds_only_the_events_that_ask_for_them_die(tmp_path: Path) -> None:
    wrong = {
        100 * (i + 1): what
        for i, what in enumerate(
            ["segv", "unknown-id", "exit:0", "zero-outcome", "end-ok", "opened-again", "kill", "oversize"]
        )
    }
    made = list(events(1000))
    for at, what in wrong.items():
        made[at]["faulty"] = what
    with Pair(tmp_path, instances=2, circuit={"crashes": 1000, "within": "60s", "trial_after": "500ms"}) as pair:
        pair.publish(made)
        pair.good_goes_on()

        def ended() -> bool:
            pair.publish([event(10_000 + len(pair.published))])  # A control for those set aside.
            return len(pair.host.dead()) == len(wrong)

        wait_for("all of them are convicted", ended)
        assert {letter["reason"] for letter in pair.host.dead()} == {"CRASHED"}
        pair.finish(dead={f"e{at}" for at in wrong})


@pytest.mark.parametrize("lie", ["twice", "contradict"])
def test_a_second_answer_is_ignored(tmp_path: Path, lie: str) -> None:
    with Pair(tmp_path) as pair:
        pair.publish([event(n, faulty=lie) for n in range(200)])
        pair.good_goes_on()
        pair.host.wait_idle("all/bad")
        assert pair.host.dead() == []
        assert int(pair.host.plugin("bad").get("restarts", 0)) == 0
        assert int(pair.host.lane("all/bad")["done"]) == 200
        assert pair.host.stop() == 0


def until_mended(folder: Path, *flags: str) -> dict[str, Any]:
    """A plugin `bad` with these flags, and without them when the file `bad.mended` is there."""
    command = [str(BIN / "outboard-faulty"), "--ledger", str(folder / "bad.ledger"), "--ledger-sync", "none"]
    script = 'if [ -e "$0" ]; then exec "$1" "$2" "$3" "$4" "$5"; else exec "$@"; fi'
    return {"run": ["/bin/sh", "-c", script, str(folder / "bad.mended"), *command, *flags]}


def test_a_broken_rule_counts_as_a_crash_in_the_budget(tmp_path: Path) -> None:
    circuit = {"crashes": 3, "within": "60s", "trial_after": "1s"}
    with Pair(
        tmp_path, **until_mended(tmp_path, "--mode", "unknown-id"), max_in_flight=1, crash_limit=100, circuit=circuit
    ) as pair:
        pair.publish(list(events(50)))
        why = wait_for("the circuit opens", lambda: pair.host.plugin("bad").get("circuit_reason"))
        assert "3 crashes without a success between them" in why
        assert "broke the contract" in why
        assert "which was never sent" in why
        assert pair.host.lane("all/bad")["state"] == "circuit"
        assert any("circuit is open" in warning for warning in pair.host.status()["warnings"])
        pair.good_goes_on()
        assert pair.host.dead() == []
        (tmp_path / "bad.mended").touch()
        pair.finish()


# ---- Streams and processes -------------------------------------------------------------------------


@pytest.mark.parametrize(("what", "said"), LOST_STREAMS)
def test_a_lost_session_is_told_and_its_events_come_again(tmp_path: Path, what: str, said: str) -> None:
    with Pair(tmp_path, "--once", str(tmp_path / "done"), instances=2) as pair:
        pair.publish(some(300, 150, what))
        assert "plugin=bad" in pair.log_line("a session was lost", said)
        pair.finish()


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("unknown-id", "broke the contract"),
        ("half-close", "the stream failed"),
        ("exit:0", "exited with 0"),
        ("hang", "an instance is stuck"),
    ],
)
def test_on_rabbitmq_too_nobody_else_suffers(tmp_path: Path, broker: Broker, what: str, said: str) -> None:
    bus = {"kind": "rabbitmq", "url": broker.url(broker.new_vhost())}
    retry = {"retry": {"initial": "50ms", "max": "100ms"}}
    once = str(tmp_path / "done")
    with Pair(tmp_path, "--once", once, instances=2, time_limit="1s", route=retry, bus=bus) as pair:
        pair.publish(some(300, 150, what))
        pair.log_line(said, "plugin=bad")
        pair.finish()


def test_no_death_is_taken_for_a_drain(tmp_path: Path) -> None:
    """The connection's loss and a server's going away look the same at first."""
    with Pair(tmp_path, "--mode", "slow:5ms") as pair:
        for deaths in range(1, 7):
            wait_for("it is ready", lambda: pair.host.lane("all/bad")["state"] == "running")
            pair.publish(list(events(300, 1000 * deaths)))
            wait_for("it has events in hand", lambda: int(pair.host.lane("all/bad").get("in_flight", 0)) > 5)
            pid = next(int(i["pid"]) for i in pair.host.plugin("bad")["instances"] if i["state"] == "ready")
            os.kill(pid, signal.SIGKILL)
            wait_for("it is told", lambda: pair.host.log_text().count("a session was lost") == deaths)  # noqa: B023
            wait_for("all is handled", lambda: int(pair.host.lane("all/bad").get("backlog", 0)) == 0)
        # The instance for suspects is drained when it is no longer wanted.
        drained = [line for line in pair.host.log_text().splitlines() if "its sessions were drained" in line]
        assert all("instance=q0" in line for line in drained), drained
        pair.finish()


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--at-start", "exit:3"], "exited with 3"),
        (["--at-start", "segv"], "killed by SIGSEGV"),
        (["--at-start", "hang"], "does not answer Describe"),
        (["--at-describe", "hang"], "does not answer Describe"),
        (["--at-describe", "end-error"], "refused on purpose"),
        (["--at-describe", "segv"], "killed by SIGSEGV"),
        (["--at-open", "silent"], "no opened came within start_timeout"),
        (["--at-open", "end-ok"], "the session was not opened"),
        (["--at-open", "end-error"], "refused on purpose"),
        (["--at-open", "early"], "answer open with opened, and nothing before it"),
        (["--at-open", "exit:4"], "exited with 4"),
    ],
)
def test_a_plugin_that_does_not_get_ready_is_tried_again(tmp_path: Path, flags: list[str], said: str) -> None:
    with Pair(tmp_path, **until_mended(tmp_path, *flags), start_timeout="1s") as pair:
        pair.publish(list(events(20)))
        pair.log_line(said)
        wait_for(
            "status says it", lambda: any(said in w and "bad" in w for w in pair.host.status().get("warnings", []))
        )
        pair.good_goes_on()
        assert pair.host.lane("all/bad")["state"] in ("no session", "circuit")
        (tmp_path / "bad.mended").touch()
        pair.finish()


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--component", "a", "--component", "a"], "names component a twice: names are unique within a role"),
        (["--event-type", "story.po*st"], "has a bad pattern in event_types of component faulty"),
        (["--config-error", "smtp is missing"], "refuses its config: /: smtp is missing"),
        (
            ["--component", "a", "--component", "b"],
            "has several workers and producers (a, b): write bad.NAME as the target",
        ),
    ],
)
def test_a_description_that_is_no_use_is_told(tmp_path: Path, flags: list[str], said: str) -> None:
    with Pair(tmp_path, **until_mended(tmp_path, *flags)) as pair:
        pair.publish(list(events(20)))
        pair.log_line(said)
        told = wait_for(
            "status says it", lambda: [w for w in pair.host.status().get("warnings", []) if said in w]
        )
        assert [w.count("plugin bad") for w in told] == [1], "where it is said, once"
        pair.good_goes_on()
        assert pair.host.dead() == []
        assert pair.host.lane("all/bad")["state"] in ("no session", "circuit")


# ---- Stuck -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["hang", "stop", "deadlock", "busy"])
def test_a_stuck_instance_is_replaced_and_its_events_are_retried_elsewhere(tmp_path: Path, how: str) -> None:
    once = tmp_path / "stuck"
    with Pair(
        tmp_path,
        "--once",
        str(once),
        time_limit="500ms",
        instances=2,
        route={"retry": {"initial": "50ms", "max": "100ms"}},
    ) as pair:
        pair.publish(some(300, 150, how))
        pair.log_line("an instance is stuck", "plugin=bad")
        wait_for("it is replaced", lambda: int(pair.host.plugin("bad").get("restarts", 0)) >= 1)
        wait_for(
            "two are ready",
            lambda: (
                [i["state"] for i in pair.host.plugin("bad")["instances"] if i["state"] != "quarantine"]
                == ["ready", "ready"]
            ),
        )
        pair.finish()
    again = {line[0] for line in pair.bad.lines() if line[1] == "2"}
    assert len(again) == 1, "the oldest was charged an attempt, and it alone"
    # A stopped process may owe answers that it thought it had given.
    assert how == "stop" or again == {"e150"}


@pytest.mark.parametrize("core", [False, True])
def test_a_stuck_instance_leaves_a_core_file_where_it_may(tmp_path: Path, core: bool) -> None:
    retry = {"retry": {"initial": "50ms", "max": "100ms"}}
    once = str(tmp_path / "stuck")
    with Pair(tmp_path, "--once", once, time_limit="500ms", grace="20s", core=core, route=retry) as pair:
        pair.publish(some(50, 25, "stop"))
        line = pair.log_line("plugin process stopped", "plugin=bad", "instance=0")
        assert ("killed by SIGABRT" in line) == core
        pair.finish()
    by_name = Path("/proc/sys/kernel/core_pattern").read_text().strip() == "core"
    if by_name and resource.getrlimit(resource.RLIMIT_CORE)[1] != 0:
        assert bool(list(tmp_path.glob("core*"))) == core


def test_a_stuck_former_instance_is_ended_by_sigabrt_too(tmp_path: Path) -> None:
    """A reload drains it while it hangs: its core file shows what the next version has mended."""
    retry = {"retry": {"initial": "50ms", "max": "100ms"}}
    once = tmp_path / "stuck"
    with Pair(tmp_path, "--once", str(once), time_limit="3s", grace="20s", core=True, route=retry) as pair:
        pair.publish(some(50, 25, "stop"))
        wait_for("it hangs", once.exists)
        pair.host.command("reload", "--replace", "bad")
        line = pair.log_line("plugin process stopped", "plugin=bad", "instance=0")
        assert "killed by SIGABRT" in line
        pair.finish()


def deaf(pair: Pair, once: Path, batches: int) -> None:
    """It reads nothing after the first event, and so many batches of 50 MiB are for it."""
    pair.publish([event(1, faulty="unread")])
    wait_for("it reads no more", once.exists)
    for batch in range(batches):
        pair.publish([event(100 * (batch + 1) + n, data="x" * 512 * 1024) for n in range(100)])
    pair.good_goes_on()


def test_a_plugin_that_never_reads_fills_no_memory_of_the_host(tmp_path: Path) -> None:
    """What it is owed waits within its window, and the rest on the bus."""
    once = tmp_path / "deaf"
    with Pair(tmp_path, "--once", str(once), time_limit="10m") as pair:
        assert pair.host.process is not None
        before = resident(pair.host.process.pid)
        deaf(pair, once, 6)
        assert resident(pair.host.process.pid) < before + 150, "of 300 MiB"
        assert "e699" not in pair.bad.handled()
        os.kill(pair.host.pids("bad")[0], signal.SIGKILL)
        pair.finish()


def test_a_plugin_that_never_reads_is_replaced(tmp_path: Path) -> None:
    once = tmp_path / "deaf"
    retry = {"retry": {"initial": "50ms", "max": "100ms"}}
    with Pair(tmp_path, "--once", str(once), time_limit="1s", route=retry) as pair:
        deaf(pair, once, 1)
        pair.log_line("an instance is stuck", "plugin=bad")
        pair.finish()
    assert len({line[0] for line in pair.bad.lines() if line[1] != "1"}) <= 1, "the oldest alone was charged"


def test_an_instance_that_owes_one_answer_is_drained_and_replaced(tmp_path: Path) -> None:
    """Others are answered meanwhile: nothing of theirs comes again."""
    with Pair(
        tmp_path,
        "--once",
        str(tmp_path / "silent"),
        "--concurrency",
        "2",
        time_limit="400ms",
        route={"retry": {"initial": "50ms", "max": "100ms"}},
    ) as pair:
        pair.publish(some(100, 5, "silent"))

        def replaced() -> bool:
            pair.publish(list(events(20, 1000 + len(pair.published))))
            return int(pair.host.plugin("bad").get("restarts", 0)) >= 1

        wait_for("it is replaced while others are handled", replaced)
        pair.log_line("an instance is stuck", "plugin=bad")
        pair.finish()
    assert "suspects" not in pair.host.log_text()
    assert {line[0] for line in pair.bad.lines() if line[1] != "1"} == {"e5"}
    assert set(pair.bad.handled().values()) == {1}


def test_a_process_stopped_from_outside_is_replaced(tmp_path: Path) -> None:
    with Pair(tmp_path, time_limit="500ms", route={"retry": {"initial": "50ms", "max": "100ms"}}) as pair:
        wait_for("it is ready", lambda: pair.host.lane("all/bad")["state"] == "running")
        pid = pair.host.pids("bad")[0]
        os.kill(pid, signal.SIGSTOP)
        pair.publish(list(events(100)))
        wait_for("another runs", lambda: pair.host.pids("bad") not in ([], [pid]))
        pair.finish()
    assert not Path(f"/proc/{pid}").exists()


def test_progress_keeps_a_slow_event_alive(tmp_path: Path) -> None:
    with Pair(tmp_path, time_limit="500ms") as pair:
        pair.publish([event(1, faulty="progress:2s"), *events(50, 2)])
        pair.finish()
    assert {line[1] for line in pair.bad.lines()} == {"1"}


# ---- Floods, pauses, noise -------------------------------------------------------------------------


def test_a_paused_plugin_gets_nothing_until_it_opens_its_window(tmp_path: Path) -> None:
    with Pair(tmp_path) as pair:
        pair.publish([event(1, faulty="pause:3s")])
        wait_for("the lane says so", lambda: pair.host.lane("all/bad")["state"] == "paused")
        pair.publish(list(events(100, 2)))
        pair.good_goes_on()
        assert pair.host.lane("all/bad")["state"] == "paused"
        assert int(pair.host.lane("all/bad").get("in_flight", 0)) == 0
        pair.finish()
        assert int(Ledger(pair.bad.path).handled()["e1"]) == 1


def test_a_flood_of_frames_costs_neither_the_host_nor_others_anything(tmp_path: Path) -> None:
    with Pair(tmp_path, "--once", str(tmp_path / "flooded"), instances=2) as pair:
        assert pair.host.process is not None
        before = resident(pair.host.process.pid)
        pair.publish(some(100, 20, "flood"))
        wait_for("it floods", (tmp_path / "flooded").exists)
        pids = pair.host.pids("bad")
        for batch in range(5):
            later = list(events(1000, 1000 * (batch + 1)))
            pair.publish(later)
            pair.good_goes_on()
            wait_for("the other instance handles them", lambda: {e["id"] for e in later} <= set(pair.bad.handled()))  # noqa: B023
        assert resident(pair.host.process.pid) < before + 100
        assert pair.host.pids("bad") == pids, "nobody was killed for it"
        assert "e20" not in pair.bad.handled()
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        pair.finish()


def test_a_long_burst_of_frames_is_read_to_its_end(tmp_path: Path) -> None:
    with Pair(tmp_path) as pair:
        pair.publish(some(100, 10, "flood:100000"))
        pair.finish()
        assert {line[1] for line in pair.bad.lines()} == {"1"}


def test_noise_is_cut_escaped_limited_and_attributed(tmp_path: Path) -> None:
    with Pair(tmp_path) as pair:
        made = list(events(50))
        for at, what in enumerate(["noise:3", "noise-long:4m", "noise-bytes", "noise-json", "noise:200000"]):
            made[10 * at]["faulty"] = what
        pair.publish(made)
        for stream in ("stdout", "stderr"):
            pair.log_line("noise line 1", "plugin=bad", stream)
        pair.log_line("structured noise", "WARN")
        pair.finish()
        raw = pair.host.log.read_bytes()
    raw.decode()  # All of it is UTF-8.
    assert b"\x1b" not in raw
    lines = raw.decode().splitlines()
    assert any("not UTF-8" in line and "\\x" in line for line in lines)
    assert max(map(len, lines)) < 20 * 1024
    assert any("nnnnnnnn" in line for line in lines)
    assert len(lines) < 100_000
    assert any(re.search(r"dropped|more lines|left out", line) for line in lines), "what was dropped is counted"


# ---- Processes that will not go --------------------------------------------------------------------


def child_of(pair: Pair) -> int:
    return int(re.search(r"child (\d+) started", pair.log_line("outboard-faulty: child")).group(1))  # type: ignore[union-attr]


@pytest.mark.parametrize("how", ["fork", "fork-away"])
def test_children_of_a_plugin_end_with_it(tmp_path: Path, how: str) -> None:
    with Pair(tmp_path) as pair:
        pair.publish([event(1, faulty=how)])
        child = child_of(pair)
        assert Path(f"/proc/{child}").exists()
        os.kill(pair.host.pids("bad")[0], signal.SIGKILL)
        wait_for("the child is gone", lambda: not Path(f"/proc/{child}").exists())
        pair.publish(list(events(50, 2)))
        pair.finish()


def test_a_plugin_that_ignores_everything_does_not_hold_up_the_end(tmp_path: Path) -> None:
    with Pair(tmp_path, "--ignore-everything", host={"drain_timeout": "1s"}) as pair:
        pid = wait_for("it runs", lambda: pair.host.pids("bad"))[0]
        pair.publish([*events(100), event(1000, faulty="hang"), *events(100, 1001)])
        pair.good_goes_on()
        wait_for("what is before the hang is handled", lambda: len(pair.bad.handled()) >= 100)
        assert pair.host.stop() == 0
        assert not Path(f"/proc/{pid}").exists()
        pair.host.start()
        assert int(pair.host.lane("all/bad")["backlog"]) == len(set(pair.published) - set(pair.bad.handled()))
