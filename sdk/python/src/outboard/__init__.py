"""Write plugins for the Outboard event bus host.

    import outboard

    app = outboard.Plugin("hello", version="1.0")

    @app.worker(events=["story.#"])
    def greet(event: outboard.Event) -> None:
        print(event.id, event.json())

    if __name__ == "__main__":
        outboard.serve(app)

A handler that returns has handled the event. It raises `Retry`, `Reject` or `Release` to say
otherwise; any other exception counts as `Retry`.
"""

from outboard._app import ConfigError, Plugin
from outboard._calls import Call
from outboard._client import AsyncPublisher, Publisher, PublishError
from outboard._events import Event, NewEvent
from outboard._pipelines import Answer, InvokeError, PipelineCalls, Pipelines
from outboard._server import serve
from outboard._session import Context
from outboard._verdicts import Accepted, Continue, Done, Halt, Reject, Release, Retry
from outboard._version import __version__

__all__ = [
    "Accepted",
    "Answer",
    "AsyncPublisher",
    "Call",
    "ConfigError",
    "Context",
    "Continue",
    "Done",
    "Event",
    "Halt",
    "InvokeError",
    "NewEvent",
    "PipelineCalls",
    "Pipelines",
    "Plugin",
    "PublishError",
    "Publisher",
    "Reject",
    "Release",
    "Retry",
    "__version__",
    "serve",
]
