"""A plugin made with the Python SDK that plays every role, for `outboard conform`."""

from __future__ import annotations

import outboard

app = outboard.Plugin("roles", "1.0", config_schema={"type": "object", "additionalProperties": False})


@app.check_config
def check(config: outboard.Config) -> list[str]:
    return ["takes no config"] if config else []


@app.worker(emits=["roles.*"])
def echo(event: outboard.Event) -> outboard.Done:
    return outboard.Done(emits=[outboard.NewEvent("roles.echoed", event.data)])


@app.worker(in_order=True, concurrency=4)
def ordered(event: outboard.Event) -> None:
    if event.id.endswith("5"):
        raise outboard.Retry("as asked", reason="AS_ASKED")


@app.worker(concurrency=20)
async def tasks(event: outboard.Event) -> None:
    pass


@app.stage
def change(event: outboard.Event) -> outboard.Continue:
    return outboard.Continue(data={"seen": True})


@app.stage(operations=["*"])
def calls(call: outboard.Event | outboard.Call) -> outboard.Continue | outboard.Halt | None:
    if not isinstance(call, outboard.Call):
        return None
    return outboard.Halt({"args": call.args}) if len(call.args) > 1 else outboard.Continue(args=[1, 2])


@app.stage(operations=["create", "delete"])
async def answers(call: outboard.Event | outboard.Call) -> outboard.Halt:
    return outboard.Halt({"answered": True}) if isinstance(call, outboard.Call) else outboard.Halt()


@app.producer
def put(event: outboard.Event) -> outboard.Accepted:
    return outboard.Accepted(len(event.id))


if __name__ == "__main__":
    outboard.serve(app)
