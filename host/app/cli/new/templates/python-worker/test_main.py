from main import app
from outboard import NewEvent
from outboard.testing import Host


def test_greets_and_rejects() -> None:
    with Host.local(app) as host, host.open("__NAME__", {"greeting": "Good morning"}) as session:
        done, rejected = session.handle(
            NewEvent("story.post", {"title": "Hello"}, subject="story/12"),
            NewEvent("story.post", {}),
        )
    [sent] = done.emits
    assert (sent.type, sent.subject, sent.json()) == ("greeting.sent", "story/12", {"text": "Good morning: Hello"})
    assert (rejected.outcome, rejected.reason) == ("REJECT", "NO_TITLE")


def test_a_wrong_config_is_named() -> None:
    with Host.local(app) as host:
        [error] = host.describe({"greeting": 7}).config_errors
    assert error.path == "/greeting"
