"""What clients of a host have in common."""

from __future__ import annotations

import os
from typing import Self

import grpc

Metadata = tuple[tuple[str, str], ...]


def find(target: str | None, token: str | None) -> tuple[str, Metadata]:
    """Where the host is, and what each call carries.

    Without a target both are what the host gave to this plugin, if it may publish.
    """
    if target is None:
        target = os.environ.get("OUTBOARD_PUBLISH")
        if not target:
            raise ValueError(
                "no target: give one, or let the host set $OUTBOARD_PUBLISH: it does so for"
                " plugins with publish: in its configuration"
            )
        token = token or os.environ.get("OUTBOARD_TOKEN")
    return target, (("authorization", f"Bearer {token}"),) if token else ()


class Connection:
    """A channel to the host at `target`; a context manager that closes it."""

    def __init__(
        self,
        target: str | None = None,
        *,
        token: str | None = None,
        credentials: grpc.ChannelCredentials | None = None,
    ) -> None:
        target, self._metadata = find(target, token)
        self._channel = (
            grpc.secure_channel(target, credentials)
            if credentials
            else grpc.insecure_channel(target)
        )

    def close(self) -> None:
        """Closes the connection."""
        self._channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
