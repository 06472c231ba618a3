"""What a person meets at the command line: bad configurations, hosts in each other's way, lanes that come and go."""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from running_host import BIN, PYTHON, Ledger, RunningHost, event, events, faulty, wait_for

ROUTE = {"name": "all", "source": {"service": "storyboard"}, "to": ["faulty"]}


def outboard(*words: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [BIN / "outboard", *words],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd=cwd,
        stdin=subprocess.DEVNULL,
    )


def config(folder: Path, text: str) -> Path:
    path = folder / "outboard.yaml"
    path.write_text(textwrap.dedent(text).replace("FAULTY", str(BIN / "outboard-faulty")))
    return path


# ---- check -----------------------------------------------------------------------------------------

GOOD = """\
    host: {name: shop, data: ./data, http: ""}
    plugins:
      - {name: one, run: [FAULTY, --component, a, --component, b]}
      - {name: two, run: [FAULTY]}
    routes:
      - {name: r, to: [one.a, two]}
    """

BAD = """\
    host: {name: shop, data: ./data, htttp: ""}
    plugins:
      - name: one
        run: [FAULTY]
        instancs: 2
    routes:
      - name: r
        to: [on]
        retry: {max_attempts: 0}
    """


def test_check_says_of_a_good_file_that_it_is_good(tmp_path: Path) -> None:
    done = outboard("check", "--config", config(tmp_path, GOOD))
    assert (done.returncode, done.stderr) == (0, "")
    assert "plugin one: ok, faulty 1.0" in done.stdout
    assert done.stdout.endswith("outboard.yaml: ok\n")
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("verb", ["check", "serve"])
def test_all_problems_are_told_at_once_with_line_and_fix(tmp_path: Path, verb: str) -> None:
    done = outboard(verb, "--config", config(tmp_path, BAD))
    assert done.returncode == 2
    told = done.stderr.splitlines()
    assert any("outboard.yaml:1:34: host.htttp: unknown key; did you mean http?" in line for line in told)
    assert any("outboard.yaml:5:5: plugins[0].instancs: unknown key; did you mean instances?" in line for line in told)
    assert any("outboard.yaml:8:10: routes[0].to[0]: there is no plugin on; did you mean one?" in line for line in told)
    assert any("outboard.yaml:9:27: routes[0].retry.max_attempts: needs a whole number" in line for line in told)
    assert not (tmp_path / "data").exists(), "nothing was started"


def test_check_as_json_has_the_same_problems(tmp_path: Path) -> None:
    done = outboard("check", "--json", "--config", config(tmp_path, BAD))
    assert done.returncode == 2
    said = json.loads(done.stdout)
    assert said["ok"] is False
    assert [(p["line"], p["path"]) for p in said["problems"]] == [
        (1, "host.htttp"),
        (5, "plugins[0].instancs"),
        (8, "routes[0].to[0]"),
        (9, "routes[0].retry.max_attempts"),
    ]


PLUGIN_LINE, TARGET_LINE = 3, 7


