"""Nothing that was confirmed is lost, whatever is killed.

The oracle is outside of the host: it joins what publishers got confirmed with what the plugin wrote and synced before
it answered, and with the dead letters.

Sizes by environment: OUTBOARD_CHAOS_EVENTS, OUTBOARD_CHAOS_PLUGIN_KILLS, OUTBOARD_CHAOS_HOST_KILLS.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import threading
import time
from pathlib import Path

from running_host import BIN, Ledger, RunningHost, events, faulty, wait_for

EVENTS = int(os.environ.get("OUTBOARD_CHAOS_EVENTS", "20000"))
PLUGIN_KILLS = int(os.environ.get("OUTBOARD_CHAOS_PLUGIN_KILLS", "10"))
HOST_KILLS = int(os.environ.get("OUTBOARD_CHAOS_HOST_KILLS", "3"))
SEED = int(os.environ.get("OUTBOARD_CHAOS_SEED", str(random.randrange(1 << 32))))


class Feeder(threading.Thread):
    """Publishes all events through the command line, again from the first unconfirmed one after each host that died."""

    def __init__(self, host: RunningHost, count: int) -> None:
        super().__init__(daemon=True)
        self.host = host
        self.feed = host.folder / "feed.ndjson"
        self.feed.write_text("".join(json.dumps(e) + "\n" for e in events(count)))
        self.count = count
        self.confirmed_log = host.folder / "confirmed"
        self.confirmed_log.touch()
        self.stopped = False

    def confirmed(self) -> list[str]:
        return self.confirmed_log.read_text().split("\n")[:-1]

    def run(self) -> None:
        while not self.stopped and len(set(self.confirmed())) < self.count:
            # Confirmed in order: the next line is the first that was not.
            start = len(set(self.confirmed())) + 1
            part = self.host.folder / "confirmed.part"
            part.unlink(missing_ok=True)
            subprocess.run([BIN / "outboard", "publish", "--file", self.feed, "--from-line", str(start),
                            "--rate", "1500", "--confirmed-log", part, "--socket", self.host.socket],
                           capture_output=True, check=False)
            if part.exists():
                whole = part.read_text()
                with self.confirmed_log.open("a") as log:
                    log.write(whole[: whole.rfind("\n") + 1])
            time.sleep(0.05)


def in_flight(host: RunningHost, pid: int) -> int:
    try:
        for instance in host.plugin("faulty").get("instances", []):
            if int(instance.get("pid", 0)) == pid:
                return int(instance.get("in_flight", 0))
    except AssertionError:
        pass
    return 0


def test_no_confirmed_event_is_lost_under_kills(tmp_path: Path) -> None:
    chance = random.Random(SEED)
    print(f"seed {SEED}: OUTBOARD_CHAOS_SEED={SEED} repeats the choices")
    ledger = Ledger(tmp_path / "ledger")
    plugin = faulty("--ledger", str(ledger.path), "--mode", "slow:4ms", "--concurrency", "2", instances=2,
                    restart={"initial": "100ms", "max": "1s"})
    host = RunningHost(tmp_path, plugins=[plugin],
                       routes=[{"name": "all", "source": {"service": "storyboard"}, "to": ["faulty"]}])
    plugin_kills = host_kills = 0
    with host:
        feeder = Feeder(host, EVENTS)
        feeder.start()
        while plugin_kills < PLUGIN_KILLS or host_kills < HOST_KILLS:
            time.sleep(chance.uniform(0.1, 0.4))
            done = len(ledger.handled())
            assert done < EVENTS, "all was handled before enough kills counted: raise OUTBOARD_CHAOS_EVENTS"
            if host_kills < HOST_KILLS and chance.random() < 0.2:
                busy = sum(int(i.get("in_flight", 0)) for i in host.plugin("faulty").get("instances", []))
                host.kill()
                host_kills += busy > 0 or feeder.is_alive()
                host.start()
                continue
            pids = host.pids("faulty")
            if not pids:
                continue
            victim = chance.choice(pids)
            os.kill(victim, signal.SIGSTOP)  # So that what is in flight cannot be answered before the kill.
            busy = wait_a_moment_for_in_flight(host, victim)
            os.kill(victim, signal.SIGKILL)
            plugin_kills += busy > 0
        feeder.join(300)
        assert not feeder.is_alive(), "publishing did not finish"
        confirmed = feeder.confirmed()
        host.wait_idle("all/faulty", 300)
        dead = {letter["event_id"] for letter in host.dead()}
        lane = host.lane("all/faulty")
        assert host.stop() == 0
    handled = ledger.handled()
    missing = set(confirmed) - set(handled) - dead
    again = sum(count - 1 for count in handled.values())
    print(f"{len(set(confirmed))} confirmed, {len(handled)} handled, {again} handled again, {len(dead)} dead, "
          f"{plugin_kills} kills of plugins and {host_kills} of the host with work in flight; lane {lane}")
    assert len(set(confirmed)) == EVENTS
    assert not missing, f"lost: {sorted(missing)[:10]}"
    assert dead == set(), "kills from outside are nobody's fault"


def wait_a_moment_for_in_flight(host: RunningHost, pid: int) -> int:
    for _ in range(5):
        busy = in_flight(host, pid)
        if busy:
            return busy
        time.sleep(0.02)
    return 0


def test_every_event_has_exactly_one_end(tmp_path: Path) -> None:
    """The bus's own books after kills: accepted for the lane = done + dead, none left."""
    import sqlite3

    ledger = Ledger(tmp_path / "ledger")
    host = RunningHost(tmp_path, plugins=[faulty("--ledger", str(ledger.path), "--mode", "slow:1ms", instances=2,
                                                 restart={"initial": "100ms", "max": "1s"})],
                       routes=[{"name": "all", "source": {"service": "storyboard"}, "to": ["faulty"],
                                "retry": {"initial": "50ms", "max": "200ms", "max_attempts": 3}}])
    with host:
        made = list(events(3000))
        for n, e in enumerate(made):
            if n % 100 == 7:
                e["faulty"] = "reject"
            if n % 100 == 9:
                e["faulty"] = "retry-until:2"
        ids = host.publish(made)
        for _ in range(3):
            wait_for("work", lambda: host.pids("faulty"))
            os.kill(host.pids("faulty")[0], signal.SIGKILL)
            time.sleep(0.3)
        host.kill()
        host.start()
        host.wait_idle("all/faulty", 120)
        dead = [letter["event_id"] for letter in host.dead()]
        assert host.stop() == 0
    rejected = {e["id"] for e in made if e.get("faulty") == "reject"}
    assert sorted(dead) == sorted(rejected), "each rejected event is a dead letter once, and no other is"
    handled = set(ledger.handled())
    assert handled | set(dead) == set(ids)
    assert not handled & set(dead)
    files = list((tmp_path / "data").rglob("*.sqlite*"))
    assert files, "the bus left its file"
    with sqlite3.connect(f"file:{min(files, key=lambda f: len(f.name))}?mode=ro", uri=True) as connection:
        assert connection.execute("pragma integrity_check").fetchone()[0] == "ok"
