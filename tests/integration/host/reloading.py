"""What the tests of reloads share."""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from running_host import RunningHost, event, faulty, wait_for


def plugin(folder: Path, name: str, *flags: str, **more: Any) -> dict[str, Any]:
    return faulty("--ledger", str(folder / name), "--ledger-sync", "none", *flags, name=name, **more)


def route(name: str, to: str, kind: str = "#", **more: Any) -> dict[str, Any]:
    return {"name": name, "source": {"service": "storyboard", "events": [kind]}, "to": [to], **more}


def reload(host: RunningHost, *words: str) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(host.command("reload", "--json", *words).stdout)
    return value


def replaced(host: RunningHost, name: str, before: list[int], count: int) -> bool:
    now = host.pids(name)
    return len(now) == count and not set(now) & set(before)


def instances(host: RunningHost) -> list[tuple[str, list[tuple[str, str]]]]:
    return [(p["name"], [(i.get("pid", ""), i["state"]) for i in p["instances"]]) for p in host.status()["plugins"]]


def wait_until_all_serve(host: RunningHost) -> None:
    wait_for("all serve", lambda: all(i[1] == "ready" for _, its in instances(host) for i in its))


def refused(host: RunningHost, *words: str, code: int = 1) -> str:
    """What the host says of a config that it does not take; all is as before."""
    wait_until_all_serve(host)
    before = instances(host)
    lanes = [(lane["name"], lane["state"]) for lane in host.status()["lanes"]]
    done = host.command("reload", *words, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    wait_for("the instances are those of before", lambda: instances(host) == before)
    assert [(lane["name"], lane["state"]) for lane in host.status()["lanes"]] == lanes
    return done.stderr


@contextmanager
def publishing(host: RunningHost, *, kind: str = "story.post") -> Iterator[list[str]]:
    """Publishes in small batches all the time; the list of ids is whole at the end."""
    ids: list[str] = []
    over = threading.Event()

    def publish() -> None:
        for start in itertools.count(0, 50):
            ids.extend(host.publish([event(n, kind=kind) for n in range(start, start + 50)]))
            if over.is_set():
                return

    thread = threading.Thread(target=publish)
    thread.start()
    try:
        yield ids
    finally:
        over.set()
        thread.join()


def changes(said: dict[str, Any]) -> list[tuple[str, str, str]]:
    return [(c["kind"].removeprefix("KIND_").lower(), c["section"], c.get("name", "")) for c in said["changes"]]