@pytest.mark.parametrize(
    ("flags", "target", "said"),
    [
        (["--config-error", "smtp is missing"], "p", "refuses its config: /: smtp is missing"),
        (["--component", "index"], "p.indx", "has no worker or producer indx; did you mean index? (it has: index)"),
        (["--component", "a", "--component", "b"], "p", "has several workers and producers (a, b): write p.NAME"),
        (["--at-start", "exit:3"], "p", "ended before it answered Describe: exited with 3"),
        (["--at-describe", "hang"], "p", "does not answer Describe at unix:"),
    ],
)
def test_check_asks_the_plugins(tmp_path: Path, flags: list[str], target: str, said: str) -> None:
    path = tmp_path / "outboard.yaml"
    plugin = faulty(*flags, name="p", start_timeout="2s", grace="1s")
    text = f"""\
        host: {{data: {tmp_path / "data"}, http: ""}}
        plugins:
          - {json.dumps(plugin)}
        routes:
          - name: r
            to:
              - {target}
        """
    path.write_text(textwrap.dedent(text))
    done = outboard("check", "--config", path)
    assert done.returncode == 2
    assert said in done.stderr
    line = TARGET_LINE if "worker" in said else PLUGIN_LINE
    assert done.stderr.startswith(f"{path}:{line}: plugin p: ")
    assert done.stderr.count("plugin p") == 1, "where it is said, once"
    told = json.loads(outboard("check", "--json", "--config", path).stdout)["plugins"][0]["problems"]
    assert [problem["line"] for problem in told] == [line]
    assert said in told[0]["message"]
    assert outboard("check", "--no-plugins", "--config", path).returncode == 0


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ({"run": ["./nope"]}, "plugin p: cannot run "),
        ({"address": "127.0.0.1:1"}, "plugin p: does not answer Describe at ipv4:127.0.0.1:1 within start_timeout: "),
        ({"address": "dns:///nowhere.invalid:1"}, "plugin p: cannot resolve nowhere.invalid"),
    ],
)
def test_check_says_where_a_plugin_is_not(tmp_path: Path, where: dict[str, Any], said: str) -> None:
    path = tmp_path / "outboard.yaml"
    plugin = {"name": "p", "start_timeout": "1s", **where}
    path.write_text(json.dumps({"plugins": [plugin], "routes": [{"name": "r", "to": ["p"]}]}))
    done = outboard("check", "--config", path)
    assert done.returncode == 2
    assert done.stderr.startswith(f"{path}:1: {said}"), done.stderr
    assert done.stderr.count("plugin p") == 1, "where it is said, once"


# ---- Verbs without a host, and hosts in each other's way -------------------------------------------


def test_serve_with_a_file_that_is_not_there_says_how_to_name_one(tmp_path: Path) -> None:
    done = outboard("serve", "--config", tmp_path / "nope.yaml")
    assert done.returncode == 2
    assert "nope.yaml: cannot be read: No such file or directory" in done.stderr
    assert "--config FILE" in done.stderr


VERBS = ["status", "tail", "dead list", "dead show 1", "dead replay --all", "dead purge --all --yes", "lane list"]
VERBS += ["lane forget r/t --discard --yes", "publish --type t --source s"]


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_without_a_host_says_where_it_looked_and_exits_with_3(tmp_path: Path, verb: str) -> None:
    path = tmp_path / "no.sock"
    done = outboard(*verb.split(), "--socket", path)
    assert done.returncode == 3
    assert str(path) in done.stderr
    assert "outboard serve" in done.stderr


@pytest.mark.parametrize("verb", ["check", "serve"])
def test_a_file_without_its_flag_is_understood(tmp_path: Path, verb: str) -> None:
    path = config(tmp_path, GOOD)
    done = outboard(verb, path)
    assert done.returncode == 2
    assert f"did you mean --config {path}?" in done.stderr


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("publish f --from-line 0", '--from-line: "0" is no whole number from 1 on'),
        ("publish f --rate 0", '--rate: "0" is no number above 0, such as 5 or 0.5'),
        ("publish f --rate many", '--rate: "many" is no number above 0'),
        ("dead list --limit 0", '--limit: "0" is no whole number from 1 to 4294967295'),
        ("dead list --after x", '--after: "x" is no whole number from 0 on; `outboard dead list` shows the ids'),
        ("tail --last -1", '--last: "-1" is no whole number from 0 to 4294967295'),
        ("dead show abc", 'id: "abc" is no whole number from 1 on; `outboard dead list` shows the ids'),
        ("dead replay 5 0", 'ids: "0" is no whole number from 1 on; `outboard dead list` shows the ids'),
    ],
)
def test_a_bad_number_is_told_with_what_would_do(line: str, said: str) -> None:
    done = outboard(*line.split())
    assert done.returncode == 2
    assert said in done.stderr
    assert len(done.stderr) < 200, "short"


def test_help_shows_flags_as_they_are_written() -> None:
    assert "{" not in outboard("check", "--help").stdout


