"""Tells subscribers of stories what happened: one row each, as StoryBoard's subscription worker."""

from __future__ import annotations

from typing import Any

import outboard
from settings import SCHEMA, faults
from store import store_at
from timeline import parse

app = outboard.Plugin("notifier", version="0.1.0", config_schema=SCHEMA)
app.check_config(faults)


@app.on_open
def open_store(config: dict[str, Any]) -> Any:
    """The store of the session's config."""
    return store_at(config["database"], config.get("subscriptions", {}))


# Many at once, so that one commit carries many events; each is answered after its commit.
@app.worker(events=["timeline_event.#"], concurrency=256)
async def notify(event: outboard.Event, ctx: outboard.Context) -> None:
    """Writes the rows of one event."""
    notice = parse(event.data)
    if notice is not None:
        await ctx.state.add(event.id, notice)


if __name__ == "__main__":
    outboard.serve(app)
