"""What deploy/demo does after the setup."""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import shutil
import signal
import sys
import threading
import time
from pathlib import Path
from typing import IO, Any

import table
from building import BuildError, build
from feed import Feed
from killing import Killing, Stage
from ledger import Balance, Ledger
from paths import ROOT, shown
from screen import Screen
from serving import Host, HostError

KILL_AFTER = 8.0  # Seconds of the feed.
LOOK_EVERY = 1.0
LOOK_OFTEN = 0.2  # While a worker is frozen or gone.
LINE_EVERY = 2.0  # Where there is no terminal.
ONCE_SECONDS = 240.0
LAST_LOOK = 5.0  # How long the end waits for what is still queued.


class Interrupted(Exception):
    """Ctrl-C before there was anything to drain."""


class Stop:
    """Set by SIGINT, SIGTERM and SIGHUP; a second one ends the host at once."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._count = 0
        self.host: Host | None = None
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._on_signal)

    def __call__(self) -> bool:
        return self._event.is_set()

    def wait(self, seconds: float) -> bool:
        """True: stopped."""
        return self._event.wait(max(seconds, 0.0))

    def _on_signal(self, *_: object) -> None:
        self._count += 1
        self._event.set()
        if self._count > 1 and self.host is not None:
            self.host.drain()


class Demo:
    """A running host and all that is looked at."""

    def __init__(self, screen: Screen, stop: Stop, host: Host, folder: Path) -> None:
        self.screen = screen
        self.stop = stop
        self.host = host
        self.feed = Feed(folder, host)
        self.ledger = Ledger(folder, self.feed.confirmed_log)
        self.killing = Killing()
        self.rates = table.Rates()
        self.status: dict[str, Any] = {"lanes": [], "plugins": []}
        self.balances: dict[str, Balance] = {}
        self.begun = time.monotonic()

    def look(self) -> None:
        """Takes everything in once. The order matters: see ledger.py."""
        self.ledger.read_confirmed()
        status = self.host.status()
        if status is None:
            if not self.host.running():
                raise HostError(f"the host ended; {self.host.tail()}")
            return
        self.status = status
        self.rates.add(status)
        held = {lane["name"]: lane["backlog"] for lane in status["lanes"]}
        dead = {lane["name"]: self.host.dead(lane["name"]) for lane in status["lanes"] if lane["dead"]}
        self.balances = self.ledger.balance(self.feed.events, held, dead)
        if said := self.killing.step(status):
            self.say(said)

    def say(self, text: str) -> None:
        elapsed = time.monotonic() - self.begun
        self.screen.note(self.screen.paint("bold", f"{elapsed:4.0f}s {text}"))

    def pause(self) -> float:
        return LOOK_OFTEN if self.killing.stage in (Stage.FROZEN, Stage.KILLED, Stage.RESTARTED) else LOOK_EVERY

    def all_ready(self) -> bool:
        everyone = [i["state"] for p in self.status["plugins"] for i in p["instances"]]
        running = [lane["state"] for lane in self.status["lanes"]]
        return bool(running) and set(everyone) <= {"ready", "quarantine"} and set(running) == {"running"}

    def all_handled(self) -> bool:
        """Exact: nothing is held, and nothing that was confirmed is missing."""
        empty = all(lane["backlog"] == 0 for lane in self.status["lanes"])
        return empty and bool(self.balances) and all(b.missing == 0 for b in self.balances.values())

    def wait_ready(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        self.look()
        while not self.all_ready():
            if self.stop.wait(LOOK_OFTEN):
                raise Interrupted
            if time.monotonic() > end:
                raise HostError(f"the plugins do not become ready; {self.host.tail()}")
            self.look()

    def tables(self) -> list[str]:
        return [*table.lanes(self.screen, self.status, self.rates), "",
                *table.instances(self.screen, self.status), "",
                *table.count(self.screen, len(self.ledger.confirmed), self.balances)]


def next_steps(demo: Demo) -> list[str]:
    outboard, name = shown(Path(demo.host.command()[0])), demo.host.name
    pid = next((i["pid"] for p in demo.status["plugins"] if p["name"] == "notifier" for i in p["instances"]), 0)
    return [
        "",
        "Try in another terminal:",
        f"  {outboard} publish --name {name} --type story.post --source storyboard --data '{{\"title\": \"Hello\"}}'",
        f"  kill -9 {pid}    # the Python worker; the pids are in the table",
        f"  curl -s http://127.0.0.1:{demo.host.port}/metrics | grep ^outboard_",
        f"  {outboard} publish --name {name} --type timeline_event.post --source storyboard --data oops",
        f"  {outboard} dead list --name {name}    # what became of it; then: dead show 1",
        f"  {outboard} status --name {name}",
        "lost: what was confirmed and is in no plugin's file, among no dead letters, and not in a lane's backlog",
        "",
    ]


# ---- The two ways to run ---------------------------------------------------------------------------


def run_live(demo: Demo, rate: float) -> None:
    """Feeds and shows until someone stops it."""
    next_line = 0.0
    hints_shown = False
    while not demo.stop():
        if fault := demo.feed.fault():
            raise HostError(f"{fault}; {demo.host.tail()}")
        if demo.feed.over():
            demo.feed.publish(rate=rate)
        demo.look()
        now = time.monotonic()
        if demo.killing.stage is Stage.WAITING and now - demo.begun >= KILL_AFTER:
            demo.killing.begin(demo.status)
        if demo.screen.live:
            demo.screen.draw(["", *demo.tables(), "", "Ctrl-C drains and ends it"])
        elif now >= next_line:
            next_line = now + LINE_EVERY
            demo.screen.note(table.line(demo.status, demo.rates, len(demo.ledger.confirmed), demo.balances,
                                        now - demo.begun))
        if demo.killing.stage is Stage.OVER and not hints_shown:
            hints_shown = True
            demo.screen.note("\n".join(next_steps(demo)))
        demo.stop.wait(demo.pause())


def run_once(demo: Demo) -> None:
    """Feeds the sample in two halves; a worker is killed with events of the second one in hand."""
    end = time.monotonic() + ONCE_SECONDS
    half = demo.feed.size() // 2
    demo.feed.publish(rate=None, last=half)
    wait_for(demo, end, "the first half of the feed", lambda: demo.feed.over() and demo.all_handled())
    demo.killing.begin(demo.status)
    demo.feed.publish(rate=None, first=half)
    wait_for(demo, end, "a kill with events in hand, and its restart", lambda: demo.killing.stage is Stage.OVER)
    wait_for(demo, end, "the second half of the feed", lambda: demo.feed.over() and demo.all_handled())


def wait_for(demo: Demo, end: float, what: str, done: Any) -> None:
    next_line = time.monotonic() + LINE_EVERY
    while True:
        if fault := demo.feed.fault():
            raise HostError(f"{fault}; {demo.host.tail()}")
        demo.look()
        if done():
            return
        if demo.stop.wait(LOOK_OFTEN):
            raise Interrupted
        now = time.monotonic()
        if now >= end:
            demo.screen.note("\n".join(demo.tables()))
            raise HostError(f"waited {ONCE_SECONDS:.0f} s in all, last for {what}; {demo.host.tail()}")
        if now >= next_line:
            next_line = now + LINE_EVERY
            demo.screen.note(table.line(demo.status, demo.rates, len(demo.ledger.confirmed), demo.balances,
                                        now - demo.begun))


# ---- Start and end ---------------------------------------------------------------------------------


def finish(demo: Demo, *, once: bool) -> bool:
    """Stops the feed, looks a last time, drains the host. True: nothing was lost and the host ended in order."""
    demo.killing.let_go()
    demo.feed.stop()
    end = time.monotonic() + LAST_LOOK
    demo.look()
    while not demo.all_handled() and time.monotonic() < end and demo.host.running():
        time.sleep(LOOK_OFTEN)
        demo.look()
    demo.look()  # What is lost is so at two looks.
    demo.screen.clear()
    demo.screen.note("\n".join(["", *demo.tables()]))
    if demo.killing.stage is Stage.OVER:
        demo.screen.note(demo.killing.summary)
    missing = sum(b.missing for b in demo.balances.values())
    lost = table.total_lost(demo.balances)
    if missing > lost:
        demo.screen.note(f"{missing - lost} still queued: they are on disk, and come at the next start with --keep")
    start = time.monotonic()
    demo.host.drain()
    code = demo.host.wait()
    how = "the host ended in order" if code == 0 else f"the host ended with {code}; {demo.host.tail()}"
    demo.screen.step("drain", how, start)
    complete = missing == 0 and all(b.dead == 0 for b in demo.balances.values()) if once else lost == 0
    return code == 0 and complete


def make_folder(folder: Path, *, keep: bool) -> IO[str]:
    """An empty folder, unless what is there is to be kept; its lock, to be held while it is used."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    lock = (folder.parent / f".{folder.name}.lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise HostError(f"another demo runs in {shown(folder)}; end it with Ctrl-C in its terminal") from error
    if not keep:
        shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(exist_ok=True)
    return lock


