"""The worker without an SDK, with the Python SDK's test host in the host's place."""

from __future__ import annotations

import shutil
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from outboard import NewEvent
from outboard.testing import Host

HERE = Path(__file__).resolve().parent

pytestmark = pytest.mark.skipif(
    shutil.which("node") is None or not (HERE / "node_modules").is_dir(),
    reason="needs node and `npm ci` in plugins/examples/node",
)


def launch() -> Host:
    return Host.launch(["node", str(HERE / "index.js")])


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    return tmp_path / "ledger.txt"


@pytest.fixture
def host() -> Iterator[Host]:
    with launch() as host:
        yield host


def events(count: int, start: int = 0) -> list[NewEvent]:
    return [NewEvent("story.post", {"n": i}, id=f"e{i}") for i in range(start, start + count)]


def written(ledger: Path) -> Counter[str]:
    return Counter(line.split()[0] for line in ledger.read_text().splitlines())


def test_it_describes_itself_and_refuses_an_unknown_component(host: Host) -> None:
    described = host.describe()
    assert [c.name for c in described.components] == ["ledger"]
    with host.open() as session:
        assert session.instance_id == described.instance_id
    status = host.open("other", wait=False).ended()
    assert status.code == "NOT_FOUND"
    assert "only worker is 'ledger'" in status.details


def test_an_empty_frame_is_a_sign_of_life(host: Host, ledger: Path) -> None:
    with host.open(config={"file": str(ledger)}) as session:
        session.alive()
        session.deliver(*events(1))
        session.wait_answered(1)
    assert written(ledger) == Counter(["e0"])


def test_100_000_events_are_written_once_and_answered_by_id(host: Host, ledger: Path) -> None:
    with host.open(config={"file": str(ledger)}) as session:
        for start in range(0, 100_000, 250):
            session.deliver(*events(250, start))
        session.wait_answered(100_000, timeout=120)
        assert all(session.answer(i).bare for i in session.answered())
    assert written(ledger) == Counter(f"e{i}" for i in range(100_000))


def test_a_retry_says_why_and_the_next_attempt_succeeds(host: Host, ledger: Path) -> None:
    with host.open(config={"file": str(ledger), "fail_attempts": 2}) as session:
        first = session.handle(*events(2))
        third = session.handle(*events(2), attempt=3)
    assert [(a.outcome, a.reason) for a in first] == [("RETRY", "ASKED_TO_FAIL")] * 2
    assert [(a.outcome, a.bare) for a in third] == [("DONE", True)] * 2
    assert ledger.read_text() == "e0 1\ne1 1\ne0 3\ne1 3\n"


def test_a_file_that_cannot_be_written_is_a_retry(host: Host, tmp_path: Path) -> None:
    with host.open(config={"file": str(tmp_path / "no" / "ledger.txt")}) as session:
        [answer] = session.handle(*events(1))
    assert (answer.outcome, answer.reason) == ("RETRY", "FILE_ERROR")
    assert "ENOENT" in answer.message


def test_killed_in_the_middle_what_was_answered_is_written(ledger: Path) -> None:
    with launch() as host:
        session = host.open(config={"file": str(ledger)})
        ids = [i for start in range(0, 20_000, 250) for i in session.deliver(*events(250, start))]
        session.wait_answered(500)
        assert host.process is not None
        host.process.kill()
        session.ended()
        answered = {f"e{ids.index(i)}" for i in session.answered()}
    assert answered <= set(written(ledger))
    rest = [event for event in events(20_000) if event.id not in answered]
    with launch() as host, host.open(config={"file": str(ledger)}) as session:
        for start in range(0, len(rest), 250):
            session.deliver(*rest[start : start + 250], attempt=1)
        session.wait_answered(len(rest))
    assert set(written(ledger)) == {f"e{i}" for i in range(20_000)}


def test_a_drain_gets_every_answer_and_ok(host: Host, ledger: Path) -> None:
    session = host.open(config={"file": str(ledger)})
    ids = [i for start in range(0, 5_000, 250) for i in session.deliver(*events(250, start))]
    session.drain()
    assert session.ended().code == "OK"
    assert session.answered() == ids
    assert session.faults == []


@pytest.mark.parametrize("how", ["SIGTERM", "stdin"])
def test_it_ends_when_asked_after_the_drain(host: Host, how: str) -> None:
    assert host.process is not None
    session = host.open()
    ids = session.deliver(*events(100))
    if how == "SIGTERM":
        host.process.process.send_signal(signal.SIGTERM)
    else:
        host.process.close_stdin()
    session.drain()
    assert session.ended().code == "OK"
    assert session.answered() == ids
    assert host.process.wait() == 0


def test_it_ends_when_the_host_is_gone(host: Host) -> None:
    assert host.process is not None
    session = host.open()
    session.handle(*events(10))
    session.break_off()
    host.process.close_stdin()
    assert host.process.wait() == 0
