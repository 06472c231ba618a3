"""Stages before the bus: what publishers of either protocol are told, and what gets to the bus."""

from __future__ import annotations

import http.client
import json
import os
import queue
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

import grpc
import outboard
import pytest
from http_host import ask, post
from outboard.event.v1 import event_pb2
from outboard.host.v1 import publisher_pb2
from running_host import BIN, PYTHON, RunningHost, event, events, wait_for

HERE = Path(__file__).parent
SERVICE = "/outboard.host.v1.PublisherService/"
SCREENING = {"name": "screening", "source": {"service": "storyboard"}, "stages": ["screener.guard"]}
OK, INVALID_ARGUMENT, INTERNAL, UNAVAILABLE = 0, 3, 13, 14


class ScreenedHost(RunningHost):
    """Events of storyboard go through screener.guard, and all that is published to the recorder."""

    def __init__(self, folder: Path, bus: dict[str, Any] | None = None, *, ingress: list[dict[str, Any]] | None = None,
                 host: dict[str, Any] | None = None, **plugin: Any) -> None:
        self.walks = folder / "walks"
        self.recorded = folder / "recorded"
        screener = {"name": "screener", "run": [str(PYTHON), str(HERE / "screener.py"), str(self.walks)],
                    "restart": {"initial": "50ms", "max": "200ms"}, "circuit": {"crashes": 20}, **plugin}
        recorder = {"name": "recorder", "run": [str(PYTHON), str(HERE / "recorder.py"), str(self.recorded)]}
        super().__init__(folder, bus=bus or {"kind": "embedded", "max_event_bytes": "64KiB"},
                         host={"http": "127.0.0.1:0", **(host or {})}, plugins=[screener, recorder],
                         routes=[{"name": "all", "source": {}, "to": ["recorder"]}],
                         ingress=[SCREENING] if ingress is None else ingress)

    def __enter__(self) -> Self:
        super().__enter__()
        self.channel = grpc.insecure_channel(f"unix:{self.socket}")
        self.unary = self.channel.unary_unary(SERVICE + "Publish", publisher_pb2.PublishRequest.SerializeToString,
                                              publisher_pb2.PublishResponse.FromString)
        self.stream = self.channel.stream_stream(
            SERVICE + "PublishStream", publisher_pb2.PublishStreamRequest.SerializeToString,
            publisher_pb2.PublishStreamResponse.FromString)
        return self

    def __exit__(self, *error: object) -> None:
        self.channel.close()
        super().__exit__(*error)

    def ask(self, *events: event_pb2.Event) -> list[publisher_pb2.PublishResult]:
        return list(self.unary(publisher_pb2.PublishRequest(events=events), timeout=60).results)

    def begin(self, *events: event_pb2.Event) -> grpc.Future:
        return self.unary.future(publisher_pb2.PublishRequest(events=events), timeout=60)

    def port(self) -> int:
        return int(str(self.status()["http_address"]).rpartition(":")[2])

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port(), timeout=60)

    def walked(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.walks.read_text().splitlines()] if self.walks.exists() else []

    def walked_ids(self) -> list[str]:
        return [line["id"] for line in self.walked()]

    def handled(self) -> list[str]:
        """In the order of the bus."""
        return [line["id"] for line in self.lines()]

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.recorded.read_text().splitlines()] if self.recorded.exists() else []

    def let_go(self, id_: str) -> None:
        (self.folder / f"go-{id_}").touch()

    def wait_running(self) -> None:
        """Until the stages are there: what comes before waits, for up to 10 s."""
        wait_for("the stages run", lambda: all(
            stage["state"] == "running" for entry in self.status()["ingress"] for stage in entry["stages"]))


def make(id_: str, act: str = "", *, source: str = "storyboard", kind: str = "story.post") -> event_pb2.Event:
    made = event_pb2.Event(id=id_, source=source, spec_version="1.0", type=kind, binary_data=b"{}")
    if act:
        made.attributes["stage"].ce_string = act
    return made


def acting(number: int, act: str, **extra: Any) -> dict[str, Any]:
    return event(number, stage=act, **extra)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ScreenedHost]:
    with ScreenedHost(tmp_path_factory.mktemp("host")) as running:
        running.wait_running()
        yield running


@pytest.fixture
def host(shared: ScreenedHost) -> ScreenedHost:
    shared.wait_idle("all/recorder")
    shared.walks.unlink(missing_ok=True)
    shared.recorded.unlink(missing_ok=True)
    return shared


# ---- What each verdict means ----


