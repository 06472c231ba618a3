"""__NAME__: puts each story into a file of its own."""

import os
from pathlib import Path
from urllib.parse import quote

import outboard

SETTINGS = {"path": {"type": "string"}}
SCHEMA = {"type": "object", "properties": SETTINGS, "additionalProperties": False}
app = outboard.Plugin("__NAME__", version="0.1.0", config_schema=SCHEMA)


@app.check_config
def check(config: dict) -> list[outboard.ConfigError]:
    if not isinstance(config.get("path", ""), str):
        return [outboard.ConfigError("/path", "must be the name of a folder")]
    return []


@app.on_open
def make_folder(config: dict) -> Path:
    folder = Path(config.get("path", "outbox"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@app.producer(name="__NAME__", events=["story.#"], concurrency=1)
def handle(event: outboard.Event, ctx: outboard.Context) -> outboard.Accepted:
    folder: Path = ctx.state
    # The same event has the same name: once there, whatever happens.
    name = f"{quote(event.source, safe='')}+{quote(event.id, safe='')}"
    if len(name) > 250:
        raise outboard.Reject("source and id make no file name", reason="ID_TOO_LONG")
    unfinished = folder / (name + ".tmp")
    unfinished.write_bytes(event.data)
    os.replace(unfinished, folder / name)
    return outboard.Accepted(name)


if __name__ == "__main__":
    outboard.serve(app)
