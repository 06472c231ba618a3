"""Everything at once, for a set time, on both buses: nothing is lost, no innocent pays, and each key stays in order.

One host has a lane with two instances, a lane with order per key, one with a stage and a producer, one for what is
emitted, and one that comes and goes. While publishers publish at a paced rate, a few events of which kill their
plugins, it is struck by `faults.py` and used by `operations.py`. The oracle is outside of the host: it joins what
publishers got confirmed with what plugins wrote before they answered, with the dead letters, and with the embedded
bus's file. A second end needs a cut or a kill between it and the first.

By environment: OUTBOARD_CHAOS_SECONDS on each bus (`tests/run --chaos-seconds`), OUTBOARD_CHAOS_SEED.
"""

from __future__ import annotations

import collections
import contextlib
import json
import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import faults
import operations
import pytest
from broker import Broker
from faults import BrokerFaults, Faults
from load import KEYS, Feeder, Load, finish, make_event
from observed import ObservedHost
from operations import Disk, Operations, Strike
from oracle import Books, Ends, Fault, Ids, SecondEnds, Verdicts, check_ends, check_order, explain, table
from replicas import Replica
from running_host import BIN, PYTHON, ROOT, Ledger, RunningHost, faulty, wait_for
from test_no_loss import check_that_all_has_ended
from test_no_loss_rabbitmq import refuse_poison

SECONDS = float(os.environ.get("OUTBOARD_CHAOS_SECONDS", "80"))
SEED = int(os.environ.get("OUTBOARD_CHAOS_SEED", str(random.randrange(1 << 32))))

# Each feeder publishes KEYS events so often: five of them 400 a second.
PACE = 0.5
RETRY = {"initial": "50ms", "max": "200ms"}
ROUTES: list[dict[str, Any]] = [
    {"name": "all", "source": {"service": "storyboard"}, "to": ["faulty"], "retry": RETRY},
    {"name": "echo", "source": {"service": "faulty"}, "to": ["faulty"], "retry": RETRY},
    {"name": "orderly", "source": {"service": "tracker"}, "to": ["orderly"], "retry": RETRY,
     "delivery": {"order_by": "subject"}},
    {"name": "staged", "source": {"service": "foundry"}, "stages": ["stager"], "to": ["file"], "retry": RETRY},
]
LANES = {"all/faulty": "e", "orderly/orderly": "o", "staged/file": "f"}  # And how their ids begin.
HARMLESS = faults.HARMLESS | operations.HARMLESS


def plugins(folder: Path) -> list[dict[str, Any]]:
    """No number of kills from outside is too many for them."""
    words = ("--ledger", str(folder / "ledger"), "--ledger-sync", "none", "--ledger-all", "--taken",
             str(folder / "taken"), "--mode", "slow:8ms", "--concurrency", "4")
    more = {"restart": {"initial": "100ms", "max": "1s"},
            "circuit": {"crashes": 1000, "within": "60s", "trial_after": "1s"}}
    return [
        faulty(*words, "--event-type", "story.#", "--event-type", "echo.#", instances=2, **more),
        faulty(*words, name="orderly", **more),
        {"name": "stager", "run": [str(PYTHON), str(ROOT / "tests" / "integration" / "host" / "stager.py"),
                                   str(folder / "staged")], **more},
        {"name": "file", "run": [str(BIN / "outboard-file-producer")], "config": {"path": str(folder / "produced")},
         **more},
    ]


