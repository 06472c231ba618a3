"""One attempt to mail."""

from __future__ import annotations

import socket
import ssl
import subprocess
from pathlib import Path

import mail
import pytest
from aiosmtpd.smtp import SMTP as SmtpServer
from aiosmtpd.smtp import AuthResult, Envelope, LoginPassword, Session
from sending import Failed
from servers import Mailbox


def send(
    mailbox: Mailbox, to: str = "mailto:a@example.com", text: str = "{}", subject: str = "s", **more: object
) -> None:
    mailer = mail.Mailer("127.0.0.1", mailbox.port, timeout=30, **more)  # type: ignore[arg-type]
    mailer.send(to, text, sender="from@example.com", subject=subject)


def test_addresses_of_a_uri() -> None:
    assert mail.recipients("mailto:a@example.com,b%40example.com?subject=x") == ["a@example.com", "b@example.com"]
    assert mail.recipients("mailto:") == []
    assert mail.recipients("mailto:nobody") == []


@pytest.mark.parametrize(
    ("uri", "subject"),
    [
        ("mailto:a@example.com?subject=From%20URI", "From URI"),
        ("mailto:a@example.com?Subject=X&subject=Y", "Y"),
        ("mailto:a@example.com?cc=b@example.com", "From options"),
        ("mailto:a@example.com", "From options"),
    ],
)
def test_the_subject_of_the_uri_wins(uri: str, subject: str) -> None:
    assert mail.subject_of(uri, {"subject": "From options"}) == subject


def test_long_and_foreign_text_arrives_as_it_was(mailbox: Mailbox) -> None:
    text = "ü→" * 2000
    send(mailbox, "mailto:a@example.com,b@example.com", text, "Grüße")
    [got] = mailbox.mails
    assert got.message.get_content().rstrip("\n") == text
    assert got.message["subject"] == "Grüße"
    assert got.to == ["a@example.com", "b@example.com"]
    for name in ("date", "message-id", "auto-submitted"):
        assert got.message[name]


def test_without_a_sender_that_of_the_config_counts(mailbox: Mailbox) -> None:
    mail.Mailer("127.0.0.1", mailbox.port, sender="config@example.com").send("mailto:a@b.c", "", sender="", subject="")
    mail.Mailer("127.0.0.1", mailbox.port).send("mailto:a@b.c", "", sender="", subject="")
    assert [got.sender for got in mailbox.mails] == ["config@example.com", "<>"]


@pytest.mark.parametrize(("reply", "again"), [("451 later", True), ("554 never", False)])
def test_a_refusal_for_now_is_worth_another_try(mailbox: Mailbox, reply: str, again: bool) -> None:
    mailbox.answer = lambda mail, number: reply
    with pytest.raises(Failed, match=reply.split()[1]) as failed:
        send(mailbox)
    assert failed.value.again is again


@pytest.mark.parametrize(("reply", "again"), [("450 later", True), ("550 unknown", False)])
def test_a_recipient_may_be_refused(reply: str, again: bool) -> None:
    class Picky(Mailbox):
        async def handle_RCPT(
            self, server: SmtpServer, session: Session, envelope: Envelope, address: str, options: list[str]
        ) -> str:
            return reply

    with Picky() as mailbox, pytest.raises(Failed, match="refused") as failed:
        send(mailbox)
    assert failed.value.again is again


def test_nobody_there_is_worth_another_try() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(Failed, match="no mail server: ConnectionRefusedError") as failed:
        mail.Mailer("127.0.0.1", port).send("mailto:a@example.com", "", sender="", subject="")
    assert failed.value.again


@pytest.mark.parametrize(
    ("to", "subject"), [("mailto:", "s"), ("mailto:nobody", "s"), ("mailto:a@example.com", "s\nBcc: b@example.com")]
)
def test_what_no_mail_can_have_is_final(mailbox: Mailbox, to: str, subject: str) -> None:
    with pytest.raises(Failed, match="cannot be sent") as failed:
        send(mailbox, to, subject=subject)
    assert not failed.value.again
    assert mailbox.mails == []


def test_a_header_cannot_be_added_by_the_address(mailbox: Mailbox) -> None:
    with pytest.raises(Failed):
        send(mailbox, "mailto:a@example.com%0ABcc:b@example.com")
    assert mailbox.mails == []


def test_starttls_and_login(tmp_path: Path) -> None:
    certificate, key = tmp_path / "c.pem", tmp_path / "k.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj",
         "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate],
        check=True, capture_output=True,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    def check(server: object, session: object, envelope: object, mechanism: str, login: object) -> AuthResult:
        assert isinstance(login, LoginPassword)
        return AuthResult(success=(login.login, login.password) == (b"me", b"secret"), handled=False)

    options = {"tls_context": context, "require_starttls": True, "auth_required": True, "authenticator": check}
    with Mailbox(**options) as mailbox:
        send(mailbox, starttls=True, ca_file=str(certificate), user="me", password="secret")
        assert len(mailbox.mails) == 1
        with pytest.raises(Failed, match="refused the login") as failed:
            send(mailbox, starttls=True, ca_file=str(certificate), user="me", password="wrong")
        assert failed.value.again, "the config is wrong, not the subscription"
        with pytest.raises(Failed, match="CERTIFICATE_VERIFY_FAILED"):
            send(mailbox, starttls=True, user="me", password="secret")
        assert len(mailbox.mails) == 1


def test_a_server_without_starttls_gets_nothing(mailbox: Mailbox) -> None:
    with pytest.raises(Failed, match="STARTTLS"):
        send(mailbox, starttls=True)
    assert mailbox.mails == []