def test_a_verb_that_hits_a_dead_hosts_socket_exits_with_3(tmp_path: Path) -> None:
    with RunningHost(tmp_path, plugins=[faulty()], routes=[ROUTE]) as host:
        host.kill()
        assert host.socket.exists()
        done = host.command("status", check=False)
        assert done.returncode == 3
        assert str(host.socket) in done.stderr
        host.start()  # The next host takes the socket over.


@pytest.mark.parametrize(
    ("verb", "said"),
    [("frobnicate", "there is no verb frobnicate"), ("lane paus x", "lane pause")],
)
def test_an_unknown_verb_says_so(verb: str, said: str) -> None:
    done = outboard(*verb.split())
    assert done.returncode == 2
    assert said in done.stderr


@pytest.fixture
def first(tmp_path: Path) -> Iterator[RunningHost]:
    with RunningHost(tmp_path / "first", plugins=[faulty()], routes=[ROUTE], host={"http": "127.0.0.1:0"}) as host:
        yield host


def test_a_second_host_on_the_same_data_folder_names_the_first(tmp_path: Path, first: RunningHost) -> None:
    second = RunningHost(
        tmp_path / "second", plugins=[faulty()], routes=[ROUTE], host={"data": str(first.folder / "data")}
    )
    done = outboard("serve", "--config", second.config)
    assert done.returncode == 1
    assert first.process is not None
    assert f"another host (pid {first.process.pid}) uses the data folder {first.data}" in done.stderr
    assert first.status()["pid"] == first.process.pid
    first.publish(list(events(10)))
    first.wait_idle("all/faulty")


def test_a_second_host_on_the_same_data_folder_leaves_its_sockets(tmp_path: Path) -> None:
    """Also where they have no file of the bus in common."""
    plugin = {**faulty(), "publish": ["x.#"]}
    with RunningHost(tmp_path / "first", plugins=[plugin], routes=[ROUTE]) as first:
        door = Path(first.data, "publish")
        sockets = list(door.iterdir())
        assert sockets
        second = RunningHost(tmp_path / "second", plugins=[plugin], routes=[ROUTE], host={"data": first.data},
                             bus={"kind": "embedded", "path": str(tmp_path / "second" / "bus.db")})
        done = outboard("serve", "--config", second.config)
        assert done.returncode == 1
        assert "another host" in done.stderr
        assert list(door.iterdir()) == sockets


def test_a_second_host_on_the_same_socket_says_whose_it_is(tmp_path: Path, first: RunningHost) -> None:
    mark = tmp_path / "started"
    second = RunningHost(
        tmp_path / "second", plugins=[marking(mark)], routes=[ROUTE], host={"admin_socket": str(first.socket)}
    )
    done = outboard("serve", "--config", second.config)
    assert done.returncode == 1
    assert not mark.exists(), "no plugin was started"
    assert f"another host listens at {first.socket}" in done.stderr
    assert "host.name" in done.stderr
    assert first.status()["host"] == "test", "the first one's socket is untouched"


def marking(mark: Path, *flags: str) -> dict[str, Any]:
    """A plugin `faulty` that leaves a file behind when it is started."""
    return {**faulty(*flags), "run": ["/bin/sh", "-c", 'touch "$0"; exec "$@"', str(mark), *faulty(*flags)["run"]]}


def test_a_taken_port_is_said_with_what_to_do_and_no_plugin_is_started(tmp_path: Path) -> None:
    mark = tmp_path / "started"
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        host = RunningHost(tmp_path, plugins=[marking(mark)], routes=[ROUTE], host={"http": f"127.0.0.1:{port}"})
        done = outboard("serve", "--config", host.config)
    assert done.returncode == 1
    assert f"port {port} at 127.0.0.1 is taken by another program" in done.stderr
    assert "port 0: any free one" in done.stderr
    assert not mark.exists()
    assert not host.socket.exists(), "the admin socket was removed again"


