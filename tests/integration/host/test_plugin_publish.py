"""Plugins that publish on their own: with a token of their own, and the types that the config gives them."""

from __future__ import annotations

import json
import os
import secrets
import stat
from pathlib import Path
from typing import Any

import grpc
import pytest
from http_host import HttpHost
from outboard.event.v1 import event_pb2
from outboard.host.v1 import admin_pb2, publisher_pb2
from running_host import PYTHON, RunningHost, event, wait_for

TELLER = Path(__file__).with_name("teller.py")


def teller(folder: Path, **more: Any) -> dict[str, Any]:
    return {"name": "teller", "run": [str(PYTHON), str(TELLER), str(folder / "records")], **more,
            "env": {"PYTHONPATH": os.environ.get("PYTHONPATH", "")}}


def host_of(folder: Path, plugin: dict[str, Any], **host: Any) -> RunningHost:
    route = {"name": "asked", "source": {"events": ["ask"]}, "to": ["teller"], "retry": {"max_attempts": 1}}
    return RunningHost(folder, plugins=[plugin], routes=[route], host=host)


def ask(host: RunningHost, number: int, **data: Any) -> dict[str, Any]:
    """Publishes an event with this data; gives what the plugin wrote of it."""
    host.publish([event(number, kind="ask", data=data)])

    def written() -> dict[str, Any] | None:
        records = host.folder / "records"
        lines = [json.loads(line) for line in records.read_text().splitlines()] if records.exists() else []
        return next((dict(line) for line in lines if line["id"] == f"e{number}"), None)

    return dict(wait_for("the plugin wrote of it", written))


def test_a_launched_plugin_publishes_the_types_that_are_its_own(tmp_path: Path) -> None:
    with host_of(tmp_path, teller(tmp_path, publish=["story.#"])) as host:
        told = ask(host, 1, publish=["story.post", "user.post"])["told"]
    assert told[0] == "confirmed"
    assert "plugin teller may not publish user.post, only story.#" in told[1]
    assert "add the type to publish: of plugin teller" in told[1]


def test_a_plugin_that_may_not_publish_has_no_token_and_is_told_so(tmp_path: Path) -> None:
    with host_of(tmp_path, teller(tmp_path)) as host:
        line = ask(host, 1, publish=["story.post"])
        assert not (tmp_path / "data" / "publish").exists()
    assert not line["has_token"]
    assert "publish: in its configuration" in line["told"][0]


def test_a_plugins_token_shows_nowhere(tmp_path: Path) -> None:
    with host_of(tmp_path, teller(tmp_path, publish=["story.#"])) as host:
        ask(host, 1, show_token=True)
        wait_for("the line is logged", lambda: "my token is ***" in host.log_text())
        [pid] = host.pids("teller")
        environment = Path(f"/proc/{pid}/environ").read_bytes().decode().split("\0")
        token = next(word for word in environment if word.startswith("OUTBOARD_TOKEN=")).partition("=")[2]
        assert len(token) == 64
        assert token not in host.log_text() + json.dumps(host.status())


def test_a_plugins_token_is_good_for_publishing_alone(tmp_path: Path) -> None:
    with host_of(tmp_path, teller(tmp_path, publish=["story.#"])) as host:
        [pid] = wait_for("it runs", lambda: host.pids("teller"))
        environment = dict(word.partition("=")[::2]
                           for word in Path(f"/proc/{pid}/environ").read_bytes().decode().split("\0"))
        socket = Path(environment["OUTBOARD_PUBLISH"].removeprefix("unix:"))
        assert stat.S_ISSOCK(socket.stat().st_mode)
        with grpc.insecure_channel(environment["OUTBOARD_PUBLISH"]) as channel:
            mine = (("authorization", f"Bearer {environment['OUTBOARD_TOKEN']}"),)
            for method in ("GetStatus", "PurgeDead", "Tail"):
                with pytest.raises(grpc.RpcError) as refused:
                    list(channel.unary_stream(f"/outboard.host.v1.AdminService/{method}")(b"", metadata=mine))
                assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED
                assert f"plugin teller may publish, and {method} needs" in refused.value.details()
            status = channel.unary_unary("/outboard.host.v1.AdminService/GetStatus",
                                         admin_pb2.GetStatusRequest.SerializeToString)
            with pytest.raises(grpc.RpcError) as stranger:
                status(admin_pb2.GetStatusRequest())
            assert stranger.value.code() is grpc.StatusCode.UNAUTHENTICATED
        assert host.stop() == 0
    assert not socket.exists()


