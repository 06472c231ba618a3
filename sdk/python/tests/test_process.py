"""The life of a plugin's process."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from outboard import NewEvent
from outboard.testing import Host

PROGRAM = """
import time, outboard
app = outboard.Plugin("program", "1.0")

@app.worker
def work(event: outboard.Event) -> None:
    time.sleep(float(event.json()))

@app.worker
async def other(event: outboard.Event) -> None:
    pass

if __name__ == "__main__":
    outboard.serve(app)
"""


@pytest.fixture
def program(tmp_path: Path) -> list[str]:
    """The command of a plugin."""
    path = tmp_path / "program.py"
    path.write_text(PROGRAM)
    return [sys.executable, str(path)]


def test_the_end_of_stdin_ends_an_idle_plugin(program: list[str]) -> None:
    with Host.launch(program) as host:
        assert host.process is not None
        assert host.describe().name == "program"
        host.process.close_stdin()
        assert host.process.wait() == 0


def test_the_end_of_stdin_ends_a_plugin_whose_host_died(program: list[str]) -> None:
    with Host.launch(program) as host:
        assert host.process is not None
        session = host.open("work")
        session.deliver(*[NewEvent("t", 0.01) for _ in range(5000)])
        session.answer(1)
        session.break_off()
        host.process.close_stdin()
        assert host.process.wait() == 0


def test_a_host_that_drains_and_closes_stdin_gets_every_answer(program: list[str]) -> None:
    with Host.launch(program) as host:
        assert host.process is not None
        session = host.open("work")
        ids = session.deliver(*[NewEvent("t", 0.01) for _ in range(50)])
        session.drain()
        host.process.close_stdin()
        assert session.ended().code == "OK"
        assert sorted(session.answered()) == ids
        assert host.process.wait() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_the_host_drain(program: list[str], number: signal.Signals) -> None:
    with Host.launch(program) as host:
        assert host.process is not None
        session = host.open("work")
        ids = session.deliver(*[NewEvent("t", 0.01) for _ in range(50)])
        session.answer(ids[0])
        host.process.process.send_signal(number)
        session.drain()
        assert session.ended().code == "OK"
        assert sorted(session.answered()) == ids
        assert host.process.wait() == 0


def test_a_second_signal_ends_it_at_once(program: list[str]) -> None:
    with Host.launch(program) as host:
        assert host.process is not None
        session = host.open("work")
        session.deliver(*[NewEvent("t", 0) for _ in range(2)], NewEvent("t", 60))
        session.wait_answered(2)
        host.process.process.send_signal(signal.SIGTERM)
        with pytest.raises(subprocess.TimeoutExpired):
            host.process.wait(0.5)
        host.process.process.send_signal(signal.SIGTERM)
        assert host.process.wait() == 1
        session.break_off()


def test_it_serves_at_a_port(program: list[str]) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        program, env={"OUTBOARD_LISTEN": f"127.0.0.1:{port}"}, stdin=subprocess.DEVNULL
    )
    try:
        with Host.at(f"127.0.0.1:{port}") as host, host.open("other") as session:
            answers = session.handle(*[NewEvent("t", 0) for _ in range(1000)])
        assert {a.outcome for a in answers} == {"DONE"}
    finally:
        process.terminate()
        assert process.wait(30) == 0


@pytest.mark.parametrize(
    ("listen", "message"),
    [
        ("", "OUTBOARD_LISTEN is not set. The host sets it; by hand: OUTBOARD_LISTEN=127.0.0.1:"),
        ("unix:relative", "needs an absolute path"),
        ("unix:/" + "x" * 200, "at most 107 bytes"),
        ("nonsense", "use unix:/absolute/path or host:port"),
        ("127.0.0.1:1x", "cannot listen at 127.0.0.1:1x"),
    ],
)
def test_a_wrong_address_is_said_with_status_2(
    program: list[str], listen: str, message: str
) -> None:
    done = subprocess.run(
        program, env={"OUTBOARD_LISTEN": listen}, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 2
    assert message in done.stderr


def test_a_plugin_without_components_is_told_so(tmp_path: Path) -> None:
    code = "import outboard; outboard.serve(outboard.Plugin('empty'))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert "empty: the plugin has no component" in done.stderr


def test_health_is_served(program: list[str]) -> None:
    import grpc
    from grpc_health.v1 import health_pb2

    with Host.launch(program) as host:
        assert host.process is not None
        listen = next(
            line.removeprefix("OUTBOARD_LISTEN=")
            for line in Path(f"/proc/{host.process.pid}/environ").read_text().split("\0")
            if line.startswith("OUTBOARD_LISTEN=")
        )
        with grpc.insecure_channel(listen) as channel:
            check = channel.unary_unary(
                "/grpc.health.v1.Health/Check",
                request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
                response_deserializer=health_pb2.HealthCheckResponse.FromString,
            )
            answer = check(health_pb2.HealthCheckRequest(), timeout=30)
    assert answer.status == health_pb2.HealthCheckResponse.SERVING