def test_each_verdict_over_grpc(host: ScreenedHost) -> None:
    acts = ["", "halt", "change", "reject", "retry", "grow", ""]
    results = host.ask(*(make(f"g{n}", act) for n, act in enumerate(acts)))
    assert [(r.confirmed, r.code, r.dropped_by) for r in results] == [
        (True, OK, ""), (False, OK, "screener.guard"), (True, OK, ""), (False, INVALID_ARGUMENT, ""),
        (False, UNAVAILABLE, ""), (False, INTERNAL, ""), (True, OK, "")]
    assert results[3].message == "stage screener.guard: SPAM: a bad word"
    assert results[4].message == "stage screener.guard: BUSY: too busy"
    assert results[5].message.startswith("stage screener.guard: CHANGE_REFUSED: the changed event: ")
    host.wait_idle("all/recorder")
    assert host.handled() == ["g0", "g2", "g6"], "in the order of the request"
    assert json.loads(host.lines()[1]["data"]) == {"changed": True}
    assert host.dead() == []
    assert {(line["route"], line["attempt"]) for line in host.walked()} == {("screening", 1)}


def test_what_the_stage_does_not_hook_and_what_is_of_others_goes_on(host: ScreenedHost) -> None:
    results = host.ask(make("t1", "halt", kind="task.put"), make("o1", "halt", source="other"), make("s1"))
    assert all(result.confirmed for result in results)
    host.wait_idle("all/recorder")
    assert host.handled() == ["t1", "o1", "s1"]
    assert host.walked_ids() == ["s1"]


def test_answers_over_http(host: ScreenedHost) -> None:
    to = host.connect()
    assert post(to, acting(1, ""))[0] == 202
    status, said = post(to, acting(2, "halt"))
    assert (status, said) == (202, {"results": [{"id": "e2", "confirmed": False, "dropped_by": "screener.guard"}]})
    binary = {"ce-id": "e3", "ce-source": "storyboard", "ce-type": "story.post", "ce-stage": "reject"}
    status, said = post(to, b"hello", binary)
    assert (status, said["title"], said["detail"]) == (
        422, "a stage rejected it", "stage screener.guard: SPAM: a bad word")
    status, headers, text = ask(to, "POST", "/events", json.dumps(acting(4, "retry")),
                                {"Content-Type": "application/cloudevents+json"})
    assert (status, headers["Retry-After"]) == (503, "7"), "as the stage asks for"
    assert "BUSY" in text
    assert post(to, acting(5, "grow"))[0] == 500
    host.wait_idle("all/recorder")
    assert host.handled() == ["e1"]


def test_a_batch_over_http_tells_of_each(host: ScreenedHost) -> None:
    to = host.connect()
    status, said = post(to, [acting(1, "halt"), acting(2, ""), acting(3, "change")])
    assert status == 202
    assert [(r["id"], r["confirmed"]) for r in said["results"]] == [("e1", False), ("e2", True), ("e3", True)]
    status, said = post(to, [acting(4, ""), acting(5, "reject"), acting(6, "halt"), acting(7, "retry")])
    assert status == 503, "sent again, the rest may get through"
    assert [(r["confirmed"], r.get("code"), r.get("dropped_by")) for r in said["results"]] == [
        (True, None, None), (False, "INVALID_ARGUMENT", None), (False, None, "screener.guard"),
        (False, "UNAVAILABLE", None)]
    assert said["detail"].startswith("1 of 4 events were kept, 1 dropped; ")
    host.wait_idle("all/recorder")
    assert host.handled() == ["e2", "e3", "e4"]


def test_clients_and_commands_tell_drops_from_failures(host: ScreenedHost) -> None:
    with outboard.Publisher(f"unix:{host.socket}") as publisher:
        [result] = publisher.publish(outboard.NewEvent("story.post", {}, source="storyboard",
                                                       attributes={"stage": "halt"}))
        assert (result.confirmed, result.dropped_by) == (False, "screener.guard")
        with pytest.raises(outboard.PublishError, match="SPAM: a bad word"):
            publisher.publish(outboard.NewEvent("story.post", {}, source="storyboard", attributes={"stage": "reject"}))
    one = ["publish", "--type", "story.post", "--source", "storyboard", "--id", "c1", "--attribute", "stage=halt"]
    assert host.command(*one).stdout == "dropped c1, by stage screener.guard\n"
    assert json.loads(host.command(*one, "--json").stdout) == {
        "id": "c1", "confirmed": False, "dropped_by": "screener.guard"}
    lines = "".join(json.dumps(acting(n, act)) + "\n" for n, act in enumerate(["", "halt", ""]))
    said = json.loads(host.command("publish", "--file", "-", "--json", stdin=lines).stdout)
    assert (said["confirmed"], said["dropped"], said["refused"]) == (2, 1, 0)


