"""Events flow from a publisher through the host into plugin processes, and every verdict has its end."""

from __future__ import annotations

import json
import os
import signal
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from running_host import PYTHON, ROOT, Ledger, RunningHost, event, events, faulty, wait_for

ALL = {"name": "all", "source": {"service": "storyboard"}, "to": ["faulty"]}


def one_lane(folder: Path, *flags: str, route: dict[str, Any] | None = None, **plugin: Any) -> RunningHost:
    ledger = folder / "ledger"
    return RunningHost(folder, plugins=[faulty("--ledger", str(ledger), *flags, **plugin)],
                       routes=[{**ALL, **(route or {})}])


def test_every_event_is_handled_once_when_nothing_fails(tmp_path: Path) -> None:
    with one_lane(tmp_path) as host:
        ids = host.publish(list(events(5000)))
        assert len(ids) == 5000
        host.wait_idle("all/faulty")
        assert host.stop() == 0
    handled = Ledger(tmp_path / "ledger").handled()
    assert set(handled) == set(ids)
    assert set(handled.values()) == {1}


def test_only_matching_events_reach_a_lane(tmp_path: Path) -> None:
    with one_lane(tmp_path, route={"source": {"service": "storyboard", "events": ["task.#"]}}) as host:
        host.publish([event(1, kind="task.put"), event(2, kind="story.post"), event(3, kind="task")])
        host.wait_idle("all/faulty")
        wait_for("two are handled", lambda: len(Ledger(tmp_path / "ledger").handled()) == 2)
    assert set(Ledger(tmp_path / "ledger").handled()) == {"e1", "e3"}


def test_a_retried_event_comes_again_with_its_attempt(tmp_path: Path) -> None:
    with one_lane(tmp_path, route={"retry": {"initial": "50ms", "max": "100ms"}}) as host:
        host.publish([event(1, faulty="retry-until:3")])
        wait_for("it is handled", lambda: Ledger(tmp_path / "ledger").handled())
    assert [line[:2] for line in Ledger(tmp_path / "ledger").lines()] == [["e1", "3"]]


def test_a_rejected_event_is_a_dead_letter_that_can_be_replayed(tmp_path: Path) -> None:
    once = tmp_path / "once"
    with one_lane(tmp_path, "--once", str(once)) as host:
        host.publish([event(1, faulty="reject")])
        letters = wait_for("the dead letter", host.dead)
        assert [letter["event_id"] for letter in letters] == ["e1"]
        assert letters[0]["lane"] == "all/faulty"
        shown = host.command("dead", "show", str(letters[0]["dead_id"])).stdout
        assert "e1" in shown
        # --once: after its first fault the plugin handles everything.
        host.command("dead", "replay", "--lane", "all/faulty")
        wait_for("it is handled", lambda: Ledger(tmp_path / "ledger").handled())
        assert host.dead() == []


def test_attempts_end_in_a_dead_letter_with_the_reason(tmp_path: Path) -> None:
    with one_lane(tmp_path, route={"retry": {"max_attempts": 3, "initial": "20ms", "max": "40ms"}}) as host:
        host.publish([event(1, faulty="retry")])
        letters = wait_for("the dead letter", host.dead)
        assert letters[0]["attempts"] == 3


def test_emits_are_published_with_ids_that_a_redelivery_repeats(tmp_path: Path) -> None:
    ledger = tmp_path / "children"
    plugins = [faulty(name="parent"), faulty("--ledger", str(ledger), name="child")]
    routes = [{"name": "in", "source": {"events": ["story.#"]}, "to": ["parent"]},
              {"name": "out", "source": {"events": ["child.#"]}, "to": ["child"]}]
    with RunningHost(tmp_path, plugins=plugins, routes=routes) as host:
        host.publish([event(n, faulty="emit:child.made") for n in range(100)])
        wait_for("all children are handled", lambda: len(Ledger(ledger).handled()) == 100)
        host.wait_idle("out/child")
    assert set(Ledger(ledger).handled().values()) == {1}


def test_a_host_that_drains_gives_back_what_it_did_not_finish(tmp_path: Path) -> None:
    with one_lane(tmp_path, "--mode", "slow:200ms", "--concurrency", "4", route={}, ) as host:
        ids = host.publish(list(events(100)))
        wait_for("some are handled", lambda: len(Ledger(tmp_path / "ledger").handled()) > 4)
        assert host.stop() == 0
        before = Ledger(tmp_path / "ledger").handled()
        assert len(before) < 100
        host.start()
        host.wait_idle("all/faulty")
    after = Ledger(tmp_path / "ledger").handled()
    assert set(after) == set(ids)
    # What was answered before the drain ended does not come again.
    assert set(after.values()) == {1}


