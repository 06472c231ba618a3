"""The limit of each edge: what is above it gets a clear error, and nothing else suffers."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from http_host import JSON, HttpHost, ask, bearer_of, post
from outboard.event.v1 import event_pb2
from outboard.host.v1 import admin_pb2, pipeline_pb2, publisher_pb2
from running_host import PYTHON, event, events, wait_for

TOKEN = "limits-limits-limits-limits"
ADMIN, PUBLISHER, PIPELINES = (f"/outboard.host.v1.{name}Service/" for name in ("Admin", "Publisher", "Pipeline"))
REQUEST_BYTES = 32 << 20


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HttpHost]:
    folder = tmp_path_factory.mktemp("limits")
    (folder / "tokens").write_text(f"all operate {TOKEN}\n")
    with HttpHost(folder, grpc="127.0.0.1:0", token_file=str(folder / "tokens")) as running:
        yield running


@pytest.fixture(params=["socket", "tcp"])
def channel(request: pytest.FixtureRequest, host: HttpHost) -> Iterator[grpc.Channel]:
    target = f"unix:{host.socket}" if request.param == "socket" else str(host.status()["grpc_address"])
    options = [("grpc.max_send_message_length", -1), ("grpc.max_metadata_size", 1 << 20)]
    with grpc.insecure_channel(target, options=options) as made:
        yield made


def code_of(channel: grpc.Channel, method: str, request: bytes, *more: tuple[str, str]) -> tuple[grpc.StatusCode, str]:
    try:
        channel.unary_unary(method)(request, timeout=60, metadata=(("authorization", f"Bearer {TOKEN}"), *more))
    except grpc.RpcError as error:
        return error.code(), str(error.details())
    return grpc.StatusCode.OK, ""


def others_go_on(host: HttpHost) -> None:
    """Of the connection itself gRPC says nothing: it may end with what broke its limits."""
    for target in (f"unix:{host.socket}", str(host.status()["grpc_address"])):
        with grpc.insecure_channel(target, options=[("grpc.use_local_subchannel_pool", 1)]) as another:
            assert code_of(another, ADMIN + "GetStatus", b"")[0] is grpc.StatusCode.OK
    assert post(host.connect(), event(1), JSON | bearer_of(TOKEN))[0] == 202


def large_requests() -> dict[str, bytes]:
    """A valid request of each service, above the limit."""
    fill = b"x" * (REQUEST_BYTES + 1)
    call = pipeline_pb2.InvokeRequest()
    call.call.pipeline, call.call.operation = "p", "o"
    call.call.args.add().data = fill
    big = event_pb2.Event(id="1", source="s", type="t", spec_version="1.0", binary_data=fill)
    return {
        ADMIN + "PurgeDead": admin_pb2.PurgeDeadRequest(filter={"lane": "x" * (REQUEST_BYTES + 1)}).SerializeToString(),
        PUBLISHER + "Publish": publisher_pb2.PublishRequest(events=[big]).SerializeToString(),
        PIPELINES + "Invoke": call.SerializeToString(),
    }


def test_a_request_above_32_mib_is_refused(host: HttpHost, channel: grpc.Channel) -> None:
    for method, request in large_requests().items():
        code, said = code_of(channel, method, request)
        assert code is grpc.StatusCode.RESOURCE_EXHAUSTED, method
        assert str(REQUEST_BYTES) in said
    others_go_on(host)


def test_a_tail_with_too_many_patterns_is_refused(host: HttpHost, channel: grpc.Channel) -> None:
    request = admin_pb2.TailRequest(types=["story.#"] * 101).SerializeToString()
    with pytest.raises(grpc.RpcError) as refused:
        list(channel.unary_stream(ADMIN + "Tail")(request, metadata=(("authorization", f"Bearer {TOKEN}"),)))
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "give at most 100" in refused.value.details()
    others_go_on(host)


def test_an_event_above_the_limit_is_refused_and_its_neighbours_are_not(channel: grpc.Channel) -> None:
    def made(number: int, size: int) -> event_pb2.Event:
        return event_pb2.Event(id=f"{number}", source="s", type="t", spec_version="1.0", binary_data=b"x" * size)

    request = publisher_pb2.PublishRequest(events=[made(1, 10), made(2, 2 << 20), made(3, 10)])
    publish = channel.unary_unary(PUBLISHER + "Publish", publisher_pb2.PublishRequest.SerializeToString,
                                  publisher_pb2.PublishResponse.FromString)
    results = publish(request, timeout=60, metadata=(("authorization", f"Bearer {TOKEN}"),)).results
    assert [bool(result.confirmed) for result in results] == [True, False, True]
    assert results[1].code == grpc.StatusCode.RESOURCE_EXHAUSTED.value[0]
    assert "1048576" in results[1].message


def test_metadata_above_8_kib_is_refused(host: HttpHost, channel: grpc.Channel) -> None:
    code, said = code_of(channel, ADMIN + "GetStatus", b"", ("x-much", "y" * (64 << 10)))
    assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "metadata size exceeds limit" in said
    others_go_on(host)


def test_a_connection_that_says_nothing_is_let_go(host: HttpHost) -> None:
    address, _, port = str(host.status()["grpc_address"]).rpartition(":")
    with socket.create_connection((address, int(port)), 60) as silent:
        while silent.recv(4096):
            pass
    others_go_on(host)


def raw(host: HttpHost, request: bytes) -> bytes:
    """The first line of what comes back."""
    with socket.create_connection(("127.0.0.1", host.port()), 30) as to:
        to.sendall(request)
        answer = b""
        while b"\r\n" not in answer:
            more = to.recv(4096)
            if not more:
                break
            answer += more
        return answer.partition(b"\r\n")[0]


@pytest.mark.parametrize(("request_bytes", "status"), [
    (b"GET /metrics HTTP/1.1\r\nHost: h\r\nX-Much: " + b"y" * (64 << 10) + b"\r\n\r\n", b"431"),
    (b"GET /metrics HTTP/1.1\r\nHost: h\r\n" + b"".join(b"X-%d: y\r\n" % n for n in range(8000)) + b"\r\n", b"431"),
    (b"GET /" + b"y" * (64 << 10) + b" HTTP/1.1\r\nHost: h\r\n\r\n", b"414"),
], ids=["one header", "many headers", "the path"])
def test_http_headers_above_32_kib_are_refused(host: HttpHost, request_bytes: bytes, status: bytes) -> None:
    assert raw(host, request_bytes).split(b" ")[1:2] == [status]
    assert host.get("/healthz") == (200, "ok\n")


def test_http_bodies_above_their_limit_are_refused(host: HttpHost) -> None:
    headers = bearer_of(TOKEN)
    status, answer = post(host.connect(), event(1, data={"x": "y" * (3 << 20)}), JSON | headers)
    assert status == 413
    assert "1048576" in answer["detail"]
    batch = json.dumps([event(n, data={"x": "y" * 900_000}) for n in range(20)])
    status, _, text = ask(host.connect(), "POST", "/events", batch,
                          {"Content-Type": "application/cloudevents-batch+json"} | headers)
    assert status == 413
    assert str(16 << 20) in text
    assert post(host.connect(), event(2), JSON | headers)[0] == 202


def test_a_token_file_has_a_limit(tmp_path: Path) -> None:
    (tmp_path / "tokens").write_text("#" * ((1 << 20) + 1))
    host = HttpHost(tmp_path, grpc="127.0.0.1:0", token_file=str(tmp_path / "tokens"))
    with pytest.raises(AssertionError, match="the host ended with 1"):
        host.start()
    assert "has more than 1048576 bytes: is it a file of tokens?" in host.log_text()


def test_a_description_above_16_mib_is_said_and_others_go_on(tmp_path: Path) -> None:
    program = tmp_path / "huge.py"
    program.write_text(HUGE)
    huge: dict[str, Any] = {"name": "huge", "run": [str(PYTHON), str(program)],
                            "env": {"PYTHONPATH": os.environ.get("PYTHONPATH", "")}}
    host = HttpHost(tmp_path)
    config = json.loads(host.config.read_text())
    config["plugins"].append(huge)
    config["routes"].append({"name": "more", "source": {"service": "elsewhere"}, "to": ["huge"]})
    host.config.write_text(json.dumps(config))
    with host:
        def said() -> bool:
            return any("a description may have 16777216 bytes" in warning for warning in host.status()["warnings"])

        wait_for("status says it", said)
        ids = host.publish(list(events(100)))
        wait_for("others go on", lambda: set(host.ledger.handled()) == set(ids))


HUGE = """
import os
from concurrent.futures import ThreadPoolExecutor
import grpc
from outboard.plugin.v1 import plugin_pb2

def describe(request, context):
    return plugin_pb2.DescribeResponse(name="huge", version="1" * (17 << 20))

server = grpc.server(ThreadPoolExecutor(1), options=[("grpc.max_send_message_length", -1)])
server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("outboard.plugin.v1.PluginService", {
    "Describe": grpc.unary_unary_rpc_method_handler(describe, plugin_pb2.DescribeRequest.FromString,
                                                    plugin_pb2.DescribeResponse.SerializeToString)})])
server.add_insecure_port(os.environ["OUTBOARD_LISTEN"])
server.start()
server.wait_for_termination()
"""
