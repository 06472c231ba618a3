"""A worker for tests: appends each event that it gets to a file, as a line of JSON, and does what its
attribute `act` says. One after the other, in the order of arrival."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import outboard

app = outboard.Plugin("recorder")
RECORDS = Path(sys.argv[1])
DERIVED = "derived"


@app.worker(emits=[DERIVED], concurrency=1)
def record(event: outboard.Event, ctx: outboard.Context) -> outboard.Done | None:
    attributes = {name: str(value) for name, value in event.attributes.items()}
    line = {"id": event.id, "source": event.source, "type": event.type, "subject": event.subject,
            "attributes": attributes, "data": event.data.decode(), "attempt": ctx.attempt}
    with RECORDS.open("a") as file:
        file.write(json.dumps(line) + "\n")
    while attributes.get("act") == "wait" and not RECORDS.with_name(RECORDS.name + ".go").exists():
        time.sleep(0.01)
    if attributes.get("act") == "retry":
        raise outboard.Retry("as asked")
    if attributes.get("act") == "emit":
        trace = {name: value for name, value in attributes.items() if name in ("traceparent", "tracestate")}
        return outboard.Done(emits=[outboard.NewEvent(DERIVED, {"of": event.id}, source=DERIVED, attributes=trace)])
    return None


if __name__ == "__main__":
    outboard.serve(app)
