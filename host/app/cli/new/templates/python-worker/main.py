"""__NAME__: greets each story that has a title."""

import outboard

SETTINGS = {"greeting": {"type": "string"}}
SCHEMA = {"type": "object", "properties": SETTINGS, "additionalProperties": False}
app = outboard.Plugin("__NAME__", version="0.1.0", config_schema=SCHEMA)


@app.check_config
def check(config: dict) -> list[outboard.ConfigError]:
    if not isinstance(config.get("greeting", ""), str):
        return [outboard.ConfigError("/greeting", "must be text")]
    return []


@app.worker(name="__NAME__", events=["story.#"], emits=["greeting.sent"])
def handle(event: outboard.Event, ctx: outboard.Context) -> outboard.Done:
    try:
        title = event.json()["title"]
    except (ValueError, TypeError, KeyError):
        raise outboard.Reject("a story needs a title", reason="NO_TITLE") from None
    text = f"{ctx.config.get('greeting', 'Hello')}: {title}"
    return outboard.Done(emits=[outboard.NewEvent("greeting.sent", {"text": text}, subject=event.subject)])


if __name__ == "__main__":
    outboard.serve(app)
