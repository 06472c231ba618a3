"""POST /events of a real host: what 202 promises, on both buses, and what clients are told when it cannot be given."""

from __future__ import annotations

import concurrent.futures
import contextlib
import json
import resource
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from broker import Broker
from http_host import JSON, HttpHost, ask, post
from running_host import event, events, wait_for

# Above what the host takes at once (64 MiB) in bodies of 1 MB, and below the requests that may wait (256).
TOO_MANY = 80


def test_each_form_reaches_the_worker(tmp_path: Path, bus: Callable[[], dict[str, Any]]) -> None:
    with HttpHost(tmp_path, bus()) as host:
        to = host.connect()
        binary = {"ce-id": "e1", "ce-source": "storyboard", "ce-type": "story.post", "ce-subject": "Caf%C3%A9",
                  "ce-specversion": "1.0", "Content-Type": "text/plain"}
        status, said = post(to, b"hello", binary)
        assert (status, said["results"][0]["id"], said["results"][0]["matched"]) == (202, "e1", 1)
        assert post(to, event(2))[0] == 202
        status, said = post(to, [event(3), event(4, source="elsewhere"), event(5)])
        assert status == 202
        assert [(r["id"], r["confirmed"], r["matched"]) for r in said["results"]] == [
            ("e3", True, 1), ("e4", True, 0), ("e5", True, 1)]
        wait_for("all are handled", lambda: set(host.ledger.handled()) == {"e1", "e2", "e3", "e5"})
        text = host.get("/metrics")[1]
        assert 'outboard_publish_events_total{protocol="http",outcome="confirmed"} 5\n' in text
        assert "outboard_publish_under_way_bytes 0\n" in text
        assert host.stop() == 0


def test_a_batch_with_one_bad_event_leaves_nothing(tmp_path: Path, bus: Callable[[], dict[str, Any]]) -> None:
    with HttpHost(tmp_path, bus()) as host:
        to = host.connect()
        status, said = post(to, [event(1), event(2, time="noon"), event(3)])
        assert status == 400
        assert [(e["index"], e["id"], e["pointer"]) for e in said["errors"]] == [(1, "e2", "#/1/time")]
        assert post(to, event(4))[0] == 202
        wait_for("the other is handled", lambda: host.ledger.size() > 0)
        assert set(host.ledger.handled()) == {"e4"}


def test_what_was_answered_with_202_outlives_a_kill(tmp_path: Path, bus: Callable[[], dict[str, Any]]) -> None:
    with HttpHost(tmp_path, bus()) as host:
        to = host.connect()
        kept: list[str] = []
        for round_ in range(3):
            sent = list(events(50, 50 * round_))
            status, said = post(to, sent)
            host.kill()
            assert status == 202
            kept += [r["id"] for r in said["results"]]
            host.start()
            to = host.connect()
        assert len(kept) == 150
        wait_for("all are handled", lambda: set(host.ledger.handled()) == set(kept))


def test_no_202_while_the_broker_is_down(tmp_path: Path) -> None:
    with Broker() as broker, HttpHost(tmp_path, {"kind": "rabbitmq", "url": broker.url(broker.new_vhost())}) as host:
        to = host.connect()
        assert post(to, event(1))[0] == 202
        broker.kill()
        status, headers, text = ask(to, "POST", "/events", json.dumps(event(2)), JSON)
        assert status == 503
        assert int(headers["Retry-After"]) > 0
        said = json.loads(text)
        assert said["results"][0]["confirmed"] is False
        assert said["results"][0]["code"] == "UNAVAILABLE"
        assert host.get("/healthz") == (200, "ok\n")
        broker.start()
        wait_for("the broker is back", lambda: post(to, event(3))[0] == 202)
        wait_for("both are handled", lambda: {"e1", "e3"} <= set(host.ledger.handled()))


def large(number: int) -> dict[str, Any]:
    return event(number, data="x" * 1_000_000)


