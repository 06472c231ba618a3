"""What is found out though the host dies: of what it died itself, and which event ends its plugin, on both buses.

What the host dies of is a fault in its decoders, made by the linker.
"""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from running_host import BIN, Ledger, RunningHost, event, events, faulty, wait_for

ROUTE = {"name": "all", "source": {"service": "storyboard"}, "to": ["faulty"]}
DEADLY = "of-this-the-host-dies"
# The command line of the host, with outboard-mortal in its place.
MORTAL = ["/bin/sh", "-c", f'shift; OUTBOARD_TEST_DIES_OF={DEADLY} exec {BIN}/outboard-mortal "$@"', "sh"]


@contextlib.contextmanager
def killed_host(folder: Path, bus: dict[str, Any], made: list[dict[str, Any]],
                *flags: str) -> Iterator[RunningHost]:
    """One that was killed when it had these events and had handed none of them out."""
    host = RunningHost(folder, plugins=[{"name": "faulty", "run": ["/bin/sleep", "1000"]}], routes=[ROUTE], bus=bus,
                       host={"http": "127.0.0.1:0"})
    with host:
        host.publish(made)
        assert left(host) == 0, "a first start is no probation"
        host.kill()
        host.write_config(plugins=[faulty("--ledger", str(folder / "ledger"), "--ledger-sync", "none", *flags)])
        yield host


def left(host: RunningHost) -> int:
    return int(host.status().get("probation", {}).get("deliveries_left", 0))


def die(host: RunningHost) -> None:
    """Starts the host, which dies of what it reads; it may be asked for its status before."""
    host.wrapper = MORTAL
    with contextlib.suppress(AssertionError, subprocess.TimeoutExpired):
        host.start()
    assert host.process is not None
    assert host.process.wait(60) == -signal.SIGABRT


def metric(host: RunningHost, name: str) -> float:
    with urllib.request.urlopen(f"http://{host.status()['http_address']}/metrics") as answer:
        lines = answer.read().decode().splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith(f"{name} "))


def test_what_two_hosts_died_of_is_a_dead_letter_and_the_rest_is_handled(
        tmp_path: Path, bus: Callable[[], dict[str, Any]]) -> None:
    made = list(events(60))
    made[17] = event(17, data={"text": DEADLY})
    innocent = {one["id"] for one in made} - {"e17"}
    ledger = Ledger(tmp_path / "ledger")
    with killed_host(tmp_path, bus(), made) as host:
        die(host)
        die(host)
        host.start()
        letters = wait_for("the conviction", host.dead)
        host.wait_idle("all/faulty")
        assert [letter["reason"] for letter in host.dead()] == ["HOST_CRASH"]
        shown = host.command("dead", "show", str(letters[0]["dead_id"])).stdout
        assert DEADLY in shown, "its bytes are kept"
        assert "2 hosts died" in shown
        assert "SIGABRT" in shown
        unknown = host.command("why", "e17", check=False)
        assert unknown.returncode == 1, "it is not decoded to be found"
        assert "dead letters of raw bytes, whose ids are not known: 1" in unknown.stderr
        groups = json.loads(host.command("dead", "group", "--json").stdout)
        assert "HOST_CRASH" in json.dumps(groups)
        assert set(ledger.handled()) == innocent

        status = host.status()
        assert int(status["probation"]["convictions"]) == 1
        assert 0 < left(host) < 10_000
        assert any("HOST_CRASH" in warning for warning in status["warnings"])
        assert "one at a time" in host.command("status").stdout
        assert metric(host, "outboard_probation_convictions_total") == 1
        assert 0 < metric(host, "outboard_probation_deliveries") < 10_000
        assert "convicted of ending the host" in host.log_text()

        assert host.stop() == 0
        host.wrapper = []  # Mended.
        host.start()
        assert left(host) == 0, "the host before it ended by itself"
        host.command("dead", "replay", "--reason", "HOST_CRASH")
        wait_for("it is handled", lambda: "e17" in ledger.handled())
        host.wait_idle("all/faulty")
        assert host.dead() == []


def tailed(host: RunningHost) -> list[str]:
    """Ids in the log up to the event that it publishes, as `tail` shows them."""
    last = f"last-{time.monotonic_ns()}"
    host.publish([event(0, kind="last", id=last)])
    words = [str(BIN / "outboard"), "tail", "--json", "--last", "1000", "--socket", str(host.socket)]
    ids: list[str] = []
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as tail:
        assert tail.stdout is not None
        while not ids or ids[-1] != last:
            line = tail.stdout.readline()
            assert line, f"tail ended after {ids}"
            ids.append(json.loads(line)["event"]["id"])
        tail.terminate()
    return ids