def test_a_host_is_ready_before_its_plugins_and_says_which_lanes_wait(tmp_path: Path) -> None:
    def get(host: RunningHost, path: str) -> tuple[int, str]:
        connection = http.client.HTTPConnection(host.status()["http_address"], timeout=10)
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()

    plugins = [faulty("--at-describe", "hang")]
    with RunningHost(tmp_path, plugins=plugins, routes=[ROUTE], host={"http": "127.0.0.1:0"}) as host:
        status, text = get(host, "/readyz")
        assert (status, text.splitlines()[0]) == (200, "ready")
        assert "lane all/faulty: no session" in text
        status, text = get(host, "/readyz?strict")
        assert (status, text.splitlines()[0]) == (503, "not ready: lane all/faulty: no session")


# ---- Disabled components ---------------------------------------------------------------------------

PARTLY = """\
    import outboard

    app = outboard.Plugin("partly", version="1.0")

    @app.worker()
    def on(event):
        pass

    @app.worker(disabled=lambda config: "" if config.get("smtp") else "no smtp is configured")
    def off(event):
        pass

    outboard.serve(app)
    """


def test_a_disabled_component_shows_its_reason_and_keeps_its_backlog(tmp_path: Path) -> None:
    program = tmp_path / "partly.py"
    program.write_text(textwrap.dedent(PARTLY))
    route = {"name": "r", "source": {"service": "storyboard"}, "to": ["partly.on", "partly.off"]}
    plugin: dict[str, Any] = {"name": "partly", "run": [str(PYTHON), str(program)], "config": {"smtp": "localhost"}}
    with RunningHost(tmp_path, plugins=[plugin], routes=[route]) as host:
        wait_for("both are used", lambda: {lane["state"] for lane in host.status()["lanes"]} == {"running"})
        assert host.stop() == 0
    plugin["config"] = {}
    with RunningHost(tmp_path, plugins=[plugin], routes=[route]) as host:
        host.publish(list(events(50)))
        host.wait_idle("r/partly.on")
        wait_for("the lane says so", lambda: host.lane("r/partly.off")["state"] == "disabled")
        assert int(host.lane("r/partly.off")["backlog"]) == 50
        reasons = {c["name"]: c.get("disabled_reason", "") for c in host.plugin("partly")["components"]}
        assert reasons == {"on": "", "off": "no smtp is configured"}
        assert "no smtp is configured" in host.command("status").stdout
        assert any("r/partly.off" in warning and "disabled" in warning for warning in host.status()["warnings"])
        assert host.stop() == 0
    plugin["config"] = {"smtp": "localhost"}
    with RunningHost(tmp_path, plugins=[plugin], routes=[route]) as host:
        host.wait_idle("r/partly.off")
        assert int(host.lane("r/partly.off")["done"]) == 50


# ---- Lanes that no route makes any more ------------------------------------------------------------


@pytest.fixture
def orphan(tmp_path: Path) -> Iterator[RunningHost]:
    """A host without the route whose lane, old/faulty, still holds 40 events."""
    old = {"name": "old", "source": {"service": "storyboard"}, "to": ["faulty"]}
    new = {"name": "new", "source": {"service": "storyboard"}, "to": ["faulty"]}
    with RunningHost(tmp_path, plugins=[faulty("--at-open", "silent")], routes=[old]) as host:
        host.publish(list(events(40)))
        assert host.stop() == 0
    with RunningHost(tmp_path, plugins=[faulty("--ledger", str(tmp_path / "ledger"))], routes=[new]) as host:
        yield host


def test_an_orphaned_lane_is_listed_and_takes_no_new_events(orphan: RunningHost) -> None:
    orphan.publish(list(events(10, 100)))
    orphan.wait_idle("new/faulty")
    lane = orphan.lane("old/faulty")
    assert lane["state"] == "orphan"
    assert int(lane["backlog"]) == 40
    assert "orphan" in orphan.command("lane", "list").stdout
    warning = next(w for w in orphan.status()["warnings"] if "old/faulty" in w)
    assert "40 events" in warning
    assert "outboard lane forget old/faulty" in warning
    assert len(Ledger(orphan.folder / "ledger").handled()) == 10


