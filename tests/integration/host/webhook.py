"""A webhook for tests: a real HTTP server that notes what it gets and answers as it is told."""

from __future__ import annotations

import base64
import hashlib
import hmac
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Self


@dataclass
class Post:
    """One request."""

    path: str
    headers: dict[str, str]  # Names in small letters.
    body: bytes
    at: float
    client: tuple[str, int]

    @property
    def number(self) -> int:
        """Of an event in binary mode, from its id."""
        return int(self.headers["ce-id"][1:])


@dataclass
class Reply:
    status: int = 204
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""


class Webhook:
    """Listens at a free port from the beginning of the `with`. `answer` is asked for each post."""

    def __init__(self, answer: Callable[[Post], Reply] = lambda post: Reply(), port: int = 0,
                 tls: tuple[Path, Path] | None = None) -> None:
        """`tls`: files of a certificate and its key."""
        self.posts: list[Post] = []
        self.answer = answer
        self._lock = threading.Lock()
        webhook = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                headers = {name.lower(): value for name, value in self.headers.items()}
                post = Post(self.path, headers, body, time.time(), self.client_address)
                with webhook._lock:
                    webhook.posts.append(post)
                reply = webhook.answer(post)
                self.send_response(reply.status)
                for name, value in reply.headers:
                    self.send_header(name, value)
                if reply.status != 204:
                    self.send_header("Content-Length", str(len(reply.body)))
                self.end_headers()
                self.wfile.write(reply.body)

            def log_message(self, format: str, *args: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128
            block_on_close = False

            def handle_error(self, request: object, client_address: object) -> None:
                pass  # A producer that is killed cuts its connections.

        self._server = Server(("127.0.0.1", port), Handler)
        self.port = self._server.server_port
        if tls is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*tls)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True,
                                                      do_handshake_on_connect=False)
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}/hook"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def of(self, event_id: str) -> list[Post]:
        """The posts of one event in binary mode."""
        return [post for post in self.posts if post.headers.get("ce-id") == event_id]


def signature(secret: str, post: Post) -> str:
    """What Standard Webhooks says the signature by that secret is."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    text = f"{post.headers['webhook-id']}.{post.headers['webhook-timestamp']}.".encode() + post.body
    return "v1," + base64.b64encode(hmac.new(key, text, hashlib.sha256).digest()).decode()
