"""__NAME__: lets stories pass, without the keys that nobody should see."""

import outboard

SETTINGS = {"hide": {"type": "array", "items": {"type": "string"}}}
SCHEMA = {"type": "object", "properties": SETTINGS, "additionalProperties": False}
app = outboard.Plugin("__NAME__", version="0.1.0", config_schema=SCHEMA)


@app.check_config
def check(config: dict) -> list[outboard.ConfigError]:
    hide = config.get("hide", [])
    if not isinstance(hide, list) or not all(isinstance(key, str) for key in hide):
        return [outboard.ConfigError("/hide", "must be a list of keys")]
    return []


@app.stage(name="__NAME__", events=["story.#"])
def handle(event: outboard.Event, ctx: outboard.Context) -> outboard.Continue | outboard.Halt | None:
    try:
        story = event.json()
        story["title"]
    except (ValueError, TypeError, KeyError):
        raise outboard.Reject("a story needs a title", reason="NO_TITLE") from None
    if story.get("draft"):
        return outboard.Halt()
    shown = {key: value for key, value in story.items() if key not in ctx.config.get("hide", [])}
    return None if shown == story else outboard.Continue(data=shown)


if __name__ == "__main__":
    outboard.serve(app)
