from pathlib import Path

from main import app
from outboard import NewEvent
from outboard.testing import Host


def test_each_event_is_put_once(tmp_path: Path) -> None:
    hello = NewEvent("story.post", {"title": "Hello"}, id="s/1", source="me")
    with Host.local(app) as host, host.open("__NAME__", {"path": str(tmp_path)}) as session:
        first, again, wrong = session.handle(hello, hello, NewEvent("story.post", {}, id="x" * 300, source="me"))
    assert (first.outcome, first.verdict.offset.string_value) == ("ACCEPTED", "me+s%2F1")
    assert again.verdict.offset.string_value == "me+s%2F1"
    assert (wrong.outcome, wrong.reason) == ("REJECT", "ID_TOO_LONG")
    [file] = tmp_path.iterdir()
    assert file.read_text() == '{"title":"Hello"}'


def test_a_wrong_config_is_named() -> None:
    with Host.local(app) as host:
        [error] = host.describe({"path": 7}).config_errors
    assert error.path == "/path"
