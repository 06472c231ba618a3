"""The notifier stage in a real host: subscribers are told over HTTP and by mail, and calls pass as they are."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import outboard
import pytest
from running_host import BIN, PYTHON, ROOT, RunningHost, wait_for

STAGE = ROOT / "plugins" / "notifier-stage"
sys.path.append(str(STAGE / "tests"))

from servers import Inbox, Mailbox, Post  # noqa: E402  (after the path is set)

MESSAGES: list[dict[str, Any]] = [{"ttl": 300, "body": {"event": "BackupStarted"}}, {"body": {"event": "Backup ü"}}]
NOTIFICATIONS = [{**m, "queue_name": "fake_queue", "Message_Type": "Notification"} for m in MESSAGES]
FOR_ONE = "too many are pending for one subscriber"
AT_ONCE = {"minimum_delay": 0, "maximum_delay": 0}


class QueueHost(RunningHost):
    """A host with three pipelines as Zaqar's, and the notifier in two of them."""

    def __init__(self, folder: Path, **config: Any) -> None:
        self.records = folder / "records"
        stage = {"name": "notifier-stage", "run": [str(PYTHON), str(STAGE / "main.py")], "config": config}
        store = {"name": "queues", "run": [str(PYTHON), str(Path(__file__).parent / "queues.py"), str(self.records)]}
        super().__init__(folder, plugins=[stage, store], routes=[], pipelines=[
            {"name": "message", "stages": ["notifier-stage", "queues.messages"]},
            {"name": "queue", "stages": ["queues.queues"]},
            {"name": "subscription", "stages": ["notifier-stage", "queues.subscriptions"]},
        ])
        if "subscriptions" not in config:
            config["host"] = f"unix:{self.socket}"
        whole = json.loads(self.config.read_text())
        whole["plugins"][0]["config"] = {"retry_policy": AT_ONCE, "timeout": 60, **config}
        self.config.write_text(json.dumps(whole))
        self._open = ExitStack()

    def __enter__(self) -> QueueHost:
        super().__enter__()
        self.calls = self._open.enter_context(outboard.Pipelines(f"unix:{self.socket}"))
        return self

    def __exit__(self, *error: object) -> None:
        self._open.close()
        super().__exit__(*error)

    def subscribe(self, *subscribers: str, **options: Any) -> None:
        for subscriber in subscribers:
            assert self.calls.invoke("subscription", "create", "fake_queue", subscriber, 3600, options).given

    def post(self, messages: list[dict[str, Any]] = MESSAGES) -> outboard.Answer:
        return self.calls.invoke("message", "post", "fake_queue", messages=messages, client_uuid="c1", project="p1")

    def stats(self) -> dict[str, Any]:
        stats: dict[str, Any] = self.calls.invoke("message", "notifier_stats").value
        return stats

    def wait_idle(self, lane: str = "", timeout: float = 60) -> None:
        def idle() -> bool:
            stats = self.stats()
            return stats["lookups"] == stats["pending"] == 0

        wait_for("nothing is pending", idle, timeout)

    def stored(self) -> list[Any]:
        lines = [json.loads(line) for line in self.records.read_text().splitlines()]
        return [line["kwargs"]["messages"] for line in lines]


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    with Inbox() as inbox:
        yield inbox


def sorted_bodies(inbox: Inbox, path: str) -> list[Any]:
    return sorted(inbox.of(path), key=lambda body: "ttl" not in body)


def test_three_subscribers_are_told_of_two_messages_and_the_store_gets_them_as_they_were(
    tmp_path: Path, inbox: Inbox
) -> None:
    with QueueHost(tmp_path) as host:
        host.subscribe(*(f"{inbox.url}/{n}" for n in range(3)))
        answer = host.post()
        assert (answer.value, answer.stage) == (["0", "1"], "queues.messages")
        inbox.wait(6)
        host.wait_idle()
        assert len(inbox.posts) == 6
        for n in range(3):
            assert sorted_bodies(inbox, f"/{n}") == NOTIFICATIONS
        assert {post.headers["content-type"] for post in inbox.posts} == {"application/json"}
        assert host.stored() == [MESSAGES]
        assert host.stats() == {"sent": 6, "retried": 0, "skipped": 0, "dropped": {}, "lookups": 0, "pending": 0}