def test_a_broker_that_confirms_nothing_pushes_back_to_clients(tmp_path: Path, broker: Broker) -> None:
    with HttpHost(tmp_path, {"kind": "rabbitmq", "url": broker.url(broker.new_vhost())}) as host:
        assert post(host.connect(), event(0))[0] == 202
        broker.set_memory_alarm(True)
        clients = [host.connect() for _ in range(TOO_MANY)]
        try:
            with concurrent.futures.ThreadPoolExecutor(TOO_MANY) as pool:
                asked = [pool.submit(post, to, large(n + 1)) for n, to in enumerate(clients)]
                # The first that are answered are those for whom there is no room.
                done, _ = concurrent.futures.wait(asked, return_when=concurrent.futures.FIRST_COMPLETED)
                status, said = done.pop().result()
                assert status == 429
                assert "too much is under way" in said["detail"]
                assert host.get("/healthz") == (200, "ok\n")
                broker.set_memory_alarm(False)
                answers = [one.result() for one in asked]
        finally:
            broker.set_memory_alarm(False)
        assert {status for status, _ in answers} == {202, 429}
        kept = {r["id"] for status, said in answers if status == 202 for r in said["results"]}
        wait_for("what was kept is handled", lambda: set(host.ledger.handled()) >= kept)
        assert not set(host.ledger.handled()) - kept - {"e0"}
        assert post(host.connect(), event(1000))[0] == 202


def test_a_full_bus_is_told_apart(tmp_path: Path) -> None:
    bus = {"kind": "embedded", "max_bytes": "4MiB", "retain": {"bytes": "1MiB"}}
    with HttpHost(tmp_path, bus, "--mode", "hang") as host:
        to = host.connect()
        statuses: list[int] = []
        while not statuses or statuses[-1] == 202:
            status, said = post(to, large(len(statuses)))
            statuses.append(status)
        assert statuses[-1] == 507
        assert "bus.max_bytes" in said["detail"]
        assert said["results"][0]["code"] == "RESOURCE_EXHAUSTED"


def test_a_drain_takes_no_more_and_keeps_what_it_confirmed(tmp_path: Path) -> None:
    with HttpHost(tmp_path, None) as host:
        to = host.connect()
        assert post(to, event(1, faulty="slow:2s"))[0] == 202
        wait_for("it is with the worker", lambda: int(host.lane("all/faulty").get("in_flight", 0)) == 1)
        assert host.process is not None
        host.process.terminate()
        wait_for("the drain began", lambda: "draining" in host.log_text())

        def refused() -> bool:
            status, said = post(to, event(2))
            assert status in (202, 503), said
            return status == 503

        wait_for("it takes no more", refused)
        assert host.process.wait(60) == 0


def test_over_500_idle_and_slow_clients_starve_nobody(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 4096:
        pytest.skip(f"needs 4096 open files, the limit is {hard}: ulimit -Hn")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 4096), hard))
    kept_alive = b"GET /healthz HTTP/1.1\r\nHost: test\r\n\r\n"
    slow_head = b"POST /ev"
    slow_body = b"POST /events HTTP/1.1\r\nHost: test\r\nContent-Type: application/cloudevents+json\r\n" \
                b"Content-Length: 100000\r\n\r\n{"
    with HttpHost(tmp_path, None) as host:
        port = host.port()
        good = host.connect()
        bad: list[socket.socket] = []
        for number in range(900):
            one = socket.create_connection(("127.0.0.1", port))
            one.sendall((b"", kept_alive, slow_head, slow_body)[number % 4])
            bad.append(one)
            if number % 100 == 99:
                for other in bad[3::4]:
                    with contextlib.suppress(OSError):  # Closed, as it was of no use.
                        other.sendall(b" ")  # Slow, but never idle.
                assert host.get("/healthz") == (200, "ok\n")
                assert host.get("/metrics")[0] == 200
                assert post(good, event(number))[0] == 202
        wait_for("all are handled", lambda: len(host.ledger.handled()) == 9)
        for one in bad:
            one.close()


def test_ingress_can_be_off(tmp_path: Path) -> None:
    with HttpHost(tmp_path, None, ingress=False) as host:
        status, said = post(host.connect(), event(1))
        assert status == 403
        assert "host.ingress: true" in said["detail"]
        assert host.get("/healthz") == (200, "ok\n")
