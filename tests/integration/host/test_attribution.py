"""Which event, if any, is to blame when a plugin's process dies: on real processes."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from pathlib import Path

from running_host import Ledger, RunningHost, event, events, faulty, faulty_until, wait_for

ROUTE = {"name": "all", "source": {"service": "storyboard"}, "to": ["faulty"]}
QUICK = {"restart": {"initial": "100ms", "max": "500ms"},
         "circuit": {"crashes": 5, "within": "60s", "trial_after": "1s"}}


def test_one_killer_among_ten_thousand_is_convicted_and_no_innocent_is_charged(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger")
    made = list(events(10_000))
    made[4321]["faulty"] = "segv"
    with RunningHost(tmp_path, plugins=[faulty("--ledger", str(ledger.path), "--ledger-sync", "none", instances=2,
                                               max_in_flight=256, **QUICK)], routes=[ROUTE]) as host:
        ids = host.publish(made)
        host.wait_idle("all/faulty", 180)
        dead = host.dead()
        lane = host.lane("all/faulty")
        assert host.stop() == 0
    assert [(letter["event_id"], letter["reason"]) for letter in dead] == [("e4321", "CRASHED")]
    assert int(lane.get("retries", 0)) == 0
    assert {line[1] for line in ledger.lines()} == {"1"}, "nobody was charged an attempt"
    assert set(ledger.handled()) == set(ids) - {"e4321"}


def test_kills_from_outside_convict_nobody(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger")
    kills = int(os.environ.get("OUTBOARD_OUTSIDE_KILLS", "50"))
    with RunningHost(tmp_path, plugins=[faulty("--ledger", str(ledger.path), "--ledger-sync", "none",
                                               "--mode", "slow:2ms",
                                               instances=2, restart={"initial": "20ms", "max": "50ms"})],
                     routes=[ROUTE]) as host:
        published: list[str] = []
        done = 0
        while done < kills:
            if int(host.lane("all/faulty").get("backlog", 0)) < 500:
                published += host.publish(list(events(2000, len(published))))
            # Not those that try suspects: twice the same event there is what convicts.
            pids = [int(i["pid"]) for i in host.plugin("faulty").get("instances", [])
                    if int(i.get("in_flight", 0)) > 0 and i["state"] != "quarantine"]
            for pid in pids:
                # The status may be of a moment before the last kill.
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                    done += 1
            time.sleep(0.05)
        host.wait_idle("all/faulty", 180)
        assert host.dead() == []
        assert host.stop() == 0
    assert set(ledger.handled()) == set(published)


def test_a_plugin_that_dies_on_every_event_opens_its_circuit_and_convicts_nobody(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger")
    mended = tmp_path / "mended"
    plugin = faulty_until(mended, "--ledger", str(ledger.path), **QUICK)
    with RunningHost(tmp_path, plugins=[plugin], routes=[ROUTE]) as host:
        ids = host.publish(list(events(20)))
        wait_for("the circuit opens", lambda: host.plugin("faulty")["circuit"] != "closed", 60)
        assert host.dead() == []
        time.sleep(3)  # Trials go on meanwhile, and blame nobody.
        assert host.dead() == []
        mended.touch()
        host.wait_idle("all/faulty", 120)
        assert host.dead() == []
        wait_for("the circuit closes", lambda: host.plugin("faulty")["circuit"] == "closed")
        assert host.stop() == 0
    assert set(ledger.handled()) == set(ids)


def test_a_killer_alone_on_a_quiet_lane_is_named_and_convicted_with_the_next_good_event(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger")
    quiet = {**QUICK, "circuit": {"crashes": 50, "within": "60s", "trial_after": "1s"}}
    with RunningHost(tmp_path, plugins=[faulty("--ledger", str(ledger.path), **quiet)], routes=[ROUTE]) as host:
        host.publish([event(1, faulty="segv")])
        named = wait_for("status names it",
                         lambda: [s for s in host.plugin("faulty").get("suspects", []) if s.get("set_aside")])
        assert named[0]["event_id"] == "e1"
        assert host.dead() == []
        host.publish([event(2)])
        letters = wait_for("the conviction", host.dead)
        assert [(letter["event_id"], letter["reason"]) for letter in letters] == [("e1", "CRASHED")]
        shown = json.loads(host.command("dead", "show", str(letters[0]["dead_id"]), "--json").stdout)
        assert "SIGSEGV" in json.dumps(shown)
    assert set(ledger.handled()) == {"e2"}


def test_a_plugin_that_exits_before_describe_shows_why_and_how_to_run_it_by_hand(tmp_path: Path) -> None:
    plugin = {"name": "faulty", "run": ["/bin/sh", "-c", "echo 'no module named frobnicate' >&2; exit 3"], **QUICK}
    with RunningHost(tmp_path, plugins=[plugin], routes=[ROUTE]) as host:
        wait_for("the log says why",
                 lambda: "no module named frobnicate" in host.log_text() and "by hand" in host.log_text())
        assert "exited with 3" in host.log_text()
        assert "OUTBOARD_LISTEN=" in host.log_text()


def test_no_process_is_left_after_the_host_was_killed(tmp_path: Path) -> None:
    with RunningHost(tmp_path, plugins=[faulty("--ignore-everything")], routes=[ROUTE]) as host:
        pid = wait_for("it runs", lambda: host.pids("faulty"))[0]
        host.kill()
        wait_for("the plugin is gone", lambda: not Path(f"/proc/{pid}").exists(), 5)
