"""When a notification is tried again. Pure: seconds in, seconds out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# Zaqar's own.
DEFAULTS: dict[str, Any] = {
    "retries_with_no_delay": 3,
    "minimum_delay_retries": 3,
    "minimum_delay": 5,
    "maximum_delay": 30,
    "maximum_delay_retries": 3,
    "retry_backoff_function": "linear",
}
INTERVAL = 5
FUNCTIONS = ("linear", "arithmetic", "geometric", "exponential")
# Most retries of one phase, whatever a policy says.
LIMIT = 1000
LONGEST = 86400.0


def chosen(
    subscription: Mapping[str, Any] | None, queue: Mapping[str, Any] | None, default: Mapping[str, Any] | None = None
) -> Mapping[str, Any]:
    """The policy that counts: the subscription's, else the queue's, else the default.

    With `ignore_subscription_override` in either, the subscription's does not count.
    """
    own, of_queue = subscription or {}, queue or {}
    if own.get("ignore_subscription_override") or of_queue.get("ignore_subscription_override"):
        own = {}
    return own or of_queue or default or {}


def delays(policy: Mapping[str, Any]) -> list[float]:
    """Seconds before each retry: at once, at the minimum, growing, at the maximum.

    Raises ValueError for a policy that makes no sense.
    """
    least, most = _number(policy, "minimum_delay"), _number(policy, "maximum_delay")
    name = policy.get("retry_backoff_function", DEFAULTS["retry_backoff_function"])
    return [
        *[0.0] * _count(policy, "retries_with_no_delay"),
        *[least] * _count(policy, "minimum_delay_retries"),
        *backoff(name, least, most),
        *[most] * _count(policy, "maximum_delay_retries"),
    ]


def backoff(name: str, least: float, most: float, interval: float = INTERVAL) -> list[float]:
    """The growing delays, as many as intervals lie between the least and the most."""
    if name not in FUNCTIONS:
        raise ValueError(f"retry_backoff_function is {name!r}; use one of {', '.join(FUNCTIONS)}")
    if name == "linear":
        # As a range does: without the end, with a part of an interval.
        steps = min(LIMIT, max(0, -int(-(most - least) // interval)))
        return [least + n * interval for n in range(steps)]
    count = min(LIMIT, int((most - least) / interval))
    if count < 1 or least <= 0:
        return []
    if count == 1:
        return [least]
    if name == "arithmetic":
        growth = 2.0 * (most - least) / (count * (count - 1))
        return [_whole(least + n * (n + 1) * growth / 2) for n in range(count)]
    # Geometric and exponential are two names of one curve.
    return [_whole(least * (most / least) ** (n / (count - 1))) for n in range(count)]


def _whole(seconds: float) -> float:
    """Whole seconds, rounded down; what is a hair below the next is that."""
    return float(int(seconds + 1e-9))


def _number(policy: Mapping[str, Any], key: str) -> float:
    value = policy.get(key, DEFAULTS[key])
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= LONGEST:
        raise ValueError(f"{key} is {value!r}; use seconds, 0 to {LONGEST:.0f}")
    return float(value)


def _count(policy: Mapping[str, Any], key: str) -> int:
    value = policy.get(key, DEFAULTS[key])
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= LIMIT:
        raise ValueError(f"{key} is {value!r}; use a number, 0 to {LIMIT}")
    return value
