"""What the ways of sending have in common."""

from __future__ import annotations

from urllib.parse import urlsplit


class Failed(Exception):
    """One attempt failed. `again`: another may do better, not before `after` seconds."""

    def __init__(self, message: str, *, again: bool, after: float = 0.0) -> None:
        super().__init__(message)
        self.again = again
        self.after = after


def shown(subscriber: str) -> str:
    """A subscriber as the log may show it: without password and query."""
    try:
        url = urlsplit(subscriber)
    except ValueError:
        return "an address that is no URL"
    place = url.netloc.rpartition("@")[2]
    return f"{url.scheme}:{'//' if place else ''}{place}{url.path}"


def scheme_of(subscriber: str) -> str:
    """In small letters; empty for what is no URL."""
    return subscriber.partition(":")[0].lower() if ":" in subscriber else ""
