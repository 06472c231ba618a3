"""A worker for tests that publishes on its own, and emits, the types that an event's data names."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import outboard

app = outboard.Plugin("teller")
RECORDS = Path(sys.argv[1])


@app.worker(emits=["#"], concurrency=1)
def tell(event: outboard.Event) -> outboard.Done:
    asked = json.loads(event.data)
    line = {"id": event.id, "told": [], "has_token": "OUTBOARD_TOKEN" in os.environ}
    if asked.get("show_token"):
        print("my token is", os.environ["OUTBOARD_TOKEN"], file=sys.stderr)
    for kind in asked.get("publish", []):
        try:
            with outboard.Publisher() as publisher:
                publisher.publish(outboard.NewEvent(kind, {}, source="teller"))
            line["told"].append("confirmed")
        except (outboard.PublishError, ValueError) as error:
            line["told"].append(str(error))
    with RECORDS.open("a") as file:
        file.write(json.dumps(line) + "\n")
    return outboard.Done(emits=[outboard.NewEvent(kind, {}, source="teller") for kind in asked.get("emit", [])])


if __name__ == "__main__":
    outboard.serve(app)
