"""What subscribers are sent, in Zaqar's words. Pure."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import quote, urlencode, urljoin

PLACEHOLDER = '"$zaqar_message$"'
HEADERS = {"Content-Type": "application/json"}


def notification(message: Mapping[str, Any], queue: str) -> str:
    """The body for one message. The message stays as it is."""
    return json.dumps({**message, "queue_name": queue, "Message_Type": "Notification"})


def webhook_body(text: str, options: Mapping[str, Any]) -> str:
    """The text within the subscription's template, where it has one."""
    if "post_data" not in options:
        return text
    template = options["post_data"]
    return (template if isinstance(template, str) else json.dumps(template)).replace(PLACEHOLDER, text)


def webhook_headers(options: Mapping[str, Any]) -> dict[str, str]:
    """Content-Type and the subscription's own headers, which win."""
    own = {str(name): str(value) for name, value in (options.get("post_headers") or {}).items()}
    names = {name.lower() for name in own}
    return {**{name: value for name, value in HEADERS.items() if name.lower() not in names}, **own}


def signed(key: str, path: str, method: str, project: str | None, expires: datetime) -> dict[str, str]:
    """Signature and what it signs: who has these may call `method` on `path` until then.

    Zaqar checks an HMAC of SHA-256 over four parts with a backslash and an n between them.
    """
    until = expires.strftime("%Y-%m-%dT%H:%M:%S")
    text = r"\n".join([path, method, str(project), until])
    return {
        "URL-Signature": hmac.new(key.encode(), text.encode(), hashlib.sha256).hexdigest(),
        "URL-Methods": method,
        "URL-Paths": path,
        "URL-Expires": until,
    }


def confirm_path(queue: str, subscription_id: str) -> str:
    """Where a subscription is confirmed."""
    return f"/v2/queues/{quote(queue, safe='')}/subscriptions/{quote(subscription_id, safe='')}/confirm"


def confirmation(
    key: str,
    queue: str,
    subscription_id: str,
    project: str | None,
    expires: datetime,
    *,
    unsubscribed: bool = False,
    endpoint: str = "",
    websocket_endpoint: str = "",
) -> dict[str, Any]:
    """What is sent to have a subscription confirmed, or to say that it ended and how to come back."""
    path = confirm_path(queue, subscription_id)
    if unsubscribed:
        kind = "UnsubscribeConfirmation"
        text = f"The subscription to queue {queue} has ended. Sending SubscribeBody takes it up again."
    else:
        kind = "SubscriptionConfirmation"
        text = f"A subscription to queue {queue} was asked for. Sending SubscribeBody confirms it."
    body: dict[str, Any] = {
        "Message_Type": kind,
        "Message": text,
        **signed(key, path, "PUT", project, expires),
        "X-Project-ID": project,
        "SubscribeBody": {"confirmed": True},
        "UnsubscribeBody": {"confirmed": False},
        "queue_name": queue,
    }
    if endpoint:
        body["WSGISubscribeURL"] = urljoin(endpoint, path)
    if websocket_endpoint:
        body["WebSocketSubscribeURL"] = urljoin(websocket_endpoint, path)
    return body


def confirmation_link(page: str, body: Mapping[str, Any]) -> str:
    """The link in a mail: the page that confirms, with what it needs in the query."""
    query = {
        "Signature": body["URL-Signature"],
        "Methods": body["URL-Methods"],
        "Paths": body["URL-Paths"],
        "Project": body["X-Project-ID"] or "",
        "Expires": body["URL-Expires"],
        "Url": body.get("WSGISubscribeURL", ""),
        "Queue": body["queue_name"],
    }
    return f"{page}{'&' if '?' in page else '?'}{urlencode(query, safe='/:')}"
