"""Limits and the sandbox of plugins in a real host: what works, what they end, and what a host says without."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from running_host import Ledger, RunningHost, event, events, faulty, wait_for

ROUTE = {"name": "all", "source": {"service": "storyboard"}, "to": ["faulty"]}
QUICK = {"restart": {"initial": "100ms", "max": "500ms"}}
# A machine that gives nobody a namespace: a user namespace in which their number is 0.
POOR = ["unshare", "--user", "--map-root-user", "sh", "-c",
        'for n in user mnt net; do echo 0 > /proc/sys/user/max_${n}_namespaces; done; exec "$@"', "sh"]


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that a plugin with a user of its own can enter, too."""
    path = Path(tempfile.mkdtemp(prefix="outboard-isolation-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)


def host_in(folder: Path, **more: Any) -> RunningHost:
    return RunningHost(folder, routes=[ROUTE], **more)


def unapplied(host: RunningHost) -> list[str]:
    return [text for i in host.plugin("faulty").get("instances", []) for text in i.get("unapplied", [])]


def skip_without(host: RunningHost, name: str) -> None:
    for text in unapplied(host):
        if text.startswith(name):
            pytest.skip(text)


def test_a_plugin_works_within_its_limits_and_sandbox(folder: Path) -> None:
    state = folder / "state"
    state.mkdir()
    state.chmod(0o777)
    ledger = Ledger(state / "ledger")
    plugin = faulty("--ledger", str(ledger.path), instances=2, sandbox={"write": ["state"]},
                    limits={"memory": "256MiB", "cpu": 1.5, "processes": 100, "files": 200})
    with host_in(folder, plugins=[plugin]) as host:
        ids = host.publish(list(events(500)))
        host.wait_idle("all/faulty")
        pids = host.pids("faulty")
        status = host.status()
        text = host.command("status").stdout
        users = {Path(f"/proc/{pid}").stat().st_uid for pid in pids}
        missing = unapplied(host)
        assert host.stop() == 0
    assert set(ledger.handled()) == set(ids)
    for why in missing:
        assert f"plugin faulty: {why}" in status["warnings"]
        assert "fix: " in why
    if missing:
        pytest.skip("; ".join(missing))
    assert "warning" not in text
    assert len(users) == 1
    assert 61184 <= users.pop() <= 65519, "a user of its own"


def test_an_event_that_takes_too_much_memory_is_convicted_with_the_limit(folder: Path) -> None:
    made = list(events(50))
    made[7]["faulty"] = "oom:1g"
    plugin = faulty(limits={"memory": "128MiB"}, **QUICK)
    with host_in(folder, plugins=[plugin]) as host:
        host.publish(made)
        host.wait_idle("all/faulty")
        skip_without(host, "limits.memory")
        dead = host.dead()
        shown = host.command("dead", "show", str(dead[0]["dead_id"])).stdout if dead else ""
        assert host.stop() == 0
    assert [(letter["event_id"], letter["reason"]) for letter in dead] == [("e7", "CRASHED")]
    assert "over its memory limit of 128 MiB" in shown


def test_says_what_it_cannot_give_and_works_without(folder: Path) -> None:
    if subprocess.run([*POOR, "true"], check=False, capture_output=True).returncode != 0:
        pytest.skip("needs user namespaces, to take them away in one: sysctl user.max_user_namespaces")
    with host_in(folder, plugins=[faulty(sandbox={"user": "61999"})], wrapper=POOR) as host:
        ids = host.publish([event(1)])
        host.wait_idle("all/faulty")
        warnings = wait_for("the warnings", lambda: host.status().get("warnings"))
        text = host.command("status").stdout
        assert host.stop() == 0
        log = host.log_text()
    assert ids == ["e1"]
    for what in ("the read-only view of sandbox", "sandbox.user"):
        said = [line for line in warnings if line.startswith(f"plugin faulty: {what} is not applied: ")]
        assert len(said) == 1, warnings
        assert "; fix: " in said[0]
        assert f"warning: {said[0]}" in text
        assert f"WARN  supervise: {what} is not applied: " in log


def test_refuses_to_start_without_what_is_required(folder: Path) -> None:
    if subprocess.run([*POOR, "true"], check=False, capture_output=True).returncode != 0:
        pytest.skip("needs user namespaces, to take them away in one: sysctl user.max_user_namespaces")
    host = host_in(folder, plugins=[faulty(sandbox="strict")], wrapper=POOR)
    with pytest.raises(AssertionError, match=r"the host ended with \d+"):
        host.start()
    log = host.log_text()
    assert "plugin faulty: it is not started: the read-only view of sandbox is not applied: " in log
    assert "; fix: " in log