def test_the_token_is_another_one_at_each_start(tmp_path: Path) -> None:
    seen = set()
    for _ in range(2):
        with host_of(tmp_path, teller(tmp_path, publish=["story.#"])) as host:
            [pid] = wait_for("it runs", lambda host=host: host.pids("teller"))
            seen.add(next(word for word in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
                          if word.startswith(b"OUTBOARD_TOKEN=")))
            assert host.stop() == 0
    assert len(seen) == 2


def test_a_long_data_folder_is_no_obstacle(tmp_path: Path) -> None:
    data = tmp_path / ("x" * 90)
    with host_of(tmp_path, teller(tmp_path, publish=["story.#"]), data=str(data)) as host:
        assert ask(host, 1, publish=["story.post"])["told"] == ["confirmed"]
        assert host.stop() == 0
    assert not (data / "publish").exists()


def test_a_plugin_in_a_sandbox_reaches_the_host_and_no_more_of_its_data(tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir()
    (tmp_path / "records").symlink_to(state / "records")
    boxed = {"user": str(os.getuid()), "write": [str(state)]}
    with host_of(tmp_path, teller(state, publish=["story.#"], sandbox=boxed)) as host:
        told = ask(host, 1, publish=["story.post"])["told"]
        [pid] = host.pids("teller")
        if any("view" in why for i in host.plugin("teller")["instances"] for why in i.get("unapplied", [])):
            pytest.skip("no view of its own on this machine")
        seen = sorted(path.name for path in Path(f"/proc/{pid}/root{tmp_path}/data").iterdir())
    assert told == ["confirmed"]
    assert not set(seen) - {"run"}


def test_emits_keep_to_the_types_of_the_config(tmp_path: Path) -> None:
    with host_of(tmp_path, teller(tmp_path, emits=["story.#"])) as host:
        ask(host, 1, emit=["story.post"])
        ask(host, 2, emit=["story.post", "user.post"])
        [letter] = wait_for("a dead letter", host.dead)
        assert (letter["event_id"], letter["reason"]) == ("e2", "EMIT_REFUSED")
        assert "plugin teller may not emit type user.post: add it to its emits:" in letter["message"]
        host.wait_idle("asked/teller")
        assert len(host.dead()) == 1


def test_a_remote_plugin_publishes_over_tcp_with_the_token_of_its_file(tmp_path: Path) -> None:
    tokens, token = tmp_path / "tokens", secrets.token_hex(32)
    tokens.write_text(f"ops operate {secrets.token_hex(32)}\n")
    (tmp_path / "far-token").write_text(token + "\n")
    plugin = {"name": "far", "address": "127.0.0.1:1", "publish": ["story.#"], "token_file": "far-token"}
    host = HttpHost(tmp_path, grpc="127.0.0.1:0", token_file=str(tokens))
    config = json.loads(host.config.read_text())
    config["plugins"].append(plugin)
    host.config.write_text(json.dumps(config))
    with host:
        with grpc.insecure_channel(str(host.status()["grpc_address"])) as channel:
            method = channel.unary_unary("/outboard.host.v1.PublisherService/Publish",
                                         publisher_pb2.PublishRequest.SerializeToString,
                                         publisher_pb2.PublishResponse.FromString)
            events = [event_pb2.Event(id=f"f{n}", source="far", type=kind, spec_version="1.0")
                      for n, kind in enumerate(("story.post", "user.post"))]
            answer = method(publisher_pb2.PublishRequest(events=events), timeout=20,
                            metadata=(("authorization", f"Bearer {token}"),))
        assert [result.code for result in answer.results] == [0, 7]
        assert "plugin far may not publish user.post" in answer.results[1].message
        assert token not in host.log_text()
