"""A worker behind the stage: prints what reaches it."""

import outboard

app = outboard.Plugin("__NAME__-printer", version="0.1.0")


@app.worker(name="__NAME__-printer")
def show(event: outboard.Event) -> None:
    print(f"{event.type} {event.subject}: {event.data.decode(errors='replace')}", flush=True)


if __name__ == "__main__":
    outboard.serve(app)
