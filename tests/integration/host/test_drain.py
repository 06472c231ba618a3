"""How a host ends: drained by a signal, at once by a second one, and what comes back after it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
from pathlib import Path
from typing import Any

import pytest
from running_host import BIN, Ledger, RunningHost, event, events, faulty, wait_for

ROUTE = {"name": "all", "source": {"service": "storyboard"}, "to": ["faulty"]}


def one_lane(
    folder: Path, *flags: str, host: dict[str, Any] | None = None, wrapper: list[str] | None = None, **plugin: Any
) -> RunningHost:
    flags = ("--ledger", str(folder / "ledger"), *flags)
    return RunningHost(folder, plugins=[faulty(*flags, **plugin)], routes=[ROUTE], host=host, wrapper=wrapper)


def end(host: RunningHost, *signals: int) -> int:
    assert host.process is not None
    for number in signals:
        host.process.send_signal(number)
    return host.process.wait(60)


def group_members(pids: list[int]) -> list[int]:
    return [pid for pid in pids if Path(f"/proc/{pid}").exists()]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_drains_and_what_was_answered_does_not_come_again(tmp_path: Path, number: int) -> None:
    ledger = Ledger(tmp_path / "ledger")
    with one_lane(tmp_path, "--mode", "slow:5ms", "--concurrency", "4", instances=2) as host:
        ids = host.publish(list(events(10_000)))
        wait_for("some are handled", lambda: len(ledger.handled()) > 50)
        pids = host.pids("faulty")
        assert end(host, number) == 0
        assert group_members(pids) == []
        assert not host.socket.exists()
        handled = set(ledger.handled())
        assert len(handled) < len(ids)
        host.start()
        assert int(host.lane("all/faulty")["backlog"]) <= len(ids) - len(handled)
        host.wait_idle("all/faulty")
    assert set(ledger.handled()) == set(ids)
    assert set(ledger.handled().values()) == {1}


def test_a_host_that_starts_while_another_of_its_name_ends_keeps_its_socket(tmp_path: Path) -> None:
    with one_lane(tmp_path / "old") as old:
        # A call that is under way holds up the end of the server for a moment, not that of its listening.
        words = [BIN / "outboard", "publish", "--file", "-", "--socket", str(old.socket)]
        with subprocess.Popen(words, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL) as caller:
            assert caller.stdin is not None
            caller.stdin.write(json.dumps(event(1)).encode() + b"\n")
            caller.stdin.flush()
            wait_for("it is published", lambda: int(old.lane("all/faulty").get("done", 0)) == 1)
            new = one_lane(tmp_path / "new", host={"admin_socket": str(old.socket)})
            new.socket = old.socket
            assert old.process is not None
            old.process.send_signal(signal.SIGTERM)
            wait_for("the old one does not listen", lambda: not answers(old.socket))
            with new:
                assert old.process.wait(60) == 0
                assert new.command("status").returncode == 0
            caller.stdin.close()


def answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(path)) == 0


def test_a_terminal_interrupts_the_whole_group_and_the_drain_is_still_clean(tmp_path: Path) -> None:
    """Ctrl-C reaches every process of the terminal's group: plugins are in groups of their own."""
    ledger = Ledger(tmp_path / "ledger")
    with one_lane(tmp_path, "--mode", "slow:5ms", wrapper=["setsid"]) as host:
        host.publish(list(events(300)))
        wait_for("some are handled", lambda: len(ledger.handled()) > 20)
        assert host.process is not None
        os.killpg(host.process.pid, signal.SIGINT)
        assert host.process.wait(60) == 0
        assert "suspects" not in host.log_text()
        host.start()
        host.wait_idle("all/faulty")
    assert set(ledger.handled().values()) == {1}


def test_a_drain_waits_for_what_is_in_hand(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger")
    with one_lane(tmp_path) as host:
        host.publish([event(1, faulty="slow:3s")])
        wait_for("it is in hand", lambda: int(host.lane("all/faulty").get("in_flight", 0)) == 1)
        assert end(host, signal.SIGTERM) == 0
        assert set(ledger.handled()) == {"e1"}
        host.start()
        assert int(host.lane("all/faulty").get("backlog", 0)) == 0


def test_what_does_not_finish_within_the_drain_timeout_comes_again_uncharged(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger")
    once = tmp_path / "once"
    with one_lane(tmp_path, "--once", str(once), host={"drain_timeout": "500ms"}, grace="500ms") as host:
        host.publish([*events(100), event(1000, faulty="hang"), *events(100, 2000)])
        wait_for("it hangs", once.exists)
        assert end(host, signal.SIGTERM) == 0
        assert "e1000" not in ledger.handled()
        host.start()
        host.wait_idle("all/faulty")
        assert host.dead() == []
    assert len(ledger.handled()) == 201
    assert {line[1] for line in ledger.lines()} == {"1"}


def test_a_second_signal_ends_it_at_once_and_nothing_is_lost(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger")
    once = tmp_path / "once"
    with one_lane(tmp_path, "--once", str(once), host={"drain_timeout": "10m"}) as host:
        ids = host.publish([*events(100), event(1000, faulty="hang"), *events(100, 2000)])
        wait_for("it hangs", once.exists)
        pids = host.pids("faulty")
        assert host.process is not None
        host.process.send_signal(signal.SIGINT)
        wait_for("it drains", lambda: host.status().get("draining"))
        assert host.lane("all/faulty")["state"] == "draining"
        assert host.process.poll() is None
        assert end(host, signal.SIGINT) == 1
        assert "a second signal" in host.log_text()
        wait_for("its plugin is gone", lambda: not group_members(pids))
        host.start()
        host.wait_idle("all/faulty")
    assert set(ledger.handled()) == set(ids)


def test_a_host_that_drains_refuses_publishers_or_keeps_what_it_confirms(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger")
    once = tmp_path / "once"
    with one_lane(tmp_path, "--once", str(once), host={"drain_timeout": "3s"}, grace="300ms") as host:
        ids = host.publish([event(1, faulty="hang")])
        wait_for("it hangs", once.exists)
        assert host.process is not None
        host.process.send_signal(signal.SIGTERM)
        wait_for("it drains", lambda: host.status().get("draining"))
        done = host.command("publish", "--type", "story.post", "--source", "storyboard", "--id", "late", check=False)
        if done.returncode == 0:
            ids.append("late")
        assert host.process.wait(60) == 0
        host.start()
        host.wait_idle("all/faulty")
    assert set(ledger.handled()) == set(ids)


def test_a_host_that_is_killed_clears_up_after_its_predecessor(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger")
    with one_lane(tmp_path, "--mode", "slow:2ms", "--ignore-everything", instances=2) as host:
        ids = host.publish(list(events(1000)))
        for _ in range(3):
            before = len(ledger.lines())
            wait_for("some are handled", lambda: len(ledger.lines()) > before + 50)  # noqa: B023
            pids = host.pids("faulty")
            host.kill()
            host.start()
            wait_for("the old ones are gone", lambda: not group_members(pids))  # noqa: B023
        host.wait_idle("all/faulty")
        assert host.dead() == []
    assert set(ledger.handled()) == set(ids)
