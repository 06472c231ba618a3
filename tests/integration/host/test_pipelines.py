"""Request pipelines: real stages in processes of their own, called over gRPC."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import threading
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import outboard
import pytest
from outboard.host.v1 import pipeline_pb2
from outboard.plugin.v1 import session_pb2
from running_host import BIN, PYTHON, RunningHost, wait_for

HERE = Path(__file__).parent
QUEUE = {"name": "queue", "stages": ["pipeliner.lovely", "pipeliner.store"]}
PAIR = {"name": "pair", "stages": ["pipeliner.first", {"stage": "pipeliner.second", "time_limit": "2s"}]}
# The same with the limit of the plugin, for what takes time on a busy machine.
PATIENT = {"name": "patient", "stages": ["pipeliner.first", "pipeliner.second"]}


# The same stages with either SDK, and with no more than the stubs of the protos.
PROGRAMS = {
    "python": [str(PYTHON), str(HERE / "pipeliner.py")],
    "cpp": [str(BIN / "outboard-pipeliner")],
    "raw": [str(PYTHON), str(HERE / "pipeliner_raw.py")],
}


class PipelineHost(RunningHost):
    def __init__(self, folder: Path, program: str = "cpp", **plugin: Any) -> None:
        self.records = folder / "records"
        pipeliner = {"name": "pipeliner", "run": [*PROGRAMS[program], str(self.records)],
                     "restart": {"initial": "50ms", "max": "200ms"}, **plugin}
        super().__init__(folder, plugins=[pipeliner], routes=[], pipelines=[PAIR, PATIENT, QUEUE])

    def seen(self) -> list[dict[str, Any]]:
        lines = self.records.read_text().splitlines() if self.records.exists() else []
        return [json.loads(line) for line in lines]

    def stages(self) -> list[str]:
        """Which stages were asked, in order."""
        return [line["stage"] for line in self.seen()]

    def pipeline(self, name: str) -> dict[str, Any]:
        return next(dict(p) for p in self.status()["pipelines"] if p["name"] == name)


@pytest.fixture(scope="module", params=PROGRAMS)
def shared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PipelineHost]:
    with PipelineHost(tmp_path_factory.mktemp("host"), request.param) as running:
        yield running


@pytest.fixture
def host(shared: PipelineHost) -> PipelineHost:
    shared.records.unlink(missing_ok=True)
    return shared


@pytest.fixture
def calls(host: PipelineHost) -> Iterator[outboard.Pipelines]:
    with outboard.Pipelines(f"unix:{host.socket}") as client:
        yield client


# ---- What Zaqar's pipelines do: its seven tests, and LovelyStage ----


def test_an_operation_that_no_stage_hooks_is_unimplemented_by_name(calls: outboard.Pipelines) -> None:
    with pytest.raises(outboard.InvokeError, match="no stage of pipeline pair hooks operation frobnicate") as error:
        calls.invoke("pair", "frobnicate")
    assert (error.value.code, error.value.reason) == (grpc.StatusCode.UNIMPLEMENTED, "NO_STAGE")


def test_the_first_stage_that_answers_ends_the_walk(host: PipelineHost, calls: outboard.Pipelines) -> None:
    answer = calls.invoke("pair", "with_args", "James")
    assert (answer.value, answer.stage) == ("James", "pipeliner.first")
    assert host.stages() == ["first"], "the second one would have raised"


def test_named_and_positional_arguments_both_work(calls: outboard.Pipelines) -> None:
    assert calls.invoke("pair", "with_kwargs", name="James").value == "James"
    assert calls.invoke("pair", "with_kwargs", "James").value == "James"


def test_both_kinds_together(host: PipelineHost, calls: outboard.Pipelines) -> None:
    assert calls.invoke("pair", "with_args_kwargs", "a", [1, None], b={"c": "ü"}).value == ["a", [1, None],
                                                                                          {"b": {"c": "ü"}}]
    assert host.stages() == ["first"], "the second does not hook it"


def test_every_name_may_be_that_of_an_argument(calls: outboard.Pipelines) -> None:
    named = {"self": 1, "pipeline": 2, "operation": 3, "args": [4], "kwargs": {"a": 5}, "context": {"project": "p1"},
             "timeout": 6, "queue-name": 7}
    for caller in (calls, calls.with_options(context={"user": "u1"}, timeout=20)):
        assert caller.invoke("pair", "with_args_kwargs", **named).value == [named]


def test_a_walk_that_no_stage_ends_has_no_answer(host: PipelineHost, calls: outboard.Pipelines) -> None:
    answer = calls.invoke("pair", "does_nothing")
    assert not answer.given
    assert answer.stage == ""
    assert host.stages() == ["first", "second"]


def test_the_latest_answers_where_the_others_do_not(host: PipelineHost, calls: outboard.Pipelines) -> None:
    answer = calls.invoke("pair", "calls_the_latest")
    assert answer.value is True
    assert answer.stage == "pipeliner.second"
    assert host.stages() == ["first", "second"]


def test_one_client_may_be_kept_for_many_calls(calls: outboard.Pipelines) -> None:
    assert [calls.invoke("pair", "answer", n).value for n in range(20)] == list(range(20))


def test_lovely_queues_stay(host: PipelineHost, calls: outboard.Pipelines) -> None:
    assert calls.invoke("queue", "create", "lovely").value is True, "the controller's answer: it is new"
    assert calls.invoke("queue", "create", "lovely").value is False
    deleted = calls.invoke("queue", "delete", "lovely")
    assert (deleted.value, deleted.stage) == ("lovely queues are not deleted", "pipeliner.lovely")
    assert calls.invoke("queue", "exists", "lovely").value is True
    calls.invoke("queue", "create", "other")
    gone = calls.invoke("queue", "delete", "other")
    assert (gone.given, gone.value, gone.stage) == (True, None, "pipeliner.store")
    assert calls.invoke("queue", "exists", "other").value is False


# ---- Answers ----


@pytest.mark.parametrize("value", [False, 0, "", [], {}, None, "x" * 100_000, 1.5])
def test_each_of_these_is_an_answer(calls: outboard.Pipelines, value: Any) -> None:
    answer = calls.invoke("pair", "answer", value)
    assert answer.given
    assert answer.value == value
    assert answer.stage == "pipeliner.second"


def test_bytes_are_an_argument_and_an_answer_as_they_are(host: PipelineHost, calls: outboard.Pipelines) -> None:
    value = b"\x00\xff{" + bytes(range(256))
    answer = calls.invoke("pair", "answer", value, {"n": 1}, named=value[:5])
    assert (answer.given, answer.value, answer.stage) == (True, value, "pipeliner.second")
    assert [(line["args"], line["kwargs"]) for line in host.seen()] == [([259, {"n": 1}], {"named": 5})] * 2
    assert calls.invoke("pair", "with_kwargs", name=b"").value == b"", "none at all are bytes, too"


def test_a_stage_may_end_the_walk_without_an_answer(calls: outboard.Pipelines) -> None:
    answer = calls.invoke("pair", "nothing")
    assert (answer.given, answer.stage) == (False, "pipeliner.second")


def test_a_stage_changes_the_arguments_for_the_next_one(host: PipelineHost, calls: outboard.Pipelines) -> None:
    assert calls.invoke("pair", "change", "was", 2).value == {"args": ["changed", 2], "kwargs": {"added": True}}
    assert host.seen()[0]["args"] == ["was", 2]


def test_the_context_travels(host: PipelineHost, calls: outboard.Pipelines) -> None:
    calls.with_options(context={"project": "p1", "user": "u1"}).invoke("pair", "does_nothing")
    assert [line["context"] for line in host.seen()] == [{"project": "p1", "user": "u1"}] * 2


def test_trace_headers_of_the_request_join_the_context(host: PipelineHost) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    with grpc.insecure_channel(f"unix:{host.socket}") as channel:
        invoke = channel.unary_unary("/outboard.host.v1.PipelineService/Invoke",
                                     request_serializer=pipeline_pb2.InvokeRequest.SerializeToString,
                                     response_deserializer=pipeline_pb2.InvokeResponse.FromString)
        call = session_pb2.Call(pipeline="pair", operation="does_nothing", context={"tracestate": "own"})
        invoke(pipeline_pb2.InvokeRequest(call=call), timeout=30,
               metadata=[("traceparent", trace), ("tracestate", "other")])
    assert host.seen()[0]["context"] == {"traceparent": trace, "tracestate": "own"}


# ---- Failures ----


@pytest.mark.parametrize(("kind", "reason", "code"), [
    ("reject", "NOT_FOUND", grpc.StatusCode.NOT_FOUND),
    ("reject", "INVALID_ARGUMENT", grpc.StatusCode.INVALID_ARGUMENT),
    ("reject", "QUEUE_BROKEN", grpc.StatusCode.UNKNOWN),
    ("retry", "STORE_BUSY", grpc.StatusCode.UNAVAILABLE),
])
def test_an_error_ends_the_walk_and_reaches_the_caller(calls: outboard.Pipelines, kind: str, reason: str,
                                                       code: grpc.StatusCode) -> None:
    with pytest.raises(outboard.InvokeError, match=r"stage pipeliner\.second: as asked") as raised:
        calls.invoke("pair", "fail", kind, reason)
    error = raised.value
    assert (error.code, error.reason, error.stage) == (code, reason, "pipeliner.second")
    assert (error.message, error.detail, error.metadata) == ("as asked", "where it happened", {"queue": "q1"})


def test_what_does_not_fit_into_a_status_is_left_out(calls: outboard.Pipelines) -> None:
    with pytest.raises(outboard.InvokeError) as raised:
        calls.invoke("pair", "fail", "reject", "NOT_FOUND", 500)
    error = raised.value
    assert (error.code, error.stage, error.message) == (grpc.StatusCode.NOT_FOUND, "pipeliner.second", "as asked")
    assert error.metadata == {}


def test_a_pipeline_that_is_not_there_is_named_with_those_that_are(calls: outboard.Pipelines) -> None:
    said = r"no pipeline queu; did you mean queue\? \(it has: pair, patient, queue\)"
    with pytest.raises(outboard.InvokeError, match=said) as e:
        calls.invoke("queu", "create", "x")
    assert (e.value.code, e.value.reason) == (grpc.StatusCode.NOT_FOUND, "NO_PIPELINE")


def test_a_call_without_an_operation_is_refused(calls: outboard.Pipelines) -> None:
    with pytest.raises(outboard.InvokeError, match=r"set Call\.operation") as error:
        calls.invoke("pair", "")
    assert error.value.code == grpc.StatusCode.INVALID_ARGUMENT


# ---- Time ----


def test_a_stage_that_takes_too_long_is_a_deadline(host: PipelineHost, calls: outboard.Pipelines) -> None:
    with pytest.raises(outboard.InvokeError, match="no answer within the time limit") as error:
        calls.invoke("pair", "slow", 4, tag="limit")
    assert (error.value.code, error.value.stage) == (grpc.StatusCode.DEADLINE_EXCEEDED, "pipeliner.second")
    wait_for("the stage is told", lambda: {"stage": "second", "cancelled": "limit"} in host.seen())


def test_the_callers_deadline_reaches_the_stage(host: PipelineHost, calls: outboard.Pipelines) -> None:
    def told() -> bool:
        return {"stage": "second", "cancelled": "deadline"} in host.seen()

    for timeout in (0.3, 1, 3, 10):  # On a busy machine the first ones may be over before the call is there.
        with pytest.raises(outboard.InvokeError) as error:
            calls.with_options(timeout=timeout).invoke("pair", "slow", 60, tag="deadline")
        assert error.value.code == grpc.StatusCode.DEADLINE_EXCEEDED
        wait_for("it is over", lambda: int(host.pipeline("pair").get("under_way", 0)) == 0)
        if told():
            break
    wait_for("the stage is told", told)
    wait_for("it is counted", lambda: int(host.pipeline("pair").get("under_way", 0)) == 0)


def test_a_cancelled_call_is_cancelled_at_its_stage(host: PipelineHost) -> None:
    with grpc.insecure_channel(f"unix:{host.socket}") as channel:
        invoke = channel.unary_unary("/outboard.host.v1.PipelineService/Invoke",
                                     request_serializer=pipeline_pb2.InvokeRequest.SerializeToString,
                                     response_deserializer=pipeline_pb2.InvokeResponse.FromString)
        call = session_pb2.Call(pipeline="pair", operation="slow")
        call.args.add(data=b"60")
        call.kwargs["tag"].data = b'"cancel"'
        future = invoke.future(pipeline_pb2.InvokeRequest(call=call), timeout=60)
        wait_for("the stage has it", lambda: "second" in host.stages())
        future.cancel()
    wait_for("the stage is told", lambda: {"stage": "second", "cancelled": "cancel"} in host.seen())


# ---- Many calls over one stream ----


class CallStream:
    """One InvokeStream."""

    def __init__(self, host: RunningHost) -> None:
        self.channel = grpc.insecure_channel(f"unix:{host.socket}")
        self.requests: list[pipeline_pb2.InvokeStreamRequest] = []
        self.more = threading.Condition()
        self.over = False
        stream = self.channel.stream_stream(
            "/outboard.host.v1.PipelineService/InvokeStream",
            request_serializer=pipeline_pb2.InvokeStreamRequest.SerializeToString,
            response_deserializer=pipeline_pb2.InvokeStreamResponse.FromString)
        self.responses = stream(self._feed(), timeout=120)

    def _feed(self) -> Iterator[pipeline_pb2.InvokeStreamRequest]:
        while True:
            with self.more:
                self.more.wait_for(lambda: self.requests or self.over)
                if not self.requests:
                    return
                request = self.requests.pop(0)
            yield request

    def send(self, *calls: pipeline_pb2.StreamedCall) -> None:
        with self.more:
            self.requests.append(pipeline_pb2.InvokeStreamRequest(calls=calls))
            self.more.notify()

    def end(self) -> None:
        with self.more:
            self.over = True
            self.more.notify()

    def answers(self) -> Iterator[pipeline_pb2.StreamedAnswer]:
        for response in self.responses:
            yield from response.answers


def streamed(call_id: int, operation: str, *args: Any, pipeline: str = "pair") -> pipeline_pb2.StreamedCall:
    call = pipeline_pb2.StreamedCall(call_id=call_id)
    call.call.pipeline = pipeline
    call.call.operation = operation
    for arg in args:
        call.call.args.add(data=json.dumps(arg).encode())
    return call


def test_many_calls_over_one_stream_are_answered_each_for_itself(host: PipelineHost) -> None:
    stream = CallStream(host)
    for begin in range(0, 5000, 100):
        stream.send(*(streamed(n, "answer", n) for n in range(begin, begin + 100)))
    stream.end()
    answers = {answer.call_id: answer for answer in stream.answers()}
    assert {n: json.loads(a.answer.data) for n, a in answers.items()} == {n: n for n in range(5000)}
    assert {a.stage for a in answers.values()} == {"pipeliner.second"}


def test_a_failure_in_a_stream_ends_that_call_alone(host: PipelineHost) -> None:
    stream = CallStream(host)
    limited = streamed(4, "slow", 60)
    limited.time_left.FromMilliseconds(200)
    stream.send(streamed(1, "fail", "reject", "NOT_FOUND"), streamed(2, "answer", "fine"), streamed(3, "frob"), limited,
                streamed(5, "answer", 1, pipeline="none"), streamed(6, "slow", 0.5), streamed(6, "answer", 2))
    stream.end()
    answers: dict[int, list[pipeline_pb2.StreamedAnswer]] = {}
    for answer in stream.answers():
        answers.setdefault(answer.call_id, []).append(answer)
    assert answers[1][0].error.code == grpc.StatusCode.NOT_FOUND.value[0]
    assert answers[1][0].error.failure.detail == "where it happened"
    assert answers[2][0].answer.data == b'"fine"'
    assert answers[3][0].error.failure.reason == "NO_STAGE"
    assert answers[4][0].error.code == grpc.StatusCode.DEADLINE_EXCEEDED.value[0]
    assert answers[5][0].error.failure.reason == "NO_PIPELINE"
    assert sorted(a.error.failure.reason for a in answers[6]) == ["", "CALL_ID_IN_USE"]


def test_an_answer_that_no_client_of_a_stream_takes_fails_alone(host: PipelineHost) -> None:
    stream = CallStream(host)
    for n in range(3):  # Together more than a frame.
        stream.send(streamed(n, "answer", "x" * 3_500_000, pipeline="patient"))
    stream.end()
    assert [len(json.loads(answer.answer.data)) for answer in stream.answers()] == [3_500_000] * 3


def test_a_frame_takes_so_many_calls(host: PipelineHost) -> None:
    stream = CallStream(host)
    stream.send(*(streamed(n, "answer", n) for n in range(4100)))
    stream.end()
    reasons = [answer.error.failure.reason for answer in stream.answers()]
    assert (reasons.count(""), reasons.count("TOO_MANY_CALLS")) == (4096, 4)


def test_streams_are_bounded(host: PipelineHost) -> None:
    open_ones = [CallStream(host) for _ in range(64)]
    for stream in open_ones:
        stream.send(streamed(1, "answer", 1))
    firsts = [next(stream.answers()) for stream in open_ones]
    assert {answer.answer.data for answer in firsts} == {b"1"}
    with pytest.raises(grpc.RpcError) as error:
        list(CallStream(host).answers())
    assert isinstance(error.value, grpc.Call)
    assert error.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert error.value.details() == "64 streams are open: send more calls over each of fewer streams"
    for stream in open_ones:
        stream.end()
        assert list(stream.answers()) == []
    again = CallStream(host)
    again.send(streamed(1, "answer", 2))
    again.end()
    assert [answer.answer.data for answer in again.answers()] == [b"2"]


def test_a_stream_that_breaks_gives_up_its_calls(host: PipelineHost) -> None:
    def given_up() -> int:
        return int(host.pipeline("pair").get("failed", {}).get("CANCELLED", 0))

    before = given_up()
    stream = CallStream(host)
    stream.send(*(streamed(n, "slow", 60) for n in range(3)))
    wait_for("they are under way", lambda: int(host.pipeline("pair").get("under_way", 0)) == 3)
    stream.responses.cancel()
    wait_for("they are given up", lambda: given_up() == before + 3)
    assert int(host.pipeline("pair").get("under_way", 0)) == 0
    stream.end()


# ---- Isolation ----


def test_a_stage_that_dies_fails_only_what_it_had_in_hand(tmp_path: Path) -> None:
    with PipelineHost(tmp_path) as host, outboard.Pipelines(f"unix:{host.socket}") as calls, \
            ThreadPoolExecutor(4) as pool:
        assert calls.invoke("pair", "answer", 1).value == 1
        waiting = pool.submit(calls.invoke, "pair", "slow", 60)
        wait_for("it has one in hand", lambda: "second" in host.stages()[1:])
        with pytest.raises(outboard.InvokeError) as error:
            calls.invoke("pair", "die")
        for failed in (error.value, waiting.exception(60)):
            assert isinstance(failed, outboard.InvokeError)
            assert (failed.code, failed.reason) == (grpc.StatusCode.UNAVAILABLE, "SESSION_LOST")
            assert failed.stage == "pipeliner.second"
            assert "exited with 5" in failed.message, "the cause"
        assert calls.invoke("pair", "answer", 2).value == 2, "a new process answers"
        assert int(host.plugin("pipeliner")["restarts"]) == 1


def test_a_stage_that_dies_leaves_calls_of_other_plugins_alone(tmp_path: Path) -> None:
    go = tmp_path / "go"
    programs = {"one": "cpp", "other": "python"}
    plugins = [{"name": name, "run": [*PROGRAMS[program], str(tmp_path / name)], "time_limit": "5m",
                "restart": {"initial": "50ms", "max": "200ms"}} for name, program in programs.items()]
    pipelines = [{"name": "one", "stages": ["one.second"]}, {"name": "other", "stages": ["other.gate"]}]
    with RunningHost(tmp_path, plugins=plugins, routes=[], pipelines=pipelines) as host, \
            outboard.Pipelines(f"unix:{host.socket}") as client, ThreadPoolExecutor(2) as pool:
        calls = client.with_options(timeout=300)
        surviving = pool.submit(calls.invoke, "other", "wait", str(go))
        lost = pool.submit(calls.invoke, "one", "slow", 60)
        wait_for("each has one in hand", lambda: all((tmp_path / name).exists() for name in programs))
        with pytest.raises(outboard.InvokeError):
            calls.invoke("one", "die")
        assert isinstance(lost.exception(60), outboard.InvokeError)
        wait_for("a new process is there", lambda: int(host.plugin("one").get("restarts", 0)) == 1)
        assert not surviving.done()
        go.touch()
        assert surviving.result(60).value == "opened"
        assert int(host.plugin("other").get("restarts", 0)) == 0


def test_calls_go_on_while_one_of_two_instances_is_killed(tmp_path: Path) -> None:
    with PipelineHost(tmp_path, instances=2) as host, outboard.Pipelines(f"unix:{host.socket}") as calls:
        wait_for("both are ready", lambda: [i["state"] for i in host.plugin("pipeliner")["instances"]] == ["ready"] * 2)
        failures = []
        for n in range(400):
            if n % 100 == 50:
                os.kill(host.pids("pipeliner")[0], signal.SIGKILL)
            try:
                assert calls.invoke("pair", "answer", n).value == n
            except outboard.InvokeError as error:
                failures.append(error.code)
        assert set(failures) <= {grpc.StatusCode.UNAVAILABLE}
        assert len(failures) <= 4, "at most the one that was in hand at each kill"


def test_a_plugin_that_is_gone_for_good_is_named(tmp_path: Path) -> None:
    with PipelineHost(tmp_path, circuit={"crashes": 1, "trial_after": "1h"}) as host, \
            outboard.Pipelines(f"unix:{host.socket}") as calls:
        with pytest.raises(outboard.InvokeError):
            calls.invoke("pair", "die")
        wait_for("the circuit opens", lambda: host.plugin("pipeliner")["circuit"] == "open")
        with pytest.raises(outboard.InvokeError, match="circuit of plugin pipeliner is open") as error:
            calls.invoke("pair", "answer", 1)
        assert (error.value.code, error.value.reason) == (grpc.StatusCode.UNAVAILABLE, "NOT_READY")


def test_calls_under_way_end_before_the_host_does(tmp_path: Path) -> None:
    with PipelineHost(tmp_path) as host, outboard.Pipelines(f"unix:{host.socket}") as calls, \
            ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(calls.invoke, "pair", "slow", 1)
        wait_for("it has it", lambda: "second" in host.stages())
        assert host.process is not None
        host.process.send_signal(signal.SIGTERM)
        assert not waiting.result(60).given
        assert host.process.wait(60) == 0


def test_check_names_a_stage_that_is_not_there(tmp_path: Path) -> None:
    host = PipelineHost(tmp_path)
    text = host.config.read_text().replace("pipeliner.lovely", "pipeliner.lively")
    host.config.write_text(text)
    done = subprocess.run([BIN / "outboard", "check", "--config", host.config], capture_output=True, text=True,
                          timeout=120, check=False)
    assert done.returncode == 2
    assert "has no stage lively; did you mean lovely?" in done.stderr
    assert "pipeline queue names it" in done.stderr


def test_status_and_metrics_count_them(tmp_path: Path) -> None:
    host = PipelineHost(tmp_path)
    config = json.loads(host.config.read_text())
    config["host"]["http"] = "127.0.0.1:0"
    host.config.write_text(json.dumps(config))
    with host, outboard.Pipelines(f"unix:{host.socket}") as calls:
        for n in range(3):
            calls.invoke("pair", "answer", n)
        calls.invoke("pair", "does_nothing")
        with pytest.raises(outboard.InvokeError):
            calls.invoke("pair", "fail", "reject", "NOT_FOUND")
        pair = host.pipeline("pair")
        assert (pair["answered"], pair["unanswered"], pair["failed"]) == (3, 1, {"NOT_FOUND": 1})
        first, second = pair["stages"]
        assert (first["name"], first["passed"]) == ("pipeliner.first", 5)
        assert (second["name"], second["passed"], second["halted"]) == ("pipeliner.second", 1, 3)
        shown = host.command("status").stdout
        table = r"pair +0 +3 +1 +- +1 NOT_FOUND\n +through pipeliner\.first +running +0 +0 +- +5"
        assert re.search(table, shown), shown
        with urllib.request.urlopen(f"http://{host.status()['http_address']}/metrics", timeout=30) as page:
            metrics = page.read().decode()
        assert 'outboard_pipeline_calls_total{pipeline="pair",outcome="NOT_FOUND"} 1' in metrics
        stage = 'outboard_pipeline_stage_calls_total{pipeline="pair",stage="pipeliner.second"'
        assert stage + ',outcome="halted"} 3' in metrics