def test_a_subscriber_that_fails_twice_is_told_in_the_end(tmp_path: Path, inbox: Inbox) -> None:
    inbox.answer = lambda post, number: (503 if number <= 2 else 200, {})
    with QueueHost(tmp_path) as host:
        host.subscribe(f"{inbox.url}/t")
        host.post(MESSAGES[:1])
        inbox.wait(3)
        host.wait_idle()
        assert inbox.of("/t") == NOTIFICATIONS[:1] * 3
        assert (host.stats()["sent"], host.stats()["retried"]) == (1, 2)


def test_the_policy_of_the_queue_counts(tmp_path: Path, inbox: Inbox) -> None:
    inbox.answer = lambda post, number: (500, {})
    never = {"retries_with_no_delay": 0, "minimum_delay_retries": 0, "minimum_delay": 0, "maximum_delay": 0,
             "maximum_delay_retries": 0}
    with QueueHost(tmp_path) as host:
        host.calls.invoke("queue", "create", "fake_queue", metadata={"_retry_policy": never})
        host.subscribe(f"{inbox.url}/t")
        host.post(MESSAGES[:1])
        inbox.wait(1)
        host.wait_idle()
        assert host.stats()["dropped"] == {"all retries failed": 1}
        wait_for("the log says so", lambda: "all retries failed" in host.log_text())


def test_a_subscriber_that_hangs_delays_neither_the_answer_nor_others(tmp_path: Path, inbox: Inbox) -> None:
    go = threading.Event()

    def answer(post: Post, number: int) -> tuple[int, dict[str, str]]:
        assert go.wait(60)
        return 200, {}

    with Inbox() as slow, QueueHost(tmp_path) as host:
        slow.answer = answer
        host.subscribe(f"{slow.url}/t", f"{inbox.url}/t")
        for _ in range(8):
            assert host.post().value == ["0", "1"]
        inbox.wait(16)
        wait_for("only the slow one's are left", lambda: host.stats()["pending"] == 16)
        go.set()
        slow.wait(16)
        host.wait_idle()
        assert host.stats()["sent"] == 32


def test_a_subscriber_has_a_share_of_the_room_and_the_rest_is_dropped_and_counted(
    tmp_path: Path, inbox: Inbox
) -> None:
    go = threading.Event()
    with Inbox() as slow, QueueHost(tmp_path, max_pending=12) as host:
        slow.answer = lambda post, number: (200 if go.wait(60) else 500, {})
        host.subscribe(f"{slow.url}/t", f"{inbox.url}/t")
        for n in range(5):
            host.post(MESSAGES[:1])
            wait_for("the other one is told", lambda n=n: host.stats()["sent"] == n + 1)
        wait_for("what is beyond its 3 is dropped", lambda: host.stats()["dropped"] == {FOR_ONE: 2})
        go.set()
        slow.wait(3)
        host.wait_idle()
        assert host.stats()["sent"] == 8
        wait_for("the log says so", lambda: f"dropped, {FOR_ONE}" in host.log_text())


def test_more_subscribers_than_there_is_room_for_are_all_told(tmp_path: Path, inbox: Inbox) -> None:
    with QueueHost(tmp_path, max_pending=2) as host:
        host.subscribe(*(f"{inbox.url}/{n}" for n in range(9)))
        host.post(MESSAGES[:1])
        inbox.wait(9)
        host.wait_idle()
        assert host.stats()["sent"] == 9


def test_mails_are_sent(tmp_path: Path) -> None:
    with Mailbox() as mailbox, QueueHost(tmp_path, smtp={"host": "127.0.0.1", "port": mailbox.port}) as host:
        host.subscribe("mailto:aaa@example.com", subject="Hello", **{"from": "zaqar@example.com"})
        host.subscribe("mailto:bbb@example.com?subject=Other", subject="Hello", **{"from": "zaqar@example.com"})
        host.post()
        mailbox.wait(4)
        host.wait_idle()
        for who, subject in (("aaa", "Hello"), ("bbb", "Other")):
            mails = [mail for mail in mailbox.mails if mail.to == [f"{who}@example.com"]]
            told = [json.loads(mail.message.get_content()) for mail in mails]
            assert sorted(told, key=lambda body: "ttl" not in body) == NOTIFICATIONS
            assert {(m.sender, m.message["from"], m.message["subject"]) for m in mails} == {
                ("zaqar@example.com", "zaqar@example.com", subject)}


