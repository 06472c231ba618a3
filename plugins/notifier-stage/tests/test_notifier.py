"""What subscribers are told: the behaviours that Zaqar's own tests of its notifier check, and what it gets wrong."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import bodies
import pytest
from notifier import Notifier, _Notification
from sending import Failed
from servers import Inbox, Mailbox
from settings import Settings
from stores import Answers, FakePipelines
from subscribers import Caller, FromHost, NoSource

QUEUE = "fake_queue"
MESSAGES: list[dict[str, Any]] = [
    {"ttl": 300, "body": {"event": "BackupStarted", "backup_id": "c378813c-3f0b-11e2-ad92"}},
    {"body": {"event": "BackupProgress", "current_bytes": "0", "total_bytes": "99614720"}},
]
NOTIFICATIONS = [{**message, "queue_name": QUEUE, "Message_Type": "Notification"} for message in MESSAGES]
AT_ONCE = {"minimum_delay": 0, "maximum_delay": 0}
Make = Callable[..., Notifier]


def subscription(subscriber: str, **more: Any) -> dict[str, Any]:
    return {"id": "5760c9fb3990b42e8b7c20bd", "subscriber": subscriber, "source": QUEUE, "options": {}, **more}


@pytest.fixture
def make() -> Iterator[Make]:
    """Makes notifiers over answers of pipelines, and ends them."""
    made: list[Notifier] = []

    def one(answers: Answers | list[dict[str, Any]], **settings: Any) -> Notifier:
        if isinstance(answers, list):
            answers = {("subscription", "list"): [answers, None]}
        answers.setdefault(("queue", "get"), {})
        pipelines = FakePipelines(answers)
        source = FromHost(pipelines, "subscription", "queue")
        notifier = Notifier(Settings(**{"retry_policy": AT_ONCE, **settings}), source)
        notifier.pipelines = pipelines  # type: ignore[attr-defined]
        made.append(notifier)
        return notifier

    yield one
    for notifier in made:
        notifier.close(30)


def post(notifier: Notifier, messages: list[dict[str, Any]] = MESSAGES) -> None:
    """Posts, and waits until all is sent or dropped."""
    notifier.posted(Caller(QUEUE, "p1"), messages)
    notifier.close(60)


def bodies_at(inbox: Inbox, path: str) -> list[Any]:
    return sorted(inbox.of(path), key=lambda body: "ttl" not in body)


# ---- What Zaqar's tests check ----


def test_each_subscriber_is_told_of_each_message(make: Make, inbox: Inbox) -> None:
    post(make([subscription(f"{inbox.url}/{name}") for name in ("trigger_me", "call_me", "ping_me")]))
    assert len(inbox.posts) == 6
    for path in ("/trigger_me", "/call_me", "/ping_me"):
        assert bodies_at(inbox, path) == NOTIFICATIONS
    assert {p.headers["content-type"] for p in inbox.posts} == {"application/json"}


def test_the_message_goes_into_a_template(make: Make, inbox: Inbox) -> None:
    template = json.dumps({"foo": "bar", "egg": "$zaqar_message$"})
    post(make([subscription(f"{inbox.url}/t", options={"post_data": template})]))
    expected = [{"foo": "bar", "egg": notification} for notification in NOTIFICATIONS]
    assert sorted(inbox.of("/t"), key=lambda body: "ttl" not in body["egg"]) == expected


def test_all_pages_are_read(make: Make, inbox: Inbox) -> None:
    pages: dict[Any, Any] = {
        None: [[subscription(f"{inbox.url}/1")], "marker_id"],
        "marker_id": [[subscription(f"{inbox.url}/2")], {}],
    }
    post(make({("subscription", "list"): lambda queue, marker, **_: pages[marker]}))
    assert [bodies_at(inbox, path) for path in ("/1", "/2")] == [NOTIFICATIONS] * 2


def test_mails_have_subject_sender_and_the_message(make: Make, mailbox: Mailbox) -> None:
    options = {"subject": "Hello", "from": "zaqar@example.com"}
    subscribers = [subscription(f"mailto:{who}@example.com", options=options) for who in ("aaa", "bbb")]
    post(make(subscribers, smtp={"host": "127.0.0.1", "port": mailbox.port}))
    assert len(mailbox.mails) == 4
    for mail in mailbox.mails:
        assert (mail.message["subject"], mail.message["from"], mail.sender) == ("Hello", *["zaqar@example.com"] * 2)
        assert mail.message["to"] == mail.to[0]
        assert mail.message.get_content_type() == "text/plain"
    for who in ("aaa", "bbb"):
        told = [json.loads(m.message.get_content()) for m in mailbox.mails if m.to == [f"{who}@example.com"]]
        assert sorted(told, key=lambda body: "ttl" not in body) == NOTIFICATIONS


def test_without_subscribers_nobody_is_told(make: Make, inbox: Inbox) -> None:
    notifier = make([])
    post(notifier)
    assert inbox.posts == []
    assert notifier.stats()["dropped"] == {}


def test_a_message_without_ttl_has_none(make: Make, inbox: Inbox) -> None:
    post(make([subscription(f"{inbox.url}/t")]), MESSAGES[1:])
    assert inbox.of("/t") == NOTIFICATIONS[1:]


def with_store(found: dict[str, Any]) -> Answers:
    return {("subscription", "get_with_subscriber"): found, ("subscription", "get"): found}


CONFIRMS: dict[str, Any] = {
    "require_confirmation": True,
    "signing_key": "test_key",
    "endpoint": "http://zaqar.example.com:8888",
    "websocket_endpoint": "ws://zaqar.example.com:9000",
    "confirmation_page": "http://127.0.0.1/confirm",
    "host": "unused",
}
KEYS = {
    "Message_Type", "Message", "URL-Signature", "URL-Methods", "URL-Paths", "X-Project-ID", "URL-Expires",
    "SubscribeBody", "UnsubscribeBody", "WSGISubscribeURL", "WebSocketSubscribeURL", "queue_name",
}  # fmt: skip
PATH = "/v2/queues/test_queue/subscriptions/5760c9fb3990b42e8b7c20bd/confirm"


def test_a_new_subscription_gets_a_confirmation(make: Make, inbox: Inbox) -> None:
    found = subscription(f"{inbox.url}/t", confirmed=False, options={"post_data": "{}", "post_headers": {"X-A": "b"}})
    notifier = make(with_store(found), **CONFIRMS)
    notifier.subscribed(Caller("test_queue", "p1"), found["subscriber"])
    [told] = inbox.wait(1)
    body = told.body
    assert set(body) == KEYS
    assert body["Message_Type"] == "SubscriptionConfirmation"
    assert (body["URL-Methods"], body["URL-Paths"]) == ("PUT", PATH)
    assert (body["X-Project-ID"], body["queue_name"]) == ("p1", "test_queue")
    assert (body["SubscribeBody"], body["UnsubscribeBody"]) == ({"confirmed": True}, {"confirmed": False})
    assert body["WSGISubscribeURL"] == "http://zaqar.example.com:8888" + PATH
    assert body["WebSocketSubscribeURL"] == "ws://zaqar.example.com:9000" + PATH
    expires = datetime.strptime(body["URL-Expires"], "%Y-%m-%dT%H:%M:%S").replace(tzinfo=UTC)
    assert body["URL-Signature"] == bodies.signed("test_key", PATH, "PUT", "p1", expires)["URL-Signature"]
    assert told.headers["x-a"] == "b"


@pytest.mark.parametrize("lacks", [{"signing_key": ""}, {"require_confirmation": False}])
def test_without_a_key_or_the_wish_no_confirmation_is_sent(make: Make, inbox: Inbox, lacks: dict[str, Any]) -> None:
    found = subscription(f"{inbox.url}/t", confirmed=False)
    notifier = make(with_store(found), **{**CONFIRMS, **lacks})
    notifier.subscribed(Caller("test_queue", "p1"), found["subscriber"])
    notifier.unsubscribed(Caller("test_queue", "p1"), found["id"])
    notifier.close(60)
    assert inbox.posts == []
    assert notifier.pipelines.calls == []  # type: ignore[attr-defined]


@pytest.mark.parametrize("unsubscribed", [False, True])
def test_a_confirmation_by_mail_has_a_link(make: Make, mailbox: Mailbox, unsubscribed: bool) -> None:
    words = {"from": "no-reply@example.com", "subject": "About {0}", "body": "{0} {1} {2}"}
    found = subscription("mailto:aaa@example.com?subject=no", confirmed=False, options={"subject": "no", "from": "no"})
    smtp = {"host": "127.0.0.1", "port": mailbox.port}
    notifier = make(with_store(found), smtp=smtp, subscribe_mail=words, unsubscribe_mail=words, **CONFIRMS)
    if unsubscribed:
        notifier.unsubscribed(Caller("test_queue", "p1"), found["id"])
    else:
        notifier.subscribed(Caller("test_queue", "p1"), found["subscriber"])
    [mail] = mailbox.wait(1)
    assert (mail.message["from"], mail.message["subject"]) == ("no-reply@example.com", "About {0}")
    queue, project, link = mail.message.get_content().split()
    assert (queue, project) == ("test_queue", "p1")
    assert link.startswith("http://127.0.0.1/confirm?Signature=")
    for part in ("&Methods=PUT", f"&Paths={PATH}", "&Project=p1", "&Expires=", "&Url=http://", "&Queue=test_queue"):
        assert part in link


# ---- What it does beyond ----


def test_messages_stay_as_they_are(make: Make, inbox: Inbox) -> None:
    messages = copy.deepcopy(MESSAGES)
    post(make([subscription(f"{inbox.url}/t")]), messages)
    assert messages == MESSAGES


def test_own_headers_are_sent(make: Make, inbox: Inbox) -> None:
    headers = {"X-Token": "t1", "content-type": "text/plain", "X-Number": 5}
    post(make([subscription(f"{inbox.url}/t", options={"post_headers": headers})]), MESSAGES[:1])
    [told] = inbox.posts
    got = [told.headers[name] for name in ("x-token", "content-type", "x-number")]
    assert got == ["t1", "text/plain", "5"]


@pytest.mark.parametrize("status", [500, 503, 429])
def test_what_may_get_better_is_tried_again(make: Make, inbox: Inbox, status: int) -> None:
    inbox.answer = lambda post, number: (status if number <= 2 else 200, {})
    notifier = make([subscription(f"{inbox.url}/t")])
    notifier.posted(Caller(QUEUE), MESSAGES[:1])
    inbox.wait(3)
    notifier.close(60)
    assert inbox.of("/t") == NOTIFICATIONS[:1] * 3
    assert notifier.stats() == {"sent": 1, "retried": 2, "skipped": 0, "dropped": {}, "lookups": 0, "pending": 0}


@pytest.mark.parametrize("status", [400, 404, 410, 301])
def test_other_refusals_are_final(make: Make, inbox: Inbox, status: int) -> None:
    inbox.answer = lambda post, number: (status, {"Location": "/other"})
    notifier = make([subscription(f"{inbox.url}/t")])
    post(notifier)
    assert len(inbox.posts) == 2
    assert notifier.stats()["dropped"] == {"refused": 2}


def drained(notifier: Notifier) -> dict[str, Any]:
    """The numbers, once nothing is pending."""
    assert notifier.wait_idle(60)
    return notifier.stats()


def test_after_the_last_retry_it_is_dropped_and_counted(make: Make, inbox: Inbox) -> None:
    inbox.answer = lambda post, number: (503, {})
    notifier = make([subscription(f"{inbox.url}/t")])
    notifier.posted(Caller(QUEUE), MESSAGES[:1])
    stats = drained(notifier)
    assert len(inbox.posts) == 10, "one, and 3 + 3 + 0 + 3 retries"
    assert (stats["retried"], stats["dropped"]) == (9, {"all retries failed": 1})


def test_no_retry_comes_before_the_servers_wish(make: Make) -> None:
    def attempt() -> None:
        raise Failed("answered 429", again=True, after=17)

    job = _Notification(make([]), "key", "http://x", 0, [0, 30], attempt)
    assert [job.run(), job.run(), job.run()] == [17, 30, None]


def test_the_subscriptions_policy_or_that_of_the_queue_counts(make: Make, inbox: Inbox) -> None:
    inbox.answer = lambda post, number: (503, {})
    none = {"minimum_delay": 0, "maximum_delay": 0, "minimum_delay_retries": 0, "maximum_delay_retries": 0}
    own = subscription(f"{inbox.url}/own", options={"_retry_policy": {**none, "retries_with_no_delay": 0}})
    answers: Answers = {
        ("subscription", "list"): [[own, subscription(f"{inbox.url}/queue")], None],
        ("queue", "get"): {"_retry_policy": {**none, "retries_with_no_delay": 1}},
    }
    notifier = make(answers)
    notifier.posted(Caller(QUEUE), MESSAGES[:1])
    drained(notifier)
    assert (len(inbox.of("/own")), len(inbox.of("/queue"))) == (1, 2)
    answers[("queue", "get")]["_retry_policy"]["ignore_subscription_override"] = True
    notifier.posted(Caller(QUEUE), MESSAGES[:1])
    drained(notifier)
    assert (len(inbox.of("/own")), len(inbox.of("/queue"))) == (3, 4)


def test_a_policy_that_is_nonsense_leaves_the_default(make: Make, inbox: Inbox) -> None:
    post(make([subscription(f"{inbox.url}/t", options={"_retry_policy": {"minimum_delay": "soon"}})]))
    assert len(inbox.posts) == 2


def test_only_confirmed_subscribers_are_told_where_that_is_asked_for(make: Make, inbox: Inbox) -> None:
    subscribers = [
        subscription(f"{inbox.url}/no", confirmed=False),
        subscription(f"{inbox.url}/yes", confirmed=True),
        subscription(f"{inbox.url}/old"),
    ]
    notifier = make(subscribers, require_confirmation=True)
    post(notifier)
    assert sorted({p.path for p in inbox.posts}) == ["/old", "/yes"]
    assert notifier.stats()["skipped"] == 1
    post(make(subscribers))
    assert "/no" in {p.path for p in inbox.posts}


@pytest.mark.parametrize(
    ("subscriber", "why"),
    [
        ("trust+http://example.com", "no trusts"),
        ("mailto:a@example.com", "no mail server"),
        ("ftp://example.com", "bad subscriber"),
        ("http://", "bad subscriber"),
        ("http://example.com:x/", "bad subscriber"),
        ("", "bad subscriber"),
    ],
)
def test_a_subscriber_that_cannot_be_told_is_counted(
    make: Make, inbox: Inbox, caplog: pytest.LogCaptureFixture, subscriber: str, why: str
) -> None:
    notifier = make([subscription(subscriber), subscription(f"{inbox.url}/t")])
    post(notifier)
    assert notifier.stats()["dropped"] == {why: 2}
    assert why in caplog.text
    assert len(inbox.posts) == 2, "the others are told"


def test_garbage_in_the_list_harms_nobody(make: Make, inbox: Inbox) -> None:
    garbage = [5, {}, {"subscriber": 7}, subscription("http://x", options=[]), subscription("http://[", options=None)]
    notifier = make([*garbage, subscription(f"{inbox.url}/t", options={"post_headers": {"A\nB": "c"}}),
                     subscription(f"{inbox.url}/t", options=None)])  # fmt: skip
    post(notifier)
    assert len(inbox.posts) == 2
    assert notifier.stats()["sent"] == 2


def test_a_subscription_that_is_not_there_yet_is_waited_for(make: Make, inbox: Inbox) -> None:
    found = subscription(f"{inbox.url}/t", confirmed=False)
    looks = iter([None, None, found])
    notifier = make({("subscription", "get_with_subscriber"): lambda *_, **__: next(looks)}, **CONFIRMS)
    notifier.subscribed(Caller("test_queue"), found["subscriber"])
    [told] = inbox.wait(1)
    assert told.body["Message_Type"] == "SubscriptionConfirmation"
    assert told.body["X-Project-ID"] is None


def test_the_end_of_a_subscription_is_told_once_it_is_the_end(make: Make, inbox: Inbox) -> None:
    looks = iter([True, True, False])
    answers = {("subscription", "get"): lambda *_, **__: subscription(f"{inbox.url}/t", confirmed=next(looks))}
    notifier = make(answers, **CONFIRMS)
    notifier.unsubscribed(Caller("test_queue", "p1"), "5760c9fb3990b42e8b7c20bd")
    [told] = inbox.wait(1)
    assert told.body["Message_Type"] == "UnsubscribeConfirmation"
    assert set(told.body) == KEYS


def test_a_confirmed_subscriber_is_not_asked_again(make: Make, inbox: Inbox) -> None:
    notifier = make(with_store(subscription(f"{inbox.url}/t", confirmed=True)), **CONFIRMS)
    notifier.subscribed(Caller("test_queue"), f"{inbox.url}/t")
    assert drained(notifier)["dropped"] == {}
    assert inbox.posts == []


def test_an_outage_of_the_host_is_waited_out_and_nobody_is_told_twice(make: Make, inbox: Inbox) -> None:
    outage = iter([True, False])

    def page(queue: str, marker: Any, **_: Any) -> Any:
        if marker is None:
            return [[subscription(f"{inbox.url}/1")], "m"]
        if next(outage):
            raise NoSource("away", again=True)
        return [[subscription(f"{inbox.url}/2")], None]

    notifier = make({("subscription", "list"): page})
    notifier.posted(Caller(QUEUE), MESSAGES)
    inbox.wait(4)
    drained(notifier)
    assert [bodies_at(inbox, path) for path in ("/1", "/2")] == [NOTIFICATIONS] * 2
    assert notifier.pipelines.asked("get") == 1  # type: ignore[attr-defined]


@pytest.mark.parametrize("answer", [{"subscriptions": []}, [], [5, None], "x"])
def test_an_answer_that_is_no_page_is_dropped_with_its_reason(
    make: Make, caplog: pytest.LogCaptureFixture, answer: Any
) -> None:
    notifier = make({("subscription", "list"): lambda *_, **__: answer})
    post(notifier)
    assert notifier.stats()["dropped"] == {"no subscriptions from the host": 1}
    assert "must be [subscriptions, marker]" in caplog.text


def test_a_marker_that_stands_still_ends_the_pages(make: Make, inbox: Inbox) -> None:
    notifier = make({("subscription", "list"): lambda *_, **__: [[subscription(f"{inbox.url}/t")], "same"]})
    post(notifier)
    assert notifier.pipelines.asked("list") == 2  # type: ignore[attr-defined]


def test_the_call_goes_on_with_its_project_and_context(make: Make) -> None:
    notifier = make([])
    notifier.posted(Caller(QUEUE, "p1", {"user": "u"}), MESSAGES)
    notifier.close(60)
    pipelines = notifier.pipelines
    assert pipelines.contexts == [{"user": "u"}] * len(pipelines.calls)  # type: ignore[attr-defined]
    for _, _, args, kwargs in pipelines.calls:  # type: ignore[attr-defined]
        assert (args[0], kwargs["project"]) == (QUEUE, "p1")


def test_a_list_in_the_config_does_as_well(inbox: Inbox) -> None:
    listed = [
        {"queue": QUEUE, "subscriber": f"{inbox.url}/any"},
        {"queue": QUEUE, "project": "p1", "subscriber": f"{inbox.url}/p1"},
        {"queue": QUEUE, "project": "p2", "subscriber": f"{inbox.url}/p2"},
        {"queue": "other", "subscriber": f"{inbox.url}/other"},
    ]
    post(Notifier(Settings(subscriptions=listed)))
    assert sorted({p.path for p in inbox.posts}) == ["/any", "/p1"]
