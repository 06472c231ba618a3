import json

from main import app
from outboard import NewEvent
from outboard.testing import Host


def test_passes_halts_changes_and_rejects() -> None:
    with Host.local(app) as host, host.open("__NAME__", {"hide": ["author_email"]}) as session:
        passed, halted, changed, rejected = session.handle(
            NewEvent("story.post", {"title": "Hello"}),
            NewEvent("story.post", {"title": "Soon", "draft": True}),
            NewEvent("story.post", {"title": "Hello", "author_email": "ada@example.org"}),
            NewEvent("story.post", {}),
        )
    assert (passed.outcome, passed.bare) == ("CONTINUE", True)
    assert halted.outcome == "HALT"
    assert json.loads(changed.verdict.event.binary_data) == {"title": "Hello"}
    assert (rejected.outcome, rejected.reason) == ("REJECT", "NO_TITLE")


def test_a_wrong_config_is_named() -> None:
    with Host.local(app) as host:
        [error] = host.describe({"hide": "author_email"}).config_errors
    assert error.path == "/hide"