def test_a_subscription_is_confirmed_told_and_ended(tmp_path: Path, inbox: Inbox) -> None:
    confirmation = {"endpoint": "http://zaqar.example.com", "websocket_endpoint": "ws://zaqar.example.com"}
    with QueueHost(tmp_path, require_confirmation=True, signing_key="key", confirmation=confirmation) as host:
        host.subscribe(f"{inbox.url}/t")
        [asked] = inbox.wait(1)
        assert asked.body["Message_Type"] == "SubscriptionConfirmation"
        assert asked.body["URL-Paths"] == "/v2/queues/fake_queue/subscriptions/s0/confirm"
        assert set(asked.body) == {
            "Message_Type", "Message", "URL-Signature", "URL-Methods", "URL-Paths", "X-Project-ID", "URL-Expires",
            "SubscribeBody", "UnsubscribeBody", "WSGISubscribeURL", "WebSocketSubscribeURL", "queue_name"}
        host.post()
        host.wait_idle()
        assert len(inbox.posts) == 1, "it has not confirmed"
        assert host.stats()["skipped"] == 1

        host.calls.invoke("subscription", "confirm", "fake_queue", "s0", **asked.body["SubscribeBody"])
        host.post(MESSAGES[:1])
        assert inbox.wait(2)[1].body == NOTIFICATIONS[0]

        host.calls.invoke("subscription", "confirm", "fake_queue", "s0", **asked.body["UnsubscribeBody"])
        assert inbox.wait(3)[2].body["Message_Type"] == "UnsubscribeConfirmation"
        host.post()
        host.wait_idle()
        assert len(inbox.posts) == 3


def test_a_list_in_the_config_needs_no_pipelines(tmp_path: Path, inbox: Inbox) -> None:
    listed = [{"queue": "fake_queue", "subscriber": f"{inbox.url}/t"}, {"queue": "q2", "subscriber": f"{inbox.url}/x"}]
    with QueueHost(tmp_path, subscriptions=listed) as host:
        host.post()
        inbox.wait(2)
        host.wait_idle()
        assert sorted_bodies(inbox, "/t") == NOTIFICATIONS
        assert len(inbox.posts) == 2


def test_a_call_that_it_does_not_understand_passes(tmp_path: Path) -> None:
    with QueueHost(tmp_path) as host:
        assert host.calls.invoke("message", "post", 5, messages=["text"], client_uuid="c1").value == ["0"]
        assert host.stored() == [["text"]]
        wait_for("the log says so", lambda: "was not understood; it passes" in host.log_text())


def test_what_is_ready_is_sent_before_the_plugin_ends(tmp_path: Path, inbox: Inbox) -> None:
    go = threading.Event()
    inbox.answer = lambda post, number: (200 if go.wait(60) else 500, {})
    with QueueHost(tmp_path) as host:
        host.subscribe(f"{inbox.url}/t")
        host.post()
        inbox.wait(2)
        assert host.process is not None
        host.process.terminate()
        wait_for("the host drains", lambda: "drain" in host.log_text())
        go.set()
        assert host.process.wait(60) == 0
        wait_for("the log says so", lambda: '\\"sent\\": 2' in host.log_text() or '"sent": 2' in host.log_text())


def test_check_says_what_is_wrong_with_the_config(tmp_path: Path) -> None:
    host = QueueHost(tmp_path, subscriptions=[{"queue": "q", "subscriber": "trust+https://x"}])
    done = subprocess.run([BIN / "outboard", "check", "--config", host.config], capture_output=True, text=True,
                          timeout=120, check=False)
    assert done.returncode == 2
    assert "subscriptions/0/subscriber" in done.stderr
    assert "trusts of Keystone are not supported" in done.stderr
