"""The layer lint refuses what the design forbids, and only that."""

from pathlib import Path

import layers
import pytest


@pytest.mark.parametrize(
    ("path", "header"),
    [
        ("host/event/wire.cc", "host/base/status.h"),
        ("host/event/wire.cc", "host/event/wire.h"),
        ("host/lane/lane.h", "host/bus/bus.h"),
        ("host/bus/embedded/log.cc", "sqlite3.h"),
        ("host/bus/embedded/log.cc", "host/bus/bus.h"),
        ("host/plugin/grpc/session.cc", "outboard/plugin/v1/worker.grpc.pb.h"),
        ("host/config/reader.cc", "yaml-cpp/yaml.h"),
        ("host/app/main.cc", "host/bus/embedded/bus.h"),
        ("host/app/main.cc", "CLI/CLI.hpp"),
        ("host/metrics/registry.cc", "prometheus/registry.h"),
        ("host/lane/lane.cc", "absl/strings/str_cat.h"),
        ("host/lane/lane.cc", "vector"),
        ("plugins/audit/main.cc", "outboard/outboard.h"),
        ("plugins/audit/main.cc", "fstream"),
        ("tests/unit/lane/lane_test.cc", "sqlite3.h"),
    ],
)
def test_accepts_allowed_edges(path: str, header: str) -> None:
    assert layers.check_include(path, 1, header) is None


@pytest.mark.parametrize(
    ("path", "header", "why"),
    [
        ("host/base/text.cc", "host/event/event.h", "host/base -> host/event"),
        ("host/event/wire.cc", "host/lane/lane.h", "host/event -> host/lane"),
        ("host/lane/lane.cc", "host/bus/embedded/bus.h", "host/lane -> host/bus/embedded"),
        ("host/bus/bus.h", "host/bus/memory/bus.h", "host/bus -> host/bus/memory"),
        ("host/bus/memory/bus.cc", "host/bus/embedded/bus.h", "host/bus/memory -> host/bus/embedded"),
        ("host/shard/shard.cc", "host/app/serve.h", "host/shard -> host/app"),
        ("host/supervise/supervisor.cc", "host/event/event.h", "host/supervise -> host/event"),
        ("host/lane/lane.cc", "grpcpp/grpcpp.h", "(grpc)"),
        ("host/lane/lane.cc", "outboard/plugin/v1/worker.grpc.pb.h", "(grpc)"),
        ("host/lane/lane.cc", "outboard/plugin/v1/worker.pb.h", "(proto)"),
        ("host/route/filter.cc", "yaml-cpp/yaml.h", "(yaml)"),
        ("host/plugin/session.h", "grpcpp/channel.h", "(grpc)"),
        ("host/shard/shard.cc", "sqlite3.h", "(sqlite)"),
        ("host/metrics/registry.h", "prometheus/registry.h", "(prometheus)"),
        ("host/lane/lane.cc", "sys/socket.h", "(system)"),
        ("host/lane/lane.cc", "thread", "(system)"),
        ("host/lane/lane.cc", "host/base/mailbox.h", "is pure"),
        ("plugins/audit/main.cc", "host/base/text.h", "plugins -> host/base"),
        ("sdk/cpp/src/serve.cc", "host/base/text.h", "sdk/cpp -> host/base"),
    ],
)
def test_refuses_other_edges(path: str, header: str, why: str) -> None:
    finding = layers.check_include(path, 7, header)
    assert finding is not None
    assert why in finding.what
    assert str(finding).startswith(f"{path}:7: ")
    assert finding.fix


def test_every_module_of_the_table_names_known_modules_and_libraries() -> None:
    libraries = {name for _, name in layers.LIBRARIES} | {"*"}
    for module, (ours, used) in layers.LAYERS.items():
        for name in ours.split():
            assert name in ("*", "sdk") or f"host/{name}" in layers.LAYERS, f"{module}: {name}"
        assert set(used.split()) <= libraries, module


def test_no_two_modules_include_each_other() -> None:
    for module, (ours, _) in layers.LAYERS.items():
        for name in ours.split():
            back = layers.LAYERS.get(f"host/{name}", ("", ""))[0].split()
            assert module.removeprefix("host/") not in back, f"{module} <-> host/{name}"


def test_a_module_that_the_table_does_not_know_is_refused(tmp_path: Path) -> None:
    (tmp_path / "host" / "novel").mkdir(parents=True)
    (tmp_path / "host" / "novel" / "a.cc").write_text("int a;\n")
    assert [f.what for f in layers.check(tmp_path)] == ["its module is not in the table of layers"]
