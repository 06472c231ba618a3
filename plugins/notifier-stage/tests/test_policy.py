"""When a notification is tried again."""

from __future__ import annotations

from typing import Any

import policy
import pytest


def test_the_default_is_zaqars() -> None:
    assert policy.delays({}) == [0, 0, 0, 5, 5, 5, 5, 10, 15, 20, 25, 30, 30, 30]


@pytest.mark.parametrize(
    ("name", "least", "most", "expected"),
    [
        ("linear", 5, 30, [5, 10, 15, 20, 25]),
        ("linear", 5, 31, [5, 10, 15, 20, 25, 30]),
        ("exponential", 10, 60, [10, 12, 14, 18, 22, 27, 33, 40, 49, 60]),
        ("geometric", 20, 80, [20, 22, 25, 29, 33, 37, 42, 48, 54, 62, 70, 80]),
        ("arithmetic", 30, 100, [30, 30, 32, 34, 37, 41, 46, 51, 57, 64, 72, 80, 90, 100]),
        ("geometric", 5, 12, [5]),
        ("geometric", 5, 5, []),
        ("exponential", 0, 60, []),
        ("arithmetic", 60, 10, []),
        ("linear", 60, 10, []),
    ],
)
def test_the_backoff_functions(name: str, least: float, most: float, expected: list[float]) -> None:
    assert policy.backoff(name, least, most) == expected


def test_each_part_can_be_changed() -> None:
    assert policy.delays(
        {
            "retries_with_no_delay": 1,
            "minimum_delay_retries": 2,
            "minimum_delay": 10,
            "maximum_delay": 20,
            "maximum_delay_retries": 0,
            "retry_backoff_function": "geometric",
        }
    ) == [0, 10, 10, 10, 20]


@pytest.mark.parametrize(
    "wrong",
    [
        {"minimum_delay": -1},
        {"maximum_delay": "30"},
        {"retries_with_no_delay": 1.5},
        {"minimum_delay_retries": 10_000_000},
        {"maximum_delay_retries": True},
        {"retry_backoff_function": "random"},
        {"retry_backoff_function": []},
    ],
)
def test_nonsense_is_refused_by_name(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        policy.delays(wrong)


def test_no_policy_makes_endless_retries() -> None:
    assert len(policy.delays({"minimum_delay": 0, "maximum_delay": 86400})) <= policy.LIMIT + 9


OWN, QUEUE, DEFAULT = {"minimum_delay": 1}, {"minimum_delay": 2}, {"minimum_delay": 3}
IGNORE = {"ignore_subscription_override": True}


@pytest.mark.parametrize(
    ("own", "queue", "expected"),
    [
        (OWN, QUEUE, OWN),
        (None, QUEUE, QUEUE),
        ({}, {}, DEFAULT),
        (OWN, {**QUEUE, **IGNORE}, {**QUEUE, **IGNORE}),
        ({**OWN, **IGNORE}, QUEUE, QUEUE),
        ({**OWN, **IGNORE}, None, DEFAULT),
    ],
)
def test_the_subscriptions_own_wins_unless_it_is_to_be_ignored(own: Any, queue: Any, expected: Any) -> None:
    assert policy.chosen(own, queue, DEFAULT) == expected