def test_a_killed_plugin_is_restarted_and_nothing_is_lost(tmp_path: Path) -> None:
    with one_lane(tmp_path, "--mode", "slow:1ms", instances=2) as host:
        ids = host.publish(list(events(2000)))
        wait_for("some are handled", lambda: len(Ledger(tmp_path / "ledger").handled()) > 100)
        for pid in host.pids("faulty"):
            os.kill(pid, signal.SIGKILL)
        host.wait_idle("all/faulty")
        assert int(host.plugin("faulty")["restarts"]) >= 2
        assert host.dead() == []
    assert set(Ledger(tmp_path / "ledger").handled()) == set(ids)


def test_two_plugins_on_one_route_each_get_their_copy(tmp_path: Path) -> None:
    ledgers = [tmp_path / "one", tmp_path / "two"]
    plugins = [faulty("--ledger", str(ledgers[0]), name="one"), faulty("--ledger", str(ledgers[1]), name="two")]
    with RunningHost(tmp_path, plugins=plugins, routes=[{**ALL, "to": ["one", "two"]}]) as host:
        ids = host.publish(list(events(500)))
        host.wait_idle("all/one")
        host.wait_idle("all/two")
    for ledger in ledgers:
        assert set(Ledger(ledger).handled()) == set(ids)


def test_ordered_lanes_handle_each_key_in_order(tmp_path: Path) -> None:
    with one_lane(tmp_path, "--concurrency", "4", "--mode", "slow:1ms", instances=2,
                  route={"delivery": {"order_by": "subject"}}) as host:
        host.publish(list(events(1500)))
        host.wait_idle("all/faulty")
    last: dict[int, int] = {}
    for line in Ledger(tmp_path / "ledger").lines():
        number = int(line[0][1:])
        assert last.get(number % 50, -1) < number
        last[number % 50] = number


def test_status_says_what_became_of_a_killed_process(tmp_path: Path) -> None:
    with one_lane(tmp_path, "--mode", "slow:500ms", "--concurrency", "4",
                  restart={"initial": "3s", "max": "3s"}) as host:
        host.publish(list(events(8)))
        wait_for("work is in flight", lambda: int(host.lane("all/faulty").get("in_flight", 0)) >= 4)
        os.kill(host.pids("faulty")[0], signal.SIGKILL)

        def shown() -> str:
            told = host.command("status").stdout
            return told if "backoff" in told and "faulty#q0" in told and "waits for its trial" in told else ""

        told = wait_for("backoff, quarantine and suspects are shown", shown)
        assert "unix:" not in told, "the socket of a process that is gone"
        assert "ended 0" not in told
        assert "suspect: event e" in told
        host.wait_idle("all/faulty")


def test_a_full_disk_costs_one_line_a_second_and_no_event(tmp_path: Path) -> None:
    """Settlements fail by the thousand a second then, and each is tried again every second."""
    # No file above 1 MiB; SIGXFSZ is ignored, so that a write fails instead.
    limited = ["sh", "-c", "trap '' XFSZ; ulimit -f 2048; exec \"$@\"", "limited"]
    path = tmp_path / "ledger"
    # What it emits has to be written with the end of its event.
    plugin = faulty("--ledger", str(path), "--ledger-sync", "none", "--mode", "emit:child.made")
    host = RunningHost(tmp_path, plugins=[plugin], routes=[ALL], wrapper=limited)
    with host:
        confirmed = tmp_path / "confirmed"
        wait_for("it runs", lambda: host.lane("all/faulty")["state"] == "running")
        [pid] = host.pids("faulty")
        os.kill(pid, signal.SIGSTOP)  # So that all is settled on a full disk, however fast the plugin is.
        refusals = 0
        while refusals < 3:  # After the first there may be room again: where its log was full of small transactions.
            before = confirmed.read_text() if confirmed.exists() else ""
            lines = "".join(json.dumps({**made, "data": "x" * 500}) + "\n"
                            for made in events(20_000, len(before.split())))
            refused = host.command("publish", "--file", "-", "--confirmed-log", str(confirmed), check=False,
                                   stdin=lines)
            assert refused.returncode == 1, refused.stderr
            refusals = refusals + 1 if confirmed.read_text() == before else 0
            time.sleep(0.5)
        os.kill(pid, signal.SIGCONT)
        wait_for("settlements fail", lambda: "did not settle" in host.log_text())
        time.sleep(3)
        failures = [line for line in host.log_text().splitlines() if "did not settle" in line]
        counts = [int(line.split("count=")[1].split()[0]) for line in failures]
        assert len(failures) <= 6, f"{len(failures)} lines"
        assert max(counts) > 10, counts
        host.kill()
    host.wrapper = []
    with host:
        host.wait_idle("all/faulty")
        assert host.stop() == 0
    assert set(Ledger(path).handled()) >= set(confirmed.read_text().split())


