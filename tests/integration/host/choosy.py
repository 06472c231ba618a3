"""A worker for tests: refuses stories without a title, each with a message of its own.

Where the attribute `act` says "busy" it asks for another try, at "refuse" it refuses in any case. What it handles it
appends to a file, as a line of JSON."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import outboard

app = outboard.Plugin("choosy", version="2.1")
HANDLED = Path(sys.argv[1])


@app.worker(concurrency=1)
def choose(event: outboard.Event) -> None:
    if event.attributes.get("act") == "busy":
        raise outboard.Retry(f"busy with {event.id}", reason="BUSY")
    if event.attributes.get("act") == "refuse":
        raise outboard.Reject("not for us", reason="NOT_OURS")
    story = event.json()
    if "title" not in story:
        raise outboard.Reject(f"no title in story {story['number']} of '{event.subject}'", reason="NO_TITLE")
    attributes = {name: str(value) for name, value in event.attributes.items()}
    with HANDLED.open("a") as file:
        file.write(json.dumps({"id": event.id, "data": story, "attributes": attributes}) + "\n")


if __name__ == "__main__":
    outboard.serve(app)
