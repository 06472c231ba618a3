"""Nothing that was confirmed is lost, whatever is killed.

The oracle is outside of the host: it joins what publishers got confirmed with what the plugin wrote and synced before
it answered, and with the bus's file. A kill counts only if deliveries were in flight on the victim, and is repeated
otherwise.

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
from typing import Any

from oracle import Books, Verdicts, check_ends, in_hand
from running_host import BIN, Ledger, RunningHost, event, faulty, wait_for

EVENTS = int(os.environ.get("OUTBOARD_CHAOS_EVENTS", "20000"))
PLUGIN_KILLS = int(os.environ.get("OUTBOARD_CHAOS_PLUGIN_KILLS", "10"))
HOST_KILLS = int(os.environ.get("OUTBOARD_CHAOS_HOST_KILLS", "3"))
SEED = int(os.environ.get("OUTBOARD_CHAOS_SEED", str(random.randrange(1 << 32))))


ROUTE = {"name": "all", "source": {"service": "storyboard"}, "to": ["faulty"],
         "retry": {"initial": "50ms", "max": "200ms"}}


class Feed:
    """Mostly events that are handled well; each 500th is rejected, retried once, or of a type that nobody takes."""

    def __init__(self, count: int, every: int = 500) -> None:
        self.events: list[dict[str, Any]] = []
        self.rejected: set[str] = set()
        self.dropped: set[str] = set()
        for n in range(count):
            made = event(n)
            if n % every == 7:
                made["faulty"] = "reject"
                self.rejected.add(made["id"])
            elif n % every == 9:
                made["faulty"] = "retry-until:2"
            elif n % every == 11:
                made["type"] = "task.put"
                self.dropped.add(made["id"])
            self.events.append(made)


class Feeder(threading.Thread):
    """Publishes all events through the command line, again from the first unconfirmed one after each host that died."""

    def __init__(self, host: RunningHost, feed: Feed) -> None:
        super().__init__(daemon=True)
        self.host = host
        self.feed = host.folder / "feed.ndjson"
        self.feed.write_text("".join(json.dumps(e) + "\n" for e in feed.events))
        self.count = len(feed.events)
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


def chaos_plugin(folder: Path, mode: str) -> dict[str, Any]:
    return faulty("--ledger", str(folder / "ledger"), "--ledger-all", "--taken", str(folder / "taken"),
                  "--event-type", "story.#", "--mode", mode, "--concurrency", "2", instances=2,
                  restart={"initial": "100ms", "max": "1s"})


def kill_host(host: RunningHost, folder: Path) -> bool:
    """True: deliveries were in flight. The processes of the plugin end with the host, and so never answer them."""
    pids = host.pids("faulty")
    host.kill()
    wait_for("its plugins are gone", lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids), 10)
    return in_hand(Ledger(folder / "taken"), Ledger(folder / "ledger"), pids) > 0


def kill_a_plugin(host: RunningHost, chance: random.Random, killed_alone: set[str]) -> bool:
    """True: deliveries were in flight on it.

    An event that is tried alone, in quarantine, has its process killed once at most (`killed_alone` remembers which):
    to die on it a second time is what convicts an event, and none of these is guilty.
    """
    pids = host.pids("faulty")
    if not pids:
        return False
    victim = chance.choice(pids)
    os.kill(victim, signal.SIGSTOP)  # So that what is in flight cannot be answered before the kill.
    busy = wait_a_moment_for_in_flight(host, victim)
    if victim in quarantine_pids(host):
        tried = last_taken(host.folder, victim)
        if tried is None or tried in killed_alone:
            os.kill(victim, signal.SIGCONT)
            return False
        killed_alone.add(tried)
    os.kill(victim, signal.SIGKILL)
    return busy > 0


def quarantine_pids(host: RunningHost) -> set[int]:
    return {int(i["pid"]) for i in host.plugin("faulty").get("instances", [])
            if i.get("quarantine") and int(i.get("pid", 0)) > 0}


def last_taken(folder: Path, pid: int) -> str | None:
    """The event that this process, which gets one at a time, has in hand; None: it is not seen to have one."""
    taken = [line[0] for line in Ledger(folder / "taken").lines() if line[2] == str(pid)]
    answered = [line[0] for line in Ledger(folder / "ledger").lines() if line[2] == str(pid)]
    return taken[-1] if len(taken) > len(answered) else None


def check_that_all_has_ended(host: RunningHost, ledger: Ledger) -> None:
    """Whatever had no recorded end would come before a new event."""
    before = len(ledger.lines())
    host.start()
    host.publish([event(0, id="sentinel")])
    wait_for("the last event is handled", lambda: "sentinel" in ledger.handled())
    host.wait_idle("all/faulty")
    assert host.stop() == 0
    assert [line[0] for line in ledger.lines()[before:]] == ["sentinel"], "an event came again after its end"


def test_no_confirmed_event_is_lost_under_kills(tmp_path: Path) -> None:
    chance = random.Random(SEED)
    print(f"seed {SEED}: OUTBOARD_CHAOS_SEED={SEED} repeats the choices")
    ledger = Ledger(tmp_path / "ledger")
    feed = Feed(EVENTS)
    host = RunningHost(tmp_path, plugins=[chaos_plugin(tmp_path, "slow:4ms")], routes=[ROUTE])
    plugin_kills = host_kills = vain = 0
    killed_alone: set[str] = set()
    with host:
        feeder = Feeder(host, feed)
        feeder.start()
        while plugin_kills < PLUGIN_KILLS or host_kills < HOST_KILLS:
            time.sleep(chance.uniform(0.1, 0.4))
            done = len(ledger.handled())
            assert done < EVENTS - len(feed.dropped), \
                "all was handled before enough kills counted: raise OUTBOARD_CHAOS_EVENTS"
            if host_kills < HOST_KILLS and chance.random() < 0.2:
                counted = kill_host(host, tmp_path)
                host_kills += counted
                host.start()
            else:
                counted = kill_a_plugin(host, chance, killed_alone)
                plugin_kills += counted
            vain += not counted
        feeder.join(300)
        assert not feeder.is_alive(), "publishing did not finish"
        confirmed = feeder.confirmed()
        host.wait_idle("all/faulty", 300)
        lane = host.lane("all/faulty")
        assert host.stop() == 0
        verdicts, books = Verdicts(ledger), Books(tmp_path / "data", "all/faulty")
        handled = verdicts.of("done")
        print(f"{len(set(confirmed))} confirmed, {books.accepted.total()} accepted, {len(handled)} handled, "
              f"{handled.total() - len(handled)} handled again, {books.dead.total()} dead, {plugin_kills} kills of "
              f"plugins and {host_kills} of the host with work in flight, {vain} without; lane {lane}")
        assert set(confirmed) == {e["id"] for e in feed.events}
        check_ends(books, verdicts, confirmed=confirmed, rejected=feed.rejected, dropped=feed.dropped)
        check_that_all_has_ended(host, ledger)


def wait_a_moment_for_in_flight(host: RunningHost, pid: int) -> int:
    for _ in range(5):
        busy = in_flight(host, pid)
        if busy:
            return busy
        time.sleep(0.02)
    return 0


def test_every_event_has_exactly_one_end(tmp_path: Path) -> None:
    """With many that are rejected, retried or dropped."""
    ledger = Ledger(tmp_path / "ledger")
    feed = Feed(3000, every=50)
    with RunningHost(tmp_path, plugins=[chaos_plugin(tmp_path, "slow:1ms")], routes=[ROUTE]) as host:
        ids = host.publish(feed.events)
        for _ in range(3):
            wait_for("work", lambda: host.pids("faulty"))
            os.kill(host.pids("faulty")[0], signal.SIGKILL)
            time.sleep(0.3)
        host.kill()
        host.start()
        host.wait_idle("all/faulty", 120)
        letters = [letter["event_id"] for letter in host.dead()]
        assert host.stop() == 0
        assert sorted(letters) == sorted(feed.rejected), "`dead list` shows what the file has"
        check_ends(Books(tmp_path / "data", "all/faulty"), Verdicts(ledger), confirmed=ids, rejected=feed.rejected,
                   dropped=feed.dropped)
        check_that_all_has_ended(host, ledger)