class Scene:
    """One host on one bus, and what can be done to it."""

    def __init__(self, bus: str, folder: Path, stack: contextlib.ExitStack) -> None:
        self.folder = folder
        self.ledger = Ledger(folder / "ledger")
        self.plugins = plugins(folder)
        self.observed: ObservedHost
        self.replica: Replica | None = None
        self.broker: Broker | None = None
        if bus == "rabbitmq":
            self.broker = stack.enter_context(Broker())
            self.vhost = self.broker.new_vhost()
            refuse_poison(self.broker, self.vhost)
            self.replica = Replica("host", folder, self.broker, self.vhost, plugins=self.plugins, routes=ROUTES)
            self.observed = self.replica
        else:
            self.disk = Disk(folder / "data")
            self.observed = ObservedHost("host", RunningHost(
                folder, plugins=self.plugins, routes=ROUTES, host={"http": "127.0.0.1:0"}, wrapper=self.disk.wrapper))
        stack.enter_context(self.observed)

    def arm(self, chance: random.Random, feeders: list[Feeder]) -> tuple[Faults[Any], Operations]:
        """Each kind once in `kinds` of the faults."""
        strikes: list[Strike]
        made: Faults[Any]
        if self.replica is not None and self.broker is not None:
            made = broken = BrokerFaults(self.broker, self.vhost, [self.replica], self.folder, chance, feeders)
            strikes = [made.kill_plugin, made.kill_host, broken.close_connection, broken.cut_gate]
        else:
            made = Faults([self.observed], self.folder, chance, feeders)
            strikes = [made.kill_plugin, made.kill_host]
        done = Operations(self.observed, made, chance, strikes, self.plugins, ROUTES)
        made.kinds |= done.kinds
        if self.replica is None:
            made.kinds["disk full"] = lambda: done.fill(self.disk)
        return made, done

    def produced(self) -> Ids:
        """Whole lines; a torn one was not accepted."""
        path = self.folder / "produced"
        lines = path.read_text().split("\n")[:-1] if path.exists() else []
        return collections.Counter(json.loads(line)["id"] for line in lines)


@contextlib.contextmanager
def paced(feeders: list[Feeder]) -> Iterator[None]:
    over = threading.Event()

    def pace() -> None:
        while not over.wait(PACE):
            for feeder in feeders:
                feeder.release_batch()

    thread = threading.Thread(target=pace)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def do_everything(made: Faults[Any], chance: random.Random, say: Callable[[str], None]) -> tuple[Ids, Ids]:
    """In rounds of all kinds, each in an order of its own, until the time is over. How often each counted, or not."""
    counted, vain = Ids(dict.fromkeys(made.kinds, 0)), Ids()
    end = time.monotonic() + SECONDS
    kinds: list[str] = []
    while time.monotonic() < end:
        kinds = kinds or chance.sample(list(made.kinds), len(made.kinds))
        kind = kinds.pop()
        time.sleep(chance.uniform(0, 0.3))
        start = time.monotonic()
        counts = made.do(kind)
        (counted if counts else vain)[kind] += 1
        say(f"  {time.strftime('%X', time.gmtime())} {kind}: {time.monotonic() - start:.1f} s"
            f"{'' if counts else ', nothing in flight'}")
    return counted, vain


def await_ends(scene: Scene, load: Load, confirmed: set[str]) -> Ends:
    """Until everything has an end, as far as anybody can see. What follows it is a control for what is set aside."""
    controls = 0

    def now() -> Ends:
        return Ends(load, scene.ledger, [letter["event_id"] for letter in scene.observed.host.dead()], scene.produced())

    def control() -> None:
        nonlocal controls
        controls += 1
        scene.observed.publish([make_event(f"c{controls}-{source}", source, f"control/{controls}")
                                for source in ("storyboard", "tracker", "foundry")])
        time.sleep(0.5)

    def open_() -> set[str]:
        ends = now()
        return ends.missing(confirmed) | load.dead - ends.dead.keys()

    try:
        wait_for("all has ended", lambda: not open_() or control(), 300)
    except AssertionError as error:
        raise AssertionError(f"no end after 300 s: {sorted(open_())[:10]}; seed {SEED}") from error
    for lane in (*LANES, "echo/faulty", "visitor/faulty"):
        scene.observed.host.wait_idle(lane)
    return now()