def test_status_and_metrics_show_the_entry(tmp_path: Path) -> None:
    with ScreenedHost(tmp_path) as host:
        host.ask(*(make(f"g{n}", act) for n, act in enumerate(["", "", "halt", "reject", "retry"])))
        [entry] = host.status()["ingress"]
        assert entry["name"] == "screening"
        assert (int(entry["answered"]), int(entry["unanswered"])) == (1, 2)
        assert {code: int(n) for code, n in entry["failed"].items()} == {"INVALID_ARGUMENT": 1, "UNAVAILABLE": 1}
        [stage] = entry["stages"]
        assert (stage["name"], stage["state"], int(stage["passed"])) == ("screener.guard", "running", 2)
        text = host.command("status").stdout
        assert "INGRESS" in text
        assert "through screener.guard" in text
        metrics = ask(host.connect(), "GET", "/metrics")[2]
        for line in ('outboard_pipeline_calls_total{pipeline="ingress/screening",outcome="answered"} 1\n',
                     'outboard_pipeline_stage_calls_total{pipeline="ingress/screening",stage="screener.guard",'
                     'outcome="passed"} 2\n',
                     'outboard_publish_events_total{protocol="grpc",outcome="confirmed"} 2\n',
                     'outboard_publish_events_total{protocol="grpc",outcome="dropped"} 1\n',
                     'outboard_publish_events_total{protocol="grpc",outcome="refused"} 1\n',
                     'outboard_publish_events_total{protocol="grpc",outcome="failed"} 1\n'):
            assert line in metrics


# ---- Order, and whose events go through what ----


def test_requests_of_a_stream_stay_in_order(host: ScreenedHost) -> None:
    requests: queue.Queue[publisher_pb2.PublishStreamRequest | None] = queue.Queue()
    answers = host.stream(iter(requests.get, None), timeout=60)
    for number, its in enumerate([make("w1", "wait"), make("w2"), make("w3", source="other"), make("w4", "wait")]):
        requests.put(publisher_pb2.PublishStreamRequest(request_id=number, events=[its]))
    requests.put(None)
    # Walked at once, published one after the other.
    wait_for("all are being walked", lambda: sorted(host.walked_ids()) == ["w1", "w2", "w4"])
    host.let_go("w4")
    host.ask(make("w5"))  # Of another request: nothing holds it up.
    wait_for("it is there", lambda: host.handled() == ["w5"])
    host.let_go("w1")
    assert [(a.request_id, a.results[0].confirmed) for a in answers] == [(n, True) for n in range(4)]
    host.wait_idle("all/recorder")
    assert host.handled() == ["w5", "w1", "w2", "w3", "w4"]


def test_a_long_stream_stays_in_order(host: ScreenedHost) -> None:
    ids = host.publish(list(events(3000)))
    wait_for("all are handled", lambda: len(host.handled()) >= len(ids))
    assert host.handled() == ids
    assert sorted(host.walked_ids()) == sorted(ids)


def test_the_first_entry_that_fits_has_the_event(tmp_path: Path) -> None:
    entries = [
        {"name": "special", "source": {"service": "storyboard", "events": ["story.special"]},
         "stages": ["screener.every", "screener.guard"]},
        {"name": "rest", "source": {"events": ["story.#"]}, "stages": ["screener.every"]}]
    with ScreenedHost(tmp_path, ingress=entries) as host:
        results = host.ask(make("a", kind="story.special"), make("b"), make("c", kind="task.put"))
        assert all(result.confirmed for result in results)
        assert sorted((line["id"], line["route"], line["stage"]) for line in host.walked()) == [
            ("a", "special", "every"), ("a", "special", "guard"), ("b", "rest", "every")]


def test_what_plugins_emit_is_not_screened(tmp_path: Path) -> None:
    with ScreenedHost(tmp_path, ingress=[{"name": "all", "stages": ["screener.every"]}]) as host:
        emitting = make("m1")
        emitting.attributes["act"].ce_string = "emit"
        assert host.ask(emitting)[0].confirmed
        wait_for("both are handled", lambda: len(host.handled()) == 2)
        assert host.lines()[1]["type"] == "derived"
        assert host.walked_ids() == ["m1"]


def test_each_bus(tmp_path: Path, bus: Callable[[], dict[str, Any]]) -> None:
    with ScreenedHost(tmp_path, bus()) as host:
        results = host.ask(make("g1"), make("g2", "halt"), make("g3", "change"))
        assert [result.confirmed for result in results] == [True, False, True]
        wait_for("they are handled", lambda: host.handled() == ["g1", "g3"])
        assert host.stop() == 0


