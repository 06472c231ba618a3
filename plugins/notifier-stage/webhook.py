"""POSTs to a subscriber."""

from __future__ import annotations

import base64
import email.utils
import http.client
import ssl
import time
from collections.abc import Mapping
from urllib.parse import SplitResult, quote, unquote, urlsplit

from sending import Failed

SCHEMES = ("http", "https")
# Longest wait that a Retry-After can ask for, in seconds.
LONGEST = 3600.0
SAFE = "/%:=&?~#+!$,;'@()*[]"


class Webhooks:
    """One connection for each request. Safe on any thread."""

    def __init__(self, timeout: float, ca_file: str = "") -> None:
        self._timeout = timeout
        self._tls = ssl.create_default_context(cafile=ca_file or None)

    def post(self, subscriber: str, body: str, headers: Mapping[str, str]) -> None:
        """One attempt. 2xx is good; what may get better is an exception, 429 or 5xx.

        Raises Failed.
        """
        try:
            status, reason, retry_after = self._ask(_parse(subscriber), body.encode(), headers)
        except (ValueError, http.client.InvalidURL) as error:
            raise Failed(f"cannot be sent: {error}", again=False) from error
        except (OSError, http.client.HTTPException) as error:
            raise Failed(f"no answer: {type(error).__name__}: {error}", again=True) from error
        if 200 <= status < 300:
            return
        again = status == 429 or status >= 500
        after = seconds_of(retry_after, time.time()) if again else 0.0
        raise Failed(f"answered {status} {reason}".rstrip(), again=again, after=after)

    def _ask(self, url: SplitResult, body: bytes, headers: Mapping[str, str]) -> tuple[int, str, str | None]:
        assert url.hostname is not None
        if url.scheme.lower() == "https":
            connection: http.client.HTTPConnection = http.client.HTTPSConnection(
                url.hostname, url.port, timeout=self._timeout, context=self._tls
            )
        else:
            connection = http.client.HTTPConnection(url.hostname, url.port, timeout=self._timeout)
        path = quote(url.path or "/", safe=SAFE) + (f"?{quote(url.query, safe=SAFE)}" if url.query else "")
        try:
            connection.request("POST", path, body, {**_login(url), "Connection": "close", **headers})
            answer = connection.getresponse()
            return answer.status, answer.reason, answer.getheader("Retry-After")
        finally:
            connection.close()


def fault(subscriber: str) -> str:
    """Why it is no address for a POST; empty if it is one."""
    try:
        _parse(subscriber)
    except ValueError as error:
        return str(error)
    return ""


def target(subscriber: str) -> str:
    """The server: of one server only a few are asked at once."""
    url = _parse(subscriber)
    return f"{url.scheme.lower()}://{url.hostname}:{url.port or ''}"


def seconds_of(retry_after: str | None, now: float) -> float:
    """Of a Retry-After: seconds or a date, at most an hour; 0 for none and for nonsense."""
    text = (retry_after or "").strip()
    if text.isascii() and text.isdigit():
        return min(LONGEST, float(text[:9]))
    try:
        date = email.utils.parsedate_to_datetime(text)
    except ValueError:
        return 0.0
    return min(LONGEST, max(0.0, date.timestamp() - now))


def _parse(subscriber: str) -> SplitResult:
    url = urlsplit(subscriber)
    if url.scheme.lower() not in SCHEMES or not url.hostname:
        raise ValueError("is no http:// or https:// address with a host")
    _ = url.port  # Raises where it is no port.
    return url


def _login(url: SplitResult) -> dict[str, str]:
    if url.username is None:
        return {}
    login = f"{unquote(url.username)}:{unquote(url.password or '')}".encode()
    return {"Authorization": "Basic " + base64.b64encode(login).decode()}