def run(options: argparse.Namespace, screen: Screen) -> int:
    programs = Path(options.bin).resolve() if options.bin else build(screen)
    folder = ROOT / "build" / ("demo-once" if options.once else "demo")
    lock = make_folder(folder, keep=options.keep)
    stop = Stop()
    host = stop.host = Host(programs, folder)
    demo: Demo | None = None
    try:
        start = time.monotonic()
        host.start(stop)
        if stop():
            raise Interrupted
        demo = Demo(screen, stop, host, folder)
        demo.wait_ready(90)
        screen.step("start", f"host {host.name}, metrics at http://127.0.0.1:{host.port}/metrics, data in "
                             f"{shown(folder)}", start)
        demo.begun = time.monotonic()
        if options.once:
            run_once(demo)
        else:
            run_live(demo, options.rate)
        return 0 if finish(demo, once=options.once) else 1
    except Interrupted:
        return 130 if options.once else 0
    finally:
        if demo is not None:
            demo.killing.let_go()
            demo.feed.stop()
        host.drain()
        host.wait()
        lock.close()


def main() -> int:
    parser = argparse.ArgumentParser(prog="deploy/demo", description="See deploy/demo --help.",
                                     allow_abbrev=False)
    parser.add_argument("--once", action="store_true")
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--rate", type=float, default=5.0)
    parser.add_argument("--bin", default="")
    options = parser.parse_args()
    if not 0 < options.rate <= 100_000:
        parser.error("--rate: give a number above 0")
    screen = Screen()
    try:
        return run(options, screen)
    except (BuildError, HostError) as error:
        screen.keep()
        print(f"deploy/demo: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:  # Before there was a host.
        with contextlib.suppress(OSError):
            print()
        return 130


if __name__ == "__main__":
    sys.exit(main())
