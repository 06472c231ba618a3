"""Mails to a subscriber."""

from __future__ import annotations

import contextlib
import email.utils
import logging
import smtplib
import ssl
from collections.abc import Mapping, Sequence
from email.message import EmailMessage
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from sending import Failed

log = logging.getLogger("notifier-stage")


def recipients(subscriber: str) -> list[str]:
    """The addresses of a mailto: URI; none where it has something else."""
    path = unquote(urlsplit(subscriber).path)
    if not path.isprintable():
        return []
    return [address for _, address in email.utils.getaddresses([path]) if "@" in address]


def subject_of(subscriber: str, options: Mapping[str, Any]) -> str:
    """That of the URI, else that of the options."""
    query = {name.lower(): values for name, values in parse_qs(urlsplit(subscriber).query).items()}
    return str(query["subject"][-1] if "subject" in query else options.get("subject", ""))


class Mailer:
    """One connection for each mail. Safe on any thread."""

    def __init__(
        self,
        host: str,
        port: int = 25,
        *,
        starttls: bool = False,
        user: str = "",
        password: str = "",
        sender: str = "",
        timeout: float = 10.0,
        ca_file: str = "",
    ) -> None:
        self._host, self._port, self._timeout = host, port, timeout
        self._user, self._password = user, password
        self._tls = ssl.create_default_context(cafile=ca_file or None) if starttls else None
        self.sender = sender

    def send(self, subscriber: str, text: str, *, sender: str, subject: str) -> None:
        """One attempt. Raises Failed."""
        sender = sender or self.sender
        try:
            to = recipients(subscriber)
            self._hand_over(_message(to, text, sender, subject), email.utils.parseaddr(sender)[1], to)
        except smtplib.SMTPRecipientsRefused as error:
            codes = [code for code, _ in error.recipients.values()]
            raise Failed(f"refused: {error}", again=any(code < 500 for code in codes)) from error
        except (smtplib.SMTPNotSupportedError, ValueError) as error:
            raise Failed(f"cannot be sent: {error}", again=False) from error
        except smtplib.SMTPAuthenticationError as error:
            raise Failed(f"the mail server refused the login: {error}", again=True) from error
        except smtplib.SMTPResponseException as error:
            raise Failed(f"refused: {error}", again=error.smtp_code < 500) from error
        except OSError as error:  # Its own exceptions are of this kind, too.
            raise Failed(f"no mail server: {type(error).__name__}: {error}", again=True) from error

    def _hand_over(self, message: EmailMessage, sender: str, to: Sequence[str]) -> None:
        smtp = smtplib.SMTP(self._host, self._port, timeout=self._timeout)
        try:
            if self._tls is not None:
                smtp.starttls(context=self._tls)
            if self._user:
                smtp.login(self._user, self._password)
            refused = smtp.send_message(message, sender, to)
        finally:
            # What was taken is taken, however the parting goes.
            with contextlib.suppress(OSError):
                smtp.quit()
            smtp.close()
        if refused:
            log.warning("a mail went to some of its addresses alone; refused: %s", refused)


def _message(to: Sequence[str], text: str, sender: str, subject: str) -> EmailMessage:
    if not to:
        raise ValueError("no mail address in the URI")
    message = EmailMessage()
    message["To"] = ", ".join(to)
    if sender:
        message["From"] = sender
    message["Subject"] = subject
    message["Date"] = email.utils.localtime()
    message["Message-ID"] = email.utils.make_msgid("notifier")
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(text)
    return message