# ---- Stages that do not answer ----


@pytest.mark.parametrize("fail", ["closed", "open"])
def test_a_plugin_killed_midway(tmp_path: Path, fail: str) -> None:
    stages = [{"stage": "screener.guard", "fail": fail}]
    with ScreenedHost(tmp_path, ingress=[{**SCREENING, "stages": stages}]) as host:
        first = host.begin(make("k1", "wait"))
        wait_for("it is with the stage", lambda: host.walked_ids() == ["k1"])
        os.kill(host.pids("screener")[0], signal.SIGKILL)
        [result] = first.result().results
        if fail == "open":
            assert result.confirmed
        else:
            assert (result.confirmed, result.code) == (False, UNAVAILABLE)
            assert result.message.startswith("stage screener.guard: SESSION_LOST: ")
        assert host.ask(make("k2"))[0].confirmed, "the next one works: it waits for the new process"
        host.wait_idle("all/recorder")
        assert host.handled() == (["k1", "k2"] if fail == "open" else ["k2"])
        assert host.walked_ids() == ["k1", "k2"], "no publisher's event is tried again"
        assert host.dead() == []


@pytest.mark.parametrize("fail", ["closed", "open"])
def test_a_stage_that_takes_too_long(tmp_path: Path, fail: str) -> None:
    stages = [{"stage": "screener.guard", "fail": fail, "time_limit": "300ms"}]
    with ScreenedHost(tmp_path, ingress=[{**SCREENING, "stages": stages}]) as host:
        host.wait_running()
        [result] = host.ask(make("s1", "sleep"))
        if fail == "open":
            assert result.confirmed
            wait_for("it is handled", lambda: host.handled() == ["s1"])
        else:
            assert (result.code, result.message) == (
                UNAVAILABLE, "stage screener.guard: DEADLINE: no answer within the time limit")
            status, said = post(host.connect(), acting(2, "sleep"))
            assert (status, said["results"][0]["code"]) == (503, "UNAVAILABLE")
            host.wait_idle("all/recorder")
            assert host.handled() == []


def test_an_absent_stage_closed_and_open(tmp_path: Path) -> None:
    absent = {"run": ["/bin/false"], "circuit": {"crashes": 3}}
    with ScreenedHost(tmp_path / "closed", **absent) as host:
        assert host.ask(make("o1", source="other"))[0].confirmed, "others are not held up"
        [result] = host.ask(make("a1"))
        assert result.code == UNAVAILABLE
        assert "the circuit of plugin screener is open" in result.message
        assert post(host.connect(), acting(1, ""))[0] == 503
        host.wait_idle("all/recorder")
        assert host.handled() == ["o1"]
    stages = [{"stage": "screener.guard", "fail": "open"}]
    with ScreenedHost(tmp_path / "open", ingress=[{**SCREENING, "stages": stages}], **absent) as host:
        assert host.ask(make("a1"))[0].confirmed


def test_a_stop_ends_what_is_being_walked_in_time(tmp_path: Path) -> None:
    with ScreenedHost(tmp_path, host={"drain_timeout": "2s"}) as host:
        mine = host.begin(make("d1", "wait"))
        over_http = host.connect()
        over_http.request("POST", "/events", json.dumps(acting(2, "wait")),
                          {"Content-Type": "application/cloudevents+json"})
        wait_for("both are with the stage", lambda: sorted(host.walked_ids()) == ["d1", "e2"])
        assert host.stop(30) == 0
        [result] = mine.result().results
        assert (result.confirmed, result.code) == (False, UNAVAILABLE)
        assert over_http.getresponse().status == 503
        host.let_go("d1")
        host.start()
        host.wait_idle("all/recorder")
        assert host.handled() == [], "nothing of them was published"


# ---- What is wrong with a configuration ----


def check(host: RunningHost) -> subprocess.CompletedProcess[str]:
    return subprocess.run([BIN / "outboard", "check", "--config", host.config], capture_output=True, text=True,
                          timeout=120, check=False)


def test_check_tells_what_is_no_stage(tmp_path: Path) -> None:
    checked = check(ScreenedHost(tmp_path, ingress=[{**SCREENING, "stages": ["screener.late"]}]))
    assert checked.returncode == 2
    assert "ingress screening names it" in checked.stderr
    observer = {"stage": "screener.guard", "observe": True}
    checked = check(ScreenedHost(tmp_path, ingress=[{**SCREENING, "stages": [observer]}]))
    assert checked.returncode == 2
    assert "ingress[0].stages[0].observe: not built yet" in checked.stderr