def test_a_secret_of_the_config_shows_nowhere(tmp_path: Path) -> None:
    secret = "hunter2-planted-secret"
    os.environ["OUTBOARD_TEST_SECRET"] = secret
    plugin = faulty("--config-error", "the password is wrong", name="faulty")
    plugin["config"] = {"password": "${OUTBOARD_TEST_SECRET}"}
    plugin["env"] = {"PASSWORD": "${OUTBOARD_TEST_SECRET}"}
    with RunningHost(tmp_path, plugins=[plugin], routes=[ALL]) as host:
        wait_for("the plugin was refused", lambda: "refuses its config" in host.log_text())
        status = json.dumps(host.status())
        text = host.command("status").stdout
    for shown in (status, text, host.log_text()):
        assert secret not in shown


def test_a_secret_that_a_plugin_tells_itself_shows_nowhere(tmp_path: Path) -> None:
    """On its output, in what it says about an event, and in what is left of it when it dies."""
    secret = "hunter2-told-secret"
    os.environ["OUTBOARD_TEST_SECRET"] = secret
    plugin = faulty(config={"password": "${OUTBOARD_TEST_SECRET}"}, restart={"initial": "50ms", "max": "100ms"})
    with RunningHost(tmp_path, plugins=[plugin], routes=[ALL], host={"http": "127.0.0.1:0"}) as host:
        host.publish([event(1, faulty="tell-config")])
        wait_for("it is rejected", host.dead)
        host.publish([event(2, faulty="tell-config:segv")])
        wait_for("it is set aside", lambda: any("set aside" in w for w in host.status()["warnings"]))
        shown = [json.dumps(host.status()), host.command("status").stdout]
        host.publish([event(3)])  # The control.
        letters = wait_for("it is convicted", lambda: host.dead()[1:] and host.dead())
        whole = [host.command("dead", "show", str(letter["dead_id"])).stdout for letter in letters]
        shown += [host.command("dead", "list").stdout, json.dumps(letters), *whole]
        shown += [text(host, path) for path in ("/metrics", "/readyz?strict")]
        shown.append(host.log_text())
    # It was told everywhere, and is hidden everywhere.
    assert sorted(letter["reason"] for letter in letters) == ["CRASHED", '{"password":"***"}']
    assert all('"***"' in letter for letter in whole)
    assert "killed by SIGSEGV; plugin faulty, instance q0; peak memory" in "".join(whole)
    assert host.log_text().count("***") >= 6
    for what in shown:
        assert secret not in what


def text(host: RunningHost, path: str) -> str:
    try:
        with urllib.request.urlopen(f"http://{host.status()['http_address']}{path}", timeout=10) as answer:
            return str(answer.read().decode())
    except urllib.error.HTTPError as error:  # Not ready.
        return error.read().decode()


def test_the_python_notifier_writes_a_row_for_each_subscriber(tmp_path: Path) -> None:
    import sqlite3

    database = tmp_path / "notifications.db"
    plugin = {"name": "notifier", "run": [str(PYTHON), str(ROOT / "plugins" / "notifier" / "main.py")],
              "config": {"database": str(database), "subscriptions": {"12": [1, 2]}}}
    feed = (ROOT / "deploy" / "samples" / "tracker-feed.ndjson").read_text().splitlines()
    route = {"name": "timeline", "source": {"events": ["timeline_event.#"]}, "to": ["notifier"]}
    with RunningHost(tmp_path, plugins=[plugin], routes=[route]) as host:
        host.publish([json.loads(line) for line in feed])
        host.wait_idle("timeline/notifier")
        assert host.dead() == []
    with sqlite3.connect(database) as connection:
        tables = [row[0] for row in connection.execute("select name from sqlite_master where type = 'table'")]
        rows = sum(connection.execute(f"select count(*) from {name}").fetchone()[0]
                   for name in tables if name != "subscriptions")
    wanted = sum(1 for line in feed if json.loads(line)["type"].startswith("timeline_event")
                 and (json.loads(line)["data"]["resource_after"] or {}).get("story_id") == 12)
    assert wanted > 0
    assert rows == 2 * wanted
