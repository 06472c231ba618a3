"""One attempt to POST."""

from __future__ import annotations

import socket
import ssl
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import webhook
from sending import Failed, shown
from servers import Inbox


def test_retry_after_is_heeded(inbox: Inbox) -> None:
    inbox.answer = lambda post, number: (429, {"Retry-After": "17"})
    with pytest.raises(Failed, match="answered 429") as failed:
        webhook.Webhooks(30).post(inbox.url, "{}", {})
    assert (failed.value.again, failed.value.after) == (True, 17)


def test_retry_after_of_a_final_refusal_is_not(inbox: Inbox) -> None:
    inbox.answer = lambda post, number: (404, {"Retry-After": "17"})
    with pytest.raises(Failed) as failed:
        webhook.Webhooks(30).post(inbox.url, "{}", {})
    assert (failed.value.again, failed.value.after) == (False, 0)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("120", 120),
        (" 5 ", 5),
        ("0", 0),
        ("99999999999999", 3600),
        ("Thu, 01 Jan 1970 00:01:40 GMT", 90),
        ("Thu, 01 Jan 1970 00:00:01 GMT", 0),
        ("Fri, 01 Jan 2100 00:00:00 GMT", 3600),
        ("-5", 0),
        ("1.5", 0),
        ("soon", 0),
        ("²", 0),
        ("", 0),
        (None, 0),
    ],
)
def test_seconds_of_retry_after(text: str | None, seconds: float) -> None:
    assert webhook.seconds_of(text, now=10) == seconds


def test_the_path_the_query_and_the_login_of_the_url_are_used(inbox: Inbox) -> None:
    url = inbox.url.replace("http://", "HTTP://us%65r:p%40ss@") + "/a b/ü?x=1&y=%20z#part"
    webhook.Webhooks(30).post(url, '{"a": "ü"}', {"Content-Type": "application/json"})
    [post] = inbox.posts
    assert post.path == "/a%20b/%C3%BC?x=1&y=%20z"
    assert post.headers["authorization"] == "Basic dXNlcjpwQHNz"
    assert post.body == {"a": "ü"}


def test_nobody_there_is_worth_another_try() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(Failed, match="no answer: ConnectionRefusedError") as failed:
        webhook.Webhooks(30).post(f"http://127.0.0.1:{port}/", "{}", {})
    assert failed.value.again


def test_silence_ends_the_attempt() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        with pytest.raises(Failed, match="no answer: TimeoutError") as failed:
            webhook.Webhooks(0.05).post(f"http://127.0.0.1:{server.getsockname()[1]}/", "{}", {})
        assert failed.value.again


def test_an_answer_that_is_no_http_is_worth_another_try() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def talk() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(b"220 mail.example.com ESMTP\r\n")

        thread = threading.Thread(target=talk)
        thread.start()
        with pytest.raises(Failed, match="BadStatusLine") as failed:
            webhook.Webhooks(30).post(f"http://127.0.0.1:{server.getsockname()[1]}/", "{}", {})
        thread.join(30)
        assert failed.value.again


@pytest.mark.parametrize("headers", [{"A\nB": "c"}, {"A": "b\r\nC: d"}, {"A": "→"}])
def test_headers_that_no_request_can_have_are_final(inbox: Inbox, headers: dict[str, str]) -> None:
    with pytest.raises(Failed, match="cannot be sent") as failed:
        webhook.Webhooks(30).post(inbox.url, "{}", headers)
    assert not failed.value.again
    assert inbox.posts == []


def test_a_server_is_trusted_by_its_certificate(tmp_path: Path) -> None:
    certificate, key = tmp_path / "c.pem", tmp_path / "k.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj",
         "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", certificate],
        check=True, capture_output=True,
    )  # fmt: skip

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    class Server(HTTPServer):
        def handle_error(self, request: object, client_address: object) -> None:
            pass  # A client that does not trust it.

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with Server(("127.0.0.1", 0), Handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        url = f"https://localhost:{server.server_port}/"
        try:
            webhook.Webhooks(30, str(certificate)).post(url, "{}", {})
            with pytest.raises(Failed, match="CERTIFICATE_VERIFY_FAILED"):
                webhook.Webhooks(30).post(url, "{}", {})
        finally:
            server.shutdown()
            thread.join()


def test_the_log_shows_neither_password_nor_query() -> None:
    assert shown("https://u:secret@example.com:8443/hook?token=secret") == "https://example.com:8443/hook"
    assert shown("mailto:a@example.com?subject=x") == "mailto:a@example.com"
    assert "secret" not in shown("http://[secret")


def test_one_server_is_one_target() -> None:
    assert webhook.target("HTTP://Example.com/a?b") == webhook.target("http://u:p@example.com/c")
    assert webhook.target("http://example.com:81/") != webhook.target("http://example.com/")