def test_a_lane_that_holds_events_is_not_forgotten_by_accident(orphan: RunningHost) -> None:
    done = orphan.command("lane", "forget", "old/faulty", check=False)
    assert done.returncode == 1
    assert "40" in done.stderr
    assert "--discard" in done.stderr
    assert "--to-dead" in done.stderr
    assert int(orphan.lane("old/faulty")["backlog"]) == 40


def test_a_forgotten_lanes_events_can_be_discarded(orphan: RunningHost) -> None:
    said = json.loads(orphan.command("lane", "forget", "old/faulty", "--discard", "--yes", "--json").stdout)
    assert said["discarded"] == 40
    assert [lane["name"] for lane in orphan.status()["lanes"]] == ["new/faulty"]
    assert orphan.dead() == []


def test_a_forgotten_lanes_events_can_be_kept_as_dead_letters(orphan: RunningHost) -> None:
    said = json.loads(orphan.command("lane", "forget", "old/faulty", "--to-dead", "--json").stdout)
    assert said["to_dead"] == 40
    assert {letter["event_id"] for letter in orphan.dead()} == {f"e{n}" for n in range(40)}
    assert {letter["lane"] for letter in orphan.dead()} == {"old/faulty"}
    replay = orphan.command("dead", "replay", "--all")
    assert replay.stdout == "gave 0 dead letters back to their lanes\n"
    assert "40 dead letters stayed: no route makes their lanes any more" in replay.stderr
    unknown = orphan.command("dead", "replay", "77", check=False)
    assert unknown.returncode == 1
    assert "no dead letter 77, and none was replayed: `outboard dead list` shows" in unknown.stderr


def test_a_lane_in_use_or_unknown_is_not_forgotten(orphan: RunningHost) -> None:
    used = orphan.command("lane", "forget", "new/faulty", "--discard", "--yes", check=False)
    assert (used.returncode, "is in use" in used.stderr) == (1, True)
    unknown = orphan.command("lane", "forget", "old/fault", check=False)
    assert unknown.returncode == 1
    assert "no lane is called 'old/fault': `outboard lane list` shows which there are" in unknown.stderr


def test_an_orphan_whose_route_comes_back_goes_on_where_it_was(tmp_path: Path, orphan: RunningHost) -> None:
    assert orphan.stop() == 0
    old = {"name": "old", "source": {"service": "storyboard"}, "to": ["faulty"]}
    with RunningHost(tmp_path, plugins=[faulty("--ledger", str(tmp_path / "ledger"))], routes=[old]) as host:
        host.wait_idle("old/faulty")
        assert host.status().get("warnings", []) == []
    assert set(Ledger(tmp_path / "ledger").handled()) == {f"e{n}" for n in range(40)}


# ---- Where a new lane begins -----------------------------------------------------------------------


@pytest.mark.parametrize(("begin", "wanted"), [("first", range(100)), ("next", range(0)), ("last", range(99, 100))])
def test_a_new_lane_begins_where_the_route_says(tmp_path: Path, begin: str, wanted: range) -> None:
    with RunningHost(tmp_path, plugins=[faulty()], routes=[ROUTE]) as host:
        host.publish(list(events(100)))
        host.wait_idle("all/faulty")
        assert host.stop() == 0
    ledger = Ledger(tmp_path / "ledger")
    again = {"name": "again", "source": {"service": "storyboard"}, "to": ["reader"], "from": begin}
    plugins = [faulty(), faulty("--ledger", str(ledger.path), name="reader")]
    with RunningHost(tmp_path, plugins=plugins, routes=[ROUTE, again]) as host:
        host.publish([event(1000)])
        wait_for("the new one is handled", lambda: "e1000" in ledger.handled())
        host.wait_idle("again/reader")
        assert host.stop() == 0
        # It is a new lane only once.
        host.start()
        host.wait_idle("again/reader")
    assert set(ledger.handled()) == {*(f"e{n}" for n in wanted), "e1000"}
    assert set(ledger.handled().values()) == {1}