def test_what_hosts_died_of_is_not_decoded_for_people_nor_for_new_lanes(tmp_path: Path) -> None:
    made = list(events(60))
    made[17] = event(17, data={"text": DEADLY})
    innocent = {one["id"] for one in made} - {"e17"}
    late = {**ROUTE, "name": "late", "from": "first"}
    with killed_host(tmp_path, {"kind": "embedded"}, made) as host:
        host.write_config(routes=[ROUTE, late])
        die(host)  # The lane is declared, and what is in the log for it counted.
        die(host)
        host.start()
        wait_for("a conviction by both lanes", lambda: len(host.dead()) == 2)
        assert {(one["lane"], one["reason"]) for one in host.dead()} == {
            ("all/faulty", "HOST_CRASH"), ("late/faulty", "HOST_CRASH")}
        for lane in ("all/faulty", "late/faulty"):
            host.wait_idle(lane)
        assert set(tailed(host)) >= innocent
        host.command("dead", "purge", "--all", "--yes")
        assert "e17" not in tailed(host)

        # Its probation is over and forgotten, its letters are gone, its bytes are in the log.
        assert host.stop() == 0
        host.write_config(routes=[{**late, "name": "later"}])
        host.start()
        wait_for("it is not read", lambda: [one["lane"] for one in host.dead()] == ["later/faulty"])
        host.wait_idle("later/faulty")
        assert "e17" not in tailed(host)
        assert host.stop() == 0


def test_a_host_that_is_killed_again_and_again_convicts_nobody(
        tmp_path: Path, bus: Callable[[], dict[str, Any]]) -> None:
    made = list(events(2000))
    ledger = Ledger(tmp_path / "ledger")
    with killed_host(tmp_path, bus(), made, "--mode", "slow:1ms", "--concurrency", "1") as host:
        for life in range(5):
            handled = ledger.size()
            host.start()
            assert left(host) > 0
            wait_for("some are handled", lambda handled=handled: ledger.size() > handled)
            time.sleep(0.01 * life)
            host.kill()
        host.start()
        host.wait_idle("all/faulty")
        assert host.dead() == []
        assert int(host.status()["probation"].get("convictions", 0)) == 0
    assert set(ledger.handled()) == {one["id"] for one in made}


def test_ends_of_a_plugin_count_over_the_ends_of_the_host(tmp_path: Path, bus: Callable[[], dict[str, Any]]) -> None:
    limit = 12
    ledger = Ledger(tmp_path / "ledger")
    deaths = tmp_path / "deaths"
    suspects = tmp_path / "data" / "suspects"
    plugin = {"name": "faulty", "crash_limit": limit, "restart": {"initial": "100ms", "max": "300ms"},
              "run": ["/bin/sh", "-c", f"{BIN}/outboard-faulty --ledger {ledger.path}; echo died >> {deaths}"]}
    killer = event(1, faulty="segv")

    def kept() -> int:
        """Ends of the killer that would outlive the host now."""
        lines = suspects.read_text().splitlines()[1:] if suspects.exists() else []
        return int(lines[0].split()[2]) if lines else 0

    with RunningHost(tmp_path, plugins=[plugin], routes=[ROUTE], bus=bus()) as host:
        host.publish([killer])
        for _ in range(2):
            before = kept()
            wait_for("one more process has ended", lambda before=before: kept() > before)
            host.kill()
            assert kept() < limit, "the test was too slow for what it is to show"
            host.start()
        before = kept()
        deaths.unlink()
        named = wait_for("it is set aside",
                         lambda: [one for one in host.plugin("faulty").get("suspects", []) if one.get("set_aside")])
        assert int(named[0]["ends"]) == limit, "those of other lives are among them"
        assert len(deaths.read_text().split()) <= limit - before
        ids = host.publish([event(number) for number in range(2, 20)])
        letters = wait_for("the conviction", host.dead)
        assert [(letter["event_id"], letter["reason"]) for letter in letters] == [("e1", "CRASHED")]
        host.wait_idle("all/faulty")
        assert kept() == 0, "replayed it would be tried anew"
    assert set(ledger.handled()) == set(ids)
