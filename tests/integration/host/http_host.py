"""A real host with its HTTP port, and a client of it."""

from __future__ import annotations

import http.client
import json
from pathlib import Path
from typing import Any

from running_host import Ledger, RunningHost, faulty

JSON = {"Content-Type": "application/cloudevents+json"}
BATCH = {"Content-Type": "application/cloudevents-batch+json"}
ROUTE = {"name": "all", "source": {"service": "storyboard"}, "to": ["faulty"]}


class HttpHost(RunningHost):
    """With the HTTP port, and the ledger of one worker."""

    def __init__(self, folder: Path, bus: dict[str, Any] | None = None, *flags: str, **host: Any) -> None:
        self.ledger = Ledger(folder / "ledger")
        super().__init__(folder, bus=bus, plugins=[faulty("--ledger", str(self.ledger.path), *flags)], routes=[ROUTE],
                         host={"http": "127.0.0.1:0", **host})

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port(), timeout=120)

    def port(self) -> int:
        return int(str(self.status()["http_address"]).rpartition(":")[2])

    def get(self, path: str) -> tuple[int, str]:
        status, _, text = ask(self.connect(), "GET", path)
        return status, text


def ask(to: http.client.HTTPConnection, method: str, path: str, body: bytes | str | None = None,
        headers: dict[str, str] | None = None) -> tuple[int, http.client.HTTPMessage, str]:
    """One request; the connection may be used again."""
    to.request(method, path, body, headers or {})
    answer = to.getresponse()
    return answer.status, answer.headers, answer.read().decode()


def bearer_of(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def post(to: http.client.HTTPConnection, body: Any, headers: dict[str, str] | None = None) -> tuple[int, Any]:
    """Status and answer; the form is that of the body."""
    if headers is None:
        headers = BATCH if isinstance(body, list) else JSON
    status, _, text = ask(to, "POST", "/events", body if isinstance(body, bytes) else json.dumps(body), headers)
    return status, json.loads(text)
