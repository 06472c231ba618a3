"""The stage's modules are imported as the program imports them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from servers import Inbox, Mailbox  # noqa: E402  (after the path is set)


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    """An HTTP server."""
    with Inbox() as inbox:
        yield inbox


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    """An SMTP server."""
    with Mailbox() as mailbox:
        yield mailbox
