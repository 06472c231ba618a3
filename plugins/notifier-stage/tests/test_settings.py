"""What a config may say, and what is said of a wrong one."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import bodies
import pytest
import settings


def faults(**config: Any) -> dict[str, str]:
    return {fault.path: fault.message for fault in settings.faults(config)}


def test_the_least() -> None:
    assert faults(host="unix:/tmp/s") == {}
    assert faults(subscriptions=[]) == {}
    assert settings.read({"host": "unix:/tmp/s"}) == settings.Settings(host="unix:/tmp/s")


def test_all_of_it(tmp_path: Path) -> None:
    ca = tmp_path / "ca.pem"
    ca.write_text("")
    config = {
        "host": "localhost:9000", "pipelines": {"subscription": "subs", "queue": ""}, "workers": 1, "per_target": 1,
        "max_pending": 1, "max_pending_per_subscriber": 1, "max_pending_bytes": 1, "timeout": 0.5, "ca_file": str(ca),
        "retry_policy": {"minimum_delay": 1, "retry_backoff_function": "geometric"}, "require_confirmation": True,
        "signing_key": "k",
        "confirmation": {"endpoint": "http://e", "websocket_endpoint": "ws://e", "page": "http://p", "valid_for": 60,
                         "subscribe_mail": {"from": "a@b.c", "subject": "s", "body": "{0} {1} {2}"}},
        "smtp": {"host": "h", "port": 587, "starttls": True, "user": "u", "password": "p", "sender": "a@b.c"},
    }  # fmt: skip
    assert faults(**config) == {}
    read = settings.read(config)
    assert (read.subscription_pipeline, read.queue_pipeline) == ("subs", "")
    assert (read.confirmation_page, read.valid_for) == ("http://p", 60)
    assert read.subscribe_mail["from"] == "a@b.c"
    assert read.unsubscribe_mail == settings.UNSUBSCRIBE_MAIL


def test_it_needs_one_source_of_subscriptions() -> None:
    assert "/host" in faults()
    assert "/host" in faults(host="unix:/tmp/s", subscriptions=[])


@pytest.mark.parametrize(
    ("config", "path", "words"),
    [
        ({"worker": 3}, "/worker", "is unknown; known are host, "),
        ({"workers": 0}, "/workers", "at least 1"),
        ({"workers": 1001}, "/workers", "at most 1000"),
        ({"workers": True}, "/workers", "must be an integer"),
        ({"timeout": "5s"}, "/timeout", "must be a number"),
        ({"timeout": 0}, "/timeout", "give seconds"),
        ({"smtp": {}}, "/smtp/host", "is missing"),
        ({"smtp": {"host": "h", "port": 70000}}, "/smtp/port", "at most 65535"),
        ({"smtp": {"host": "h", "user": "u"}}, "/smtp/user", "go together"),
        ({"smtp": []}, "/smtp", "must be an object"),
        ({"ca_file": "no-such-file"}, "/ca_file", "cannot be read"),
        ({"smtp": {"host": "h", "ca_file": "no-such-file"}}, "/smtp/ca_file", "cannot be read"),
        ({"retry_policy": {"retry_backoff_function": "x"}}, "/retry_policy/retry_backoff_function", "use one of"),
        ({"retry_policy": {"minimum_delay": 1e9}}, "/retry_policy", "minimum_delay is"),
        ({"confirmation": {"subscribe_mail": {"body": "{queue}"}}}, "/confirmation/subscribe_mail/body", "{0} is the"),
        ({"confirmation": {"subscribe_mail": {"body": "{"}}}, "/confirmation/subscribe_mail/body", "{0} is the"),
    ],
)
def test_a_fault_is_told_at_its_place(config: dict[str, Any], path: str, words: str) -> None:
    found = faults(host="unix:/tmp/s", **config)
    assert list(found) == [path]
    assert words in found[path]


@pytest.mark.parametrize(
    ("subscription", "path", "words"),
    [
        ({"subscriber": "trust+https://x"}, "/subscriber", "trusts of Keystone are not supported"),
        ({"subscriber": "ftp://x"}, "/subscriber", "is no http:// or https://"),
        ({"subscriber": "http://x:y"}, "/subscriber", "ort could not be cast"),
        ({"subscriber": "mailto:a@b.c"}, "/subscriber", "set smtp"),
        ({"subscriber": "mailto:"}, "/subscriber", "has no mail address"),
        ({"subscriber": "http://x", "options": {"post_headers": []}}, "/options/post_headers", "must be an object"),
        ({"subscriber": "http://x", "options": {"_retry_policy": 5}}, "/options/_retry_policy", "must be an object"),
        ({"subscriber": "http://x", "options": {"_retry_policy": {"minimum_delay": -1}}}, "/options/_retry_policy",
         "minimum_delay"),
        ({}, "/subscriber", "is missing"),
    ],
)  # fmt: skip
def test_a_subscription_is_checked(subscription: dict[str, Any], path: str, words: str) -> None:
    found = faults(subscriptions=[{"queue": "q", **subscription}])
    assert list(found) == ["/subscriptions/0" + path]
    assert words in found["/subscriptions/0" + path]


def test_all_faults_come_at_once() -> None:
    assert set(faults(host=5, workers=0, smtp={"port": 1})) == {"/host", "/workers", "/smtp/host"}


def test_the_schema_is_json() -> None:
    assert json.loads(json.dumps(settings.SCHEMA)) == settings.SCHEMA


def test_a_template_may_be_an_object_and_may_hold_the_message_twice() -> None:
    options = {"post_data": {"a": "$zaqar_message$", "b": ["$zaqar_message$", "x $zaqar_message$"]}}
    body = json.loads(bodies.webhook_body('{"m": 1}', options))
    assert body == {"a": {"m": 1}, "b": [{"m": 1}, "x $zaqar_message$"]}


def test_a_signature_is_that_of_zaqar() -> None:
    """Computed apart from the code: openssl dgst -sha256 -hmac test_key of the four parts with \\n, two characters."""
    until = datetime(2030, 1, 2, 3, 4, 5, 6, UTC)
    got = bodies.signed("test_key", "/v2/queues/q/subscriptions/s/confirm", "PUT", "p1", until)
    assert got == {
        "URL-Signature": "3cb6f902f5d029777e520dd332b8e349f8b5bad4da3157237a260cc54b053de8",
        "URL-Methods": "PUT",
        "URL-Paths": "/v2/queues/q/subscriptions/s/confirm",
        "URL-Expires": "2030-01-02T03:04:05",
    }
