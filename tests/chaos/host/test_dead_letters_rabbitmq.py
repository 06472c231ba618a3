"""Looking at dead letters on RabbitMQ leaves them as they are, though who looks is killed in the middle.

The oracle is the list before the first kill. A kill counts only if a listing was in flight: the broker had its
consumer, and the command that asked for it got no answer.

Sizes by environment: OUTBOARD_CHAOS_LISTINGS, OUTBOARD_CHAOS_LISTING_KILLS.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from running_host import BIN, RunningHost, event, faulty, wait_for

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "broker"))
from broker import Broker

LETTERS = 1000
LISTINGS = int(os.environ.get("OUTBOARD_CHAOS_LISTINGS", "30"))
KILLS = int(os.environ.get("OUTBOARD_CHAOS_LISTING_KILLS", "5"))
QUEUE = "outboard.test.all/faulty.dead"


def consumers(broker: Broker, vhost: str) -> int:
    """Of the queue of dead letters."""
    return int(
        broker.evaluate(
            f'{{ok, Q}} = rabbit_amqqueue:lookup(rabbit_misc:r(<<"{vhost}">>, queue, <<"{QUEUE}">>)), '
            "length(rabbit_amqqueue:consumers(Q))"
        )
    )


def kill_a_lister(host: RunningHost, broker: Broker, vhost: str) -> bool:
    """True: its listing was in flight."""
    lister = subprocess.Popen(
        [BIN / "outboard", "dead", "list", "--json", "--limit", "1000", "--socket", str(host.socket)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while lister.poll() is None:
        if consumers(broker, vhost) > 0:
            host.kill()
            return lister.wait(60) != 0
    return False


def test_letters_stay_as_they_are_though_listings_are_killed(tmp_path: Path) -> None:
    made = [event(n, faulty="reject", data={"text": "x" * 20_000}) for n in range(LETTERS)]
    with Broker() as broker:
        vhost = broker.new_vhost()
        with RunningHost(
            tmp_path,
            plugins=[faulty("--ledger", str(tmp_path / "ledger"), "--ledger-sync", "none")],
            routes=[{"name": "all", "source": {"service": "storyboard"}, "to": ["faulty"]}],
            bus={"kind": "rabbitmq", "url": broker.url(vhost)},
        ) as host:
            host.publish(made)
            wait_for("all are dead", lambda: int(host.lane("all/faulty").get("dead", 0)) == LETTERS)
            before = host.dead()
            assert {letter["event_id"] for letter in before} == {e["id"] for e in made}
            listings = 1
            killed = 0
            end = time.monotonic() + 300
            while listings < LISTINGS or killed < KILLS:
                assert time.monotonic() < end, f"only {killed} of {KILLS} kills hit a listing"
                if killed < KILLS:
                    killed += kill_a_lister(host, broker, vhost)
                    if host.process is not None and host.process.poll() is not None:
                        host.start()
                assert host.dead() == before
                listings += 1
            print(f"{listings} whole listings of {len(before)} letters, {killed} kills with a listing in flight")
