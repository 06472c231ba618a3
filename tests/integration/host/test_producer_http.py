"""The http producer, with a real server on the other side."""

from __future__ import annotations

import json
import socket
import subprocess
import threading
from email.utils import formatdate
from pathlib import Path

import pytest
from producing import ProducingHost, assert_conforms, assert_order, publish_and_kill
from running_host import event, events, wait_for
from webhook import Post, Reply, Webhook, signature

SECRETS = ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX"]


def test_binary_mode_with_signatures_over_kept_connections(tmp_path: Path) -> None:
    config = {"secrets": SECRETS, "headers": {"Authorization": "Bearer x"}}
    with Webhook() as hook, ProducingHost(tmp_path, "http", {"url": hook.url, **config}) as host:
        host.publish(list(events(200)))
        host.wait_done(200)
        assert sorted(post.number for post in hook.posts) == list(range(200))
        [post] = hook.of("e7")
        wanted = {"ce-specversion": "1.0", "ce-source": "storyboard", "ce-type": "story.post", "ce-subject": "story/7",
                  "content-type": "application/json", "authorization": "Bearer x"}
        assert wanted.items() <= post.headers.items()
        assert (post.path, json.loads(post.body)) == ("/hook", {"number": 7})
        assert "expect" not in post.headers
        for post in hook.posts:
            assert post.headers["webhook-signature"] == " ".join(signature(secret, post) for secret in SECRETS)
        assert len({post.headers["webhook-id"] for post in hook.posts}) == 200
        assert len({post.client for post in hook.posts}) <= 16, "one connection for each thread at most"
        assert host.stop() == 0


def test_structured_mode(tmp_path: Path) -> None:
    with Webhook() as hook, ProducingHost(tmp_path, "http", {"url": hook.url, "mode": "structured"}) as host:
        host.publish([event(1, flag=True)])
        host.wait_done(1)
        [post] = hook.posts
        assert post.headers["content-type"] == "application/cloudevents+json; charset=utf-8"
        sent = json.loads(post.body)
        assert (sent["id"], sent["data"], sent["flag"]) == ("e1", {"number": 1}, True)


@pytest.mark.parametrize("status", [301, 400, 404, 410])
def test_what_the_server_refuses_is_dead(tmp_path: Path, status: int) -> None:
    with (Webhook(lambda post: Reply(status if post.number == 1 else 200, body=b"no such hook")) as hook,
          ProducingHost(tmp_path, "http", {"url": hook.url}) as host):
        host.publish(list(events(3)))
        host.wait_idle("all/http")
        [letter] = host.dead()
        assert (letter["event_id"], letter["reason"]) == ("e1", f"HTTP_{status}")
        assert "no such hook" in letter["message"]
        assert len(hook.of("e1")) == 1


@pytest.mark.parametrize("status", [408, 429, 503])
def test_what_may_pass_is_tried_again_with_the_same_id(tmp_path: Path, status: int) -> None:
    failures = 2

    def answer(post: Post) -> Reply:
        return Reply(status if post.number == 1 and len(hook.of("e1")) <= failures else 200)

    with Webhook(answer) as hook, ProducingHost(tmp_path, "http", {"url": hook.url}) as host:
        host.publish(list(events(3)))
        host.wait_done(3)
        assert len(hook.of("e1")) == failures + 1
        assert len({post.headers["webhook-id"] for post in hook.of("e1")}) == 1
        assert host.dead() == []


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_retry_after_is_honoured(tmp_path: Path, form: str) -> None:
    """The lane alone would try again after 50 ms."""

    def answer(post: Post) -> Reply:
        if len(hook.posts) > 1:
            return Reply()
        return Reply(429, (("Retry-After", "2" if form == "seconds" else formatdate(post.at + 3, usegmt=True)),))

    with (Webhook(answer) as hook,
          ProducingHost(tmp_path, "http", {"url": hook.url}, retry={"max": "1m"}) as host):
        host.publish([event(0)])
        host.wait_done(1)
        first, second = hook.posts
        # A date has whole seconds, and a wait counts from when the answer was read.
        assert second.at - first.at >= (2 if form == "seconds" else 1)


def test_a_server_that_is_away_loses_nothing(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    config = {"url": f"http://127.0.0.1:{port}/"}
    with ProducingHost(tmp_path, "http", config, retry={"max_attempts": 1000}) as host:
        ids = host.publish(list(events(20)))
        wait_for("it was tried", lambda: int(host.lane("all/http").get("retries", 0)) > 0)
        with Webhook(port=port) as hook:
            host.wait_done(20)
            assert {post.headers["ce-id"] for post in hook.posts} == set(ids)
        assert host.dead() == []


def test_several_are_on_their_way_at_once_and_one_of_each_key(tmp_path: Path) -> None:
    """The server answers nobody before 8 requests are there, of 8 keys."""
    together = threading.Barrier(8)
    inside: set[str] = set()
    lock = threading.Lock()
    doubles: list[str] = []

    def answer(post: Post) -> Reply:
        key = post.headers["ce-subject"]
        with lock:
            doubles.extend({key} & inside)
            inside.add(key)
        together.wait(60)
        with lock:
            inside.discard(key)
        return Reply()

    with Webhook(answer) as hook, ProducingHost(tmp_path, "http", {"url": hook.url}) as host:
        host.publish([event(number, subject=f"story/{number % 8}") for number in range(80)])
        host.wait_done(80)
        assert doubles == []
        assert_order([post.number for post in hook.posts], 8)


def test_kills_lose_nothing_and_keep_the_order(tmp_path: Path) -> None:
    with Webhook() as hook, ProducingHost(tmp_path, "http", {"url": hook.url}) as host:
        ids = publish_and_kill(host, [list(events(1000, start)) for start in range(0, 4000, 1000)],
                               lambda: len(hook.posts))
        assert len(ids) == 4000
        assert {post.headers["ce-id"] for post in hook.posts} == set(ids)
        assert_order([post.number for post in hook.posts], 50)
        of_event: dict[str, set[str]] = {}
        for post in hook.posts:
            of_event.setdefault(post.headers["ce-id"], set()).add(post.headers["webhook-id"])
        assert all(len(webhook_ids) == 1 for webhook_ids in of_event.values()), "a redelivery is known by its id"
        assert host.dead() == []


def test_a_server_is_known_by_its_certificate(tmp_path: Path) -> None:
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", certificate,
                    "-subj", "/CN=hook", "-addext", "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True)
    with Webhook(tls=(certificate, key)) as hook:
        stranger = ProducingHost(tmp_path / "stranger", "http", {"url": hook.url}, retry={"max_attempts": 1})
        with stranger as host:
            host.publish([event(0)])
            [letter] = wait_for("it is dead", host.dead)
            assert letter["reason"] == "TLS_FAILED"
            assert hook.posts == []
        with ProducingHost(tmp_path / "known", "http", {"url": hook.url, "ca_file": str(certificate)}) as host:
            host.publish([event(1)])
            host.wait_done(1)
            assert [post.number for post in hook.posts] == [1]


def test_it_keeps_the_contract() -> None:
    with Webhook() as hook:
        assert_conforms("http", {"url": hook.url})
        assert hook.posts, "handlers really ran"


def test_a_faulty_config_is_found_by_check(tmp_path: Path) -> None:
    config = {"url": "http://x", "secrets": "secret", "headers": {"ce-id": "1"}}
    said = ProducingHost(tmp_path, "http", config).check_fails()
    assert "openssl rand" in said
    assert "/headers/ce-id" in said