def check_books(scene: Scene, load: Load, confirmed: set[str]) -> None:
    """On the embedded bus each has exactly one end."""
    verdicts = Verdicts(scene.ledger, scene.produced())
    for lane, begin in LANES.items():
        check_ends(Books(scene.folder / "data", lane, begin), verdicts,
                   confirmed=[id_ for id_ in confirmed if id_.startswith(begin)],
                   rejected={id_ for id_ in load.dead if id_.startswith(begin)},
                   dropped={id_ for id_ in load.dropped if id_.startswith(begin)})


def refused_emits(ledger: Ledger, load: Load, name: str) -> list[Fault]:
    """Where a poison emit closed the channel: what was published on it and not confirmed went out once more."""
    return [Fault("refused emit", {name}, at, at) for at, line in enumerate(ledger.lines()) if line[0] in load.poison]


@pytest.mark.parametrize("bus", ["embedded", "rabbitmq"])
def test_everything_at_once(tmp_path: Path, bus: str, say: Callable[[str], None]) -> None:
    chance = random.Random(SEED)
    say(f"\n{bus}, seed {SEED}: OUTBOARD_CHAOS_SEED={SEED} repeats the choices")
    start = time.monotonic()
    # A fifth more than the pace takes.
    count = int(1.2 * KEYS / PACE * (SECONDS + 20))
    load = Load(5 * count, poison=bus == "rabbitmq", staged=count, killers=2000)
    with contextlib.ExitStack() as stack:
        scene = Scene(bus, tmp_path, stack)
        observed = scene.observed
        with load.feeders([observed], chance, KEYS) as feeders:
            made, done = scene.arm(chance, feeders)
            with paced(feeders):
                counted, vain = do_everything(made, chance, say)
            done.end()
            for feeder in feeders:
                feeder.close()
            confirmed = finish(feeders)
        load.keep(confirmed)
        confirmed |= set(done.visits)
        ends = await_ends(scene, load, confirmed)
        letters = observed.host.dead()
        observed.drain()
        check_that_all_has_ended(observed.host, scene.ledger)
    harmful = [fault for fault in made.done if fault.kind not in HARMLESS]
    harmful += refused_emits(scene.ledger, load, observed.name)
    second = SecondEnds(scene.ledger, harmful, {observed.name: observed.pids()})
    published_again = set().union(*(feeder.again for feeder in feeders))
    explain(second, dict(counted), load, published_again, say)
    again = ends.again()
    say(table({"without work in flight": vain.total(), "confirmed": len(confirmed), "emitted": len(load.emitted),
               "published again": len(published_again), "handled": len(ends.done), "handled again": again[0],
               "rejected": len(load.dead - load.guilty), "convicted": len(load.guilty),
               "dead letters again": again[1], "seconds": round(time.monotonic() - start)}))
    assert not ends.missing(confirmed)
    assert set(ends.dead) == load.dead
    assert {letter["event_id"] for letter in letters if letter["reason"] == "CRASHED"} == load.guilty
    assert not {line[0] for line in scene.ledger.lines() if line[1] != "1"} & load.plain, "charged, and innocent"
    check_order(scene.ledger, load.dead)
    died = {line[2] for line in Ledger(tmp_path / "taken").lines() if line[0] in load.guilty}
    assert not {id_ for id_ in second.without_fault(died) - published_again
                if load.emitted.get(id_) not in published_again}, "handled again, and nothing was cut or killed since"
    assert observed.abandoned == 0
    if bus == "embedded":
        check_books(scene, load, confirmed)
    elif scene.replica is not None:
        check_truth(scene.replica)


def check_truth(replica: Replica) -> None:
    """One that says that it is not connected just after the broker failed inside tells the truth."""
    dropped = replica.dropped()
    wrong = [text for at, text in replica.watcher.wrong if not any(begin - 1 < at < begin + 10 for begin in dropped)]
    assert not wrong, "\n".join(wrong[:20])
