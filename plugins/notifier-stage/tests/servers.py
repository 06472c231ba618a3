"""Real servers that note what they get, for the tests of the stage."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from aiosmtpd.smtp import SMTP, Envelope, Session


@dataclass(frozen=True)
class Post:
    """One request."""

    path: str
    headers: dict[str, str]  # Names in small letters.
    body: Any


class Inbox:
    """An HTTP server. `answer` is asked for each request, with its number at that path: status, and headers."""

    def __init__(self) -> None:
        self.posts: list[Post] = []
        self.answer: Callable[[Post, int], tuple[int, dict[str, str]]] = lambda post, number: (204, {})
        self.changed = threading.Condition()
        inbox = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                post = Post(self.path, {k.lower(): v for k, v in self.headers.items()}, body)
                with inbox.changed:
                    inbox.posts.append(post)
                    number = len(inbox.of(post.path))
                    inbox.changed.notify_all()
                status, headers = inbox.answer(post, number)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            block_on_close = False

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})

    def of(self, path: str) -> list[Any]:
        """The bodies that came to a path."""
        return [post.body for post in self.posts if post.path == path]

    def wait(self, count: int, path: str = "") -> list[Post]:
        """The posts (to that path), once there are so many."""

        def posts() -> list[Post]:
            return [post for post in self.posts if path in ("", post.path)]

        with self.changed:
            assert self.changed.wait_for(lambda: len(posts()) >= count, 60), self.posts
            return posts()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@dataclass(frozen=True)
class Mail:
    """One mail, and who was named in the SMTP session."""

    sender: str
    to: list[str]
    message: EmailMessage


class Mailbox:
    """An SMTP server. `answer` is asked for each mail, with its number."""

    def __init__(self, **options: Any) -> None:
        """`options`: of aiosmtpd's SMTP."""
        self.mails: list[Mail] = []
        self.answer: Callable[[Mail, int], str] = lambda mail, number: "250 OK"
        self.changed = threading.Condition()
        self.port = 0
        self._options = options
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        """As aiosmtpd calls it."""
        content = envelope.content
        assert isinstance(content, bytes)
        message = message_from_bytes(content, EmailMessage, policy=policy.default)
        mail = Mail(envelope.mail_from or "", [str(to) for to in envelope.rcpt_tos], message)
        with self.changed:
            self.mails.append(mail)
            self.changed.notify_all()
            return self.answer(mail, len(self.mails))

    def wait(self, count: int) -> list[Mail]:
        """The mails, once there are so many."""
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.mails) >= count, 60), self.mails
            return list(self.mails)

    def __enter__(self) -> Self:
        self._thread.start()
        start = self._loop.create_server(lambda: SMTP(self, loop=self._loop, **self._options), "127.0.0.1", 0)
        self._server = asyncio.run_coroutine_threadsafe(start, self._loop).result(30)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(30)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _stop(self) -> None:
        self._server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
