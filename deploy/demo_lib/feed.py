"""The sample feed in rounds, published by `outboard publish`."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path
from typing import Any

from paths import SAMPLES
from serving import Host, end_with_us

SAMPLE = SAMPLES / "tracker-feed.ndjson"


def read_events(path: Path) -> list[dict[str, Any]]:
    with path.open() as lines:
        return [json.loads(line) for line in lines if line.strip()]


class Feed:
    """Writes each round into a file of its own, with fresh ids, and publishes it."""

    def __init__(self, folder: Path, host: Host) -> None:
        self._folder = folder
        self._host = host
        self._sample = read_events(SAMPLE)
        self._publisher: subprocess.Popen[str] | None = None
        # Of earlier runs too, where their data was kept.
        self.events = [event for path in sorted(folder.glob("feed-*.ndjson")) for event in read_events(path)]

    @property
    def confirmed_log(self) -> Path:
        return self._folder / "confirmed.log"

    def publish(self, *, rate: float | None, first: int = 0, last: int | None = None) -> None:
        """Begins to publish lines first to last of the sample."""
        number = len(list(self._folder.glob("feed-*.ndjson"))) + 1
        events = [{**event, "id": f"{event['id']}-{number}"} for event in self._sample[first:last]]
        path = self._folder / f"feed-{number:05}.ndjson"
        path.write_text("".join(json.dumps(event, ensure_ascii=False) + "\n" for event in events))
        self.events += events
        command = self._host.command("publish", "--file", str(path), "--confirmed-log", str(self.confirmed_log))
        if rate is not None:
            command += ["--rate", str(rate)]
        with (self._folder / "publish.log").open("a") as log:
            self._publisher = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log,
                                               stderr=subprocess.STDOUT, text=True, start_new_session=True,
                                               preexec_fn=end_with_us)

    def over(self) -> bool:
        """Nothing is being published."""
        return self._publisher is None or self._publisher.poll() is not None

    def fault(self) -> str:
        """Why the last round failed; empty: it did not."""
        if self._publisher is None or self._publisher.poll() in (None, 0):
            return ""
        lines = (self._folder / "publish.log").read_text(errors="replace").splitlines()
        return f"outboard publish ended with {self._publisher.returncode}: " + "; ".join(lines[-3:])

    def size(self) -> int:
        return len(self._sample)

    def stop(self) -> None:
        """Waits until what is under way is confirmed."""
        if self._publisher is None or self.over():
            return
        self._publisher.send_signal(signal.SIGINT)
        try:
            self._publisher.wait(5)
        except subprocess.TimeoutExpired:
            self._publisher.kill()
            self._publisher.wait()
