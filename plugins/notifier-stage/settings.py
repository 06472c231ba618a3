"""The config of the stage."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import mail
import policy
import webhook
from outboard import ConfigError
from sending import scheme_of

TEXT = {"type": "string"}
NAME = {"type": "string", "minLength": 1}
POSITIVE = {"type": "integer", "minimum": 1}
COUNT = {"type": "integer", "minimum": 0}
SECONDS = {"type": "number", "minimum": 0}


def _object(properties: dict[str, Any], *required: str, description: str = "") -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "object", "additionalProperties": False, "properties": properties}
    if required:
        schema["required"] = list(required)
    if description:
        schema["description"] = description
    return schema


POLICY = _object(
    {
        "retries_with_no_delay": COUNT,
        "minimum_delay_retries": COUNT,
        "minimum_delay": SECONDS,
        "maximum_delay": SECONDS,
        "maximum_delay_retries": COUNT,
        "retry_backoff_function": {"enum": list(policy.FUNCTIONS)},
        "ignore_subscription_override": {"type": "boolean"},
    },
    description="Where neither subscription nor queue has one. Delays in seconds.",
)
MAIL_TEMPLATE = _object({"from": TEXT, "subject": TEXT, "body": TEXT})
SCHEMA: dict[str, Any] = _object(
    {
        "host": {**NAME, "description": "Whose pipelines know the subscriptions: unix:/path or host:port."},
        "pipelines": _object(
            {"subscription": NAME, "queue": {**TEXT, "description": "Empty: queues have no retry policies."}},
            description="Their names at that host; default: subscription and queue.",
        ),
        "subscriptions": {
            "type": "array",
            "description": "Instead of `host`: all subscriptions.",
            "items": _object(
                {
                    "queue": NAME,
                    "project": TEXT,
                    "subscriber": NAME,
                    "confirmed": {"type": "boolean"},
                    "options": {"type": "object"},
                },
                "queue",
                "subscriber",
            ),
        },
        "workers": {**POSITIVE, "maximum": 1000, "description": "How many are told at once; default 10."},
        "per_target": {**POSITIVE, "description": "How many of them at one server; default 4."},
        "max_pending": {**POSITIVE, "description": "Notifications in memory, and posts; default 10000."},
        "max_pending_per_subscriber": {**POSITIVE, "description": "Of one subscriber; default a quarter of these."},
        "max_pending_bytes": {**POSITIVE, "description": "Their bytes; default 67108864."},
        "timeout": {**SECONDS, "description": "Seconds that a server may be silent; default 10."},
        "ca_file": {**NAME, "description": "Who signs servers, PEM; default: the system's."},
        "retry_policy": POLICY,
        "require_confirmation": {"type": "boolean", "description": "Tell only who has confirmed; default false."},
        "signing_key": {**TEXT, "description": "Zaqar's signed_url.secret_key. Empty: no confirmation is sent."},
        "confirmation": _object(
            {
                "endpoint": {**NAME, "description": "Public address of the HTTP API."},
                "websocket_endpoint": {**NAME, "description": "Public address of the websocket API."},
                "page": {**NAME, "description": "The page that a mail links to."},
                "valid_for": {**SECONDS, "description": "Seconds that a signature is good for; default 86400."},
                "subscribe_mail": MAIL_TEMPLATE,
                "unsubscribe_mail": MAIL_TEMPLATE,
            }
        ),
        "smtp": _object(
            {
                "host": NAME,
                "port": {**POSITIVE, "maximum": 65535, "description": "Default 25."},
                "starttls": {"type": "boolean"},
                "user": TEXT,
                "password": TEXT,
                "sender": {**TEXT, "description": "Where a subscription has no `from`."},
                "ca_file": NAME,
            },
            "host",
            description="The server that takes mails.",
        ),
    }
)
SUBSCRIBE_MAIL = {
    "from": "",
    "subject": "Please confirm a subscription",
    "body": "A subscription of this address to queue {0} of project {1} was asked for. Confirm it here:\n\n{2}\n\n"
    "Nothing comes unless you do.\n",
}
UNSUBSCRIBE_MAIL = {
    "from": "",
    "subject": "A subscription has ended",
    "body": "The subscription of this address to queue {0} of project {1} has ended. Take it up again here:\n\n{2}\n",
}


@dataclass(frozen=True)
class Settings:
    """A config that is right, with defaults."""

    host: str = ""
    subscription_pipeline: str = "subscription"
    queue_pipeline: str = "queue"
    subscriptions: Sequence[Mapping[str, Any]] = ()
    workers: int = 10
    per_target: int = 4
    max_pending: int = 10_000
    max_pending_per_subscriber: int = 0
    max_pending_bytes: int = 64 * 1024 * 1024
    timeout: float = 10.0
    ca_file: str = ""
    retry_policy: Mapping[str, Any] = field(default_factory=dict)
    require_confirmation: bool = False
    signing_key: str = ""
    endpoint: str = ""
    websocket_endpoint: str = ""
    confirmation_page: str = ""
    valid_for: float = 86400.0
    subscribe_mail: Mapping[str, str] = field(default_factory=lambda: SUBSCRIBE_MAIL)
    unsubscribe_mail: Mapping[str, str] = field(default_factory=lambda: UNSUBSCRIBE_MAIL)
    smtp: Mapping[str, Any] | None = None


def read(config: Mapping[str, Any]) -> Settings:
    """The settings of a config without faults."""
    plain = {k: v for k, v in config.items() if k not in ("pipelines", "confirmation")}
    pipelines, confirmation = config.get("pipelines", {}), dict(config.get("confirmation", {}))
    if "page" in confirmation:
        confirmation["confirmation_page"] = confirmation.pop("page")
    for name, default in (("subscribe_mail", SUBSCRIBE_MAIL), ("unsubscribe_mail", UNSUBSCRIBE_MAIL)):
        confirmation[name] = {**default, **confirmation.get(name, {})}
    return Settings(**plain, **{f"{k}_pipeline": v for k, v in pipelines.items()}, **confirmation)


def faults(config: Mapping[str, Any]) -> Iterator[ConfigError]:
    """What is wrong with a config."""
    found = list(_against(SCHEMA, config, ""))
    yield from found or _senseless(config)


def _senseless(config: Mapping[str, Any]) -> Iterator[ConfigError]:
    """Of a config in which each value by itself may be right."""
    if ("host" in config) == ("subscriptions" in config):
        yield ConfigError(
            "/host",
            "give either host, whose pipelines know the subscriptions (unix:/path of its admin_socket), or a list of"
            " subscriptions",
        )
    if config.get("timeout", 1) == 0:
        yield ConfigError("/timeout", "is 0; give seconds")
    for index, subscription in enumerate(config.get("subscriptions", [])):
        if fault := _subscriber_fault(subscription["subscriber"], "smtp" in config):
            yield ConfigError(f"/subscriptions/{index}/subscriber", fault)
        own = subscription.get("options", {})
        yield from _option_faults(own, f"/subscriptions/{index}/options")
    yield from _policy_faults(config.get("retry_policy", {}), "/retry_policy")
    for path in ("/ca_file", "/smtp/ca_file"):
        parent = config.get("smtp", {}) if path.startswith("/smtp") else config
        if "ca_file" in parent and not os.access(parent["ca_file"], os.R_OK):
            yield ConfigError(path, f"cannot be read: {parent['ca_file']}")
    if bool(config.get("smtp", {}).get("user")) != bool(config.get("smtp", {}).get("password")):
        yield ConfigError("/smtp/user", "and password go together: give both or neither")
    for name in ("subscribe_mail", "unsubscribe_mail"):
        try:
            config.get("confirmation", {}).get(name, {}).get("body", "").format("", "", "")
        except (ValueError, LookupError, AttributeError):
            yield ConfigError(
                f"/confirmation/{name}/body", "{0} is the queue, {1} the project, {2} the link; write {{ for a brace"
            )


def _subscriber_fault(subscriber: str, has_smtp: bool) -> str:
    scheme = scheme_of(subscriber)
    if scheme.startswith("trust+"):
        return "trusts of Keystone are not supported; use http:// or https:// and a header in post_headers"
    if scheme == "mailto":
        if not mail.recipients(subscriber):
            return "has no mail address"
        return "" if has_smtp else "needs a mail server; set smtp"
    return webhook.fault(subscriber)


def _option_faults(options: Mapping[str, Any], path: str) -> Iterator[ConfigError]:
    if not isinstance(options.get("post_headers", {}), dict):
        yield ConfigError(f"{path}/post_headers", "must be an object of names and values")
    own = options.get("_retry_policy", {})
    if isinstance(own, dict):
        yield from _policy_faults(own, f"{path}/_retry_policy")
    else:
        yield ConfigError(f"{path}/_retry_policy", "must be an object")


def _policy_faults(value: Mapping[str, Any], path: str) -> Iterator[ConfigError]:
    try:
        policy.delays(value)
    except ValueError as error:
        yield ConfigError(path, str(error))


TYPES: dict[str, Any] = {
    "object": dict,
    "array": list,
    "string": str,
    "boolean": bool,
    "integer": int,
    "number": (int, float),
}


def _against(schema: Mapping[str, Any], value: Any, path: str) -> Iterator[ConfigError]:
    """Of the schema above, what it uses of JSON Schema; all faults at once, in words."""
    kind = schema.get("type")
    if kind and (not isinstance(value, TYPES[kind]) or (kind != "boolean" and isinstance(value, bool))):
        article = "an" if kind[0] in "aio" else "a"
        yield ConfigError(path, f"must be {article} {kind}")
    elif "enum" in schema and value not in schema["enum"]:
        yield ConfigError(path, f"is {value!r}; use one of {', '.join(schema['enum'])}")
    elif kind == "string" and len(value) < schema.get("minLength", 0):
        yield ConfigError(path, "is empty")
    elif kind in ("integer", "number") and value < schema.get("minimum", value):
        yield ConfigError(path, f"is {value}; at least {schema['minimum']}")
    elif kind in ("integer", "number") and value > schema.get("maximum", value):
        yield ConfigError(path, f"is {value}; at most {schema['maximum']}")
    elif kind == "array":
        for index, item in enumerate(value):
            yield from _against(schema["items"], item, f"{path}/{index}")
    elif kind == "object":
        yield from _members(schema, value, path)


def _members(schema: Mapping[str, Any], value: Mapping[str, Any], path: str) -> Iterator[ConfigError]:
    known = schema.get("properties")
    if known is None:
        return
    for name in schema.get("required", ()):
        if name not in value:
            yield ConfigError(f"{path}/{name}", "is missing")
    for name, item in value.items():
        if name in known:
            yield from _against(known[name], item, f"{path}/{name}")
        else:
            yield ConfigError(f"{path}/{name}", f"is unknown; known are {', '.join(known)}")
