"""Tells subscribers, behind the calls."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import bodies
import mail
import outboard
import policy
import webhook
from counts import Counts
from pool import Pool
from schedule import Bounds
from sending import Failed, scheme_of, shown
from settings import Settings
from subscribers import Caller, FromConfig, FromHost, NoSource, Source

log = logging.getLogger("notifier-stage")

# Threads that ask for subscriptions, and how often they do where no answer comes.
LOOKUPS = 4
PATIENCE = [min(5.0, 0.05 * 2.0**n) for n in range(12)]


class Notifier:
    """Takes what was posted and tells the subscribers of the queue. Safe on any thread."""

    def __init__(self, settings: Settings, host: FromHost | None = None) -> None:
        """`host`: instead of a connection to the host of the settings."""
        self.settings = settings
        self.counts = Counts()
        if host is None and settings.host:
            host = FromHost(
                outboard.Pipelines(settings.host), settings.subscription_pipeline, settings.queue_pipeline
            )
        self.host = host
        self.source: Source = host or FromConfig(settings.subscriptions)
        self.webhooks = webhook.Webhooks(settings.timeout, settings.ca_file)
        smtp = settings.smtp
        self.mailer = mail.Mailer(timeout=settings.timeout, **smtp) if smtp else None
        most = settings.max_pending
        share = settings.max_pending_per_subscriber or max(1, most // 4)
        posts = Bounds(most, settings.max_pending_bytes, most)
        self._lookups = Pool("lookup", LOOKUPS, per_key=LOOKUPS, bounds=posts)
        notifications = Bounds(most, settings.max_pending_bytes, share)
        self._senders = Pool("sender", settings.workers, per_key=settings.per_target, bounds=notifications)

    def posted(self, caller: Caller, messages: Sequence[Mapping[str, Any]]) -> None:
        """Messages are on their way to a queue."""
        texts = [bodies.notification(message, caller.queue) for message in messages]
        if texts:
            self._lookups.add(_Lookup(self, caller, texts))

    def subscribed(self, caller: Caller, subscriber: str) -> None:
        """A subscription is being made: it gets a confirmation once it is there, unless it is confirmed."""
        host = self.host
        if host is not None and self._confirms():
            self._lookups.add(
                _Confirmation(self, caller, lambda: host.find(caller, subscriber), unsubscribed=False)
            )

    def unsubscribed(self, caller: Caller, subscription_id: str) -> None:
        """A subscription is being ended by `confirmed=False`: it is told so once that is done."""
        host = self.host
        if host is not None and self._confirms():
            self._lookups.add(
                _Confirmation(self, caller, lambda: host.get(caller, subscription_id), unsubscribed=True)
            )

    def stats(self) -> dict[str, Any]:
        """What became of all so far."""
        return {**self.counts.as_json(), "lookups": self._lookups.pending, "pending": self._senders.pending}

    def wait_idle(self, timeout: float) -> bool:
        """Waits until all is sent or dropped; False: it is not within so many seconds."""
        return self._lookups.wait_idle(timeout) and self._senders.wait_idle(timeout)

    def close(self, grace: float) -> None:
        """Sends what is ready, for at most so many seconds; the rest is dropped."""
        self._lookups.close(grace / 2)
        self._senders.close(grace / 2)

    def tell(self, subscription: Any, texts: Sequence[str], queue_policy: Mapping[str, Any]) -> None:
        """Sends each text to one subscriber, if that is to be told."""
        if not _is_subscription(subscription):
            self.counts.dropped("no subscription", "an entry of the list without subscriber, or with broken options")
            return
        if self.settings.require_confirmation and not subscription.get("confirmed", True):
            self.counts.skipped()
            return
        subscriber: str = subscription["subscriber"]
        options = subscription.get("options") or {}
        retries = self._delays(subscriber, options.get("_retry_policy"), queue_policy)
        for text in texts:
            self._send(subscriber, text, options, retries)

    def confirm(self, subscription: Mapping[str, Any], caller: Caller, *, unsubscribed: bool) -> None:
        """Sends the confirmation of a subscription."""
        settings = self.settings
        expires = datetime.now(UTC) + timedelta(seconds=settings.valid_for)
        body = bodies.confirmation(
            settings.signing_key,
            caller.queue,
            str(subscription["id"]),
            caller.project,
            expires,
            unsubscribed=unsubscribed,
            endpoint=settings.endpoint,
            websocket_endpoint=settings.websocket_endpoint,
        )
        subscriber: str = subscription["subscriber"]
        options = subscription.get("options") or {}
        retries = self._delays(subscriber, options.get("_retry_policy"), {})
        if scheme_of(subscriber) != "mailto":
            # The template is for messages.
            plain = {name: value for name, value in options.items() if name != "post_data"}
            self._send(subscriber, json.dumps(body), plain, retries)
        elif not settings.confirmation_page:
            self.counts.dropped("no confirmation page", f"{shown(subscriber)}; set confirmation.page in the config")
        else:
            words = settings.unsubscribe_mail if unsubscribed else settings.subscribe_mail
            link = bodies.confirmation_link(settings.confirmation_page, body)
            text = words["body"].format(caller.queue, caller.project or "", link)
            self._send(subscriber, text, {"from": words["from"], "subject": words["subject"]}, retries, bare=True)

    def _send(
        self, subscriber: str, text: str, options: Mapping[str, Any], retries: Sequence[float], *, bare: bool = False
    ) -> None:
        """`bare`: the subject is that of the options, whatever the URI says."""
        scheme = scheme_of(subscriber)
        if scheme in webhook.SCHEMES and not webhook.fault(subscriber):
            body, headers = bodies.webhook_body(text, options), bodies.webhook_headers(options)
            job = _Notification(
                self,
                webhook.target(subscriber),
                subscriber,
                len(body),
                retries,
                lambda: self.webhooks.post(subscriber, body, headers),
            )
        elif scheme == "mailto" and self.mailer is not None:
            mailer, sender = self.mailer, str(options.get("from", ""))
            subject = str(options["subject"]) if bare else mail.subject_of(subscriber, options)
            job = _Notification(
                self,
                "mail",
                subscriber,
                len(text),
                retries,
                lambda: mailer.send(subscriber, text, sender=sender, subject=subject),
            )
        else:
            self.counts.dropped(*refusal(subscriber))
            return
        # Where there is no room the lookup waits; posts that come meanwhile are bounded in turn.
        self._senders.add(job, wait=True)

    def _delays(self, subscriber: str, own: Any, of_queue: Mapping[str, Any]) -> list[float]:
        own = own if isinstance(own, dict) else {}
        try:
            return policy.delays(policy.chosen(own, of_queue, self.settings.retry_policy))
        except ValueError as error:
            log.warning("the retry policy for %s is wrong, so the default counts: %s", shown(subscriber), error)
            return policy.delays(self.settings.retry_policy)

    def _confirms(self) -> bool:
        return self.settings.require_confirmation and bool(self.settings.signing_key)


def refusal(subscriber: str) -> tuple[str, str]:
    """Why a subscriber is not told: the cause, and what to do."""
    scheme = scheme_of(subscriber)
    if scheme in ("trust+http", "trust+https"):
        return (
            "no trusts",
            f"{shown(subscriber)}: trusts of Keystone are not supported; use {scheme.removeprefix('trust+')}:// and"
            " a header in post_headers",
        )
    if scheme == "mailto":
        return "no mail server", f"{shown(subscriber)}; set smtp in the config"
    return "bad subscriber", f"{shown(subscriber)}; use http://, https:// or mailto:"


def _is_subscription(value: Any) -> bool:
    if not isinstance(value, dict) or not isinstance(value.get("subscriber"), str):
        return False
    options = value.get("options") or {}
    return isinstance(options, dict) and isinstance(options.get("post_headers") or {}, dict)


class _Notification:
    """One text for one subscriber."""

    def __init__(
        self,
        notifier: Notifier,
        key: str,
        subscriber: str,
        size: int,
        retries: Sequence[float],
        attempt: Callable[[], None],
    ) -> None:
        self.key = key
        self.owner = subscriber
        self.size = size
        self._notifier = notifier
        self._subscriber = subscriber
        self._retries = retries
        self._tried = 0
        self._attempt = attempt

    def run(self) -> float | None:
        """One attempt."""
        counts = self._notifier.counts
        try:
            self._attempt()
        except Failed as failed:
            what = f"{shown(self._subscriber)}: {failed}"
            if not failed.again:
                counts.dropped("refused", what)
            elif self._tried >= len(self._retries):
                counts.dropped("all retries failed", what)
            else:
                self._tried += 1
                counts.retried()
                log.debug("attempt %d failed: %s", self._tried, what)
                return max(self._retries[self._tried - 1], failed.after)
            return None
        counts.sent()
        return None

    def drop(self, why: str) -> None:
        """It is given up."""
        self._notifier.counts.dropped(why, shown(self._subscriber))


class _Asking:
    """Asks the source until it answers or patience ends."""

    key = ""
    owner = ""

    def __init__(self, notifier: Notifier, caller: Caller, size: int) -> None:
        self.size = size
        self.notifier = notifier
        self.caller = caller
        self._tried = 0

    def run(self) -> float | None:
        """One question, or what it takes of them."""
        try:
            self.ask()
        except NoSource as error:
            if error.again and self._tried < len(PATIENCE):
                self._tried += 1
                return PATIENCE[self._tried - 1]
            self.notifier.counts.dropped("no subscriptions from the host", f"queue {self.caller.queue}: {error}")
        return None

    def ask(self) -> None:
        """Raises NoSource."""
        raise NotImplementedError

    def drop(self, why: str) -> None:
        """It is given up."""
        self.notifier.counts.dropped(f"lookups, {why}", f"queue {self.caller.queue}")


class _Lookup(_Asking):
    """Pages through the subscriptions of a queue, and has each told."""

    def __init__(self, notifier: Notifier, caller: Caller, texts: Sequence[str]) -> None:
        super().__init__(notifier, caller, sum(map(len, texts)))
        self._texts = texts
        self._policy: Mapping[str, Any] | None = None
        self._marker: Any = None

    def ask(self) -> None:
        """Goes on where it failed, so that nobody is told twice."""
        source = self.notifier.source
        if self._policy is None:
            self._policy = self._of_queue()
        while True:
            found, marker = source.page(self.caller, self._marker)
            for subscription in found:
                self.notifier.tell(subscription, self._texts, self._policy)
            if not marker or marker == self._marker:
                return
            self._marker = marker

    def _of_queue(self) -> Mapping[str, Any]:
        try:
            return self.notifier.source.policy(self.caller)
        except NoSource as error:
            if error.again:
                raise
            log.warning("no retry policy of queue %s, so the default counts: %s", self.caller.queue, error)
            return {}


class _Confirmation(_Asking):
    """Waits until the store has done what was asked, then has the subscriber told."""

    def __init__(
        self,
        notifier: Notifier,
        caller: Caller,
        look: Callable[[], Mapping[str, Any] | None],
        *,
        unsubscribed: bool,
    ) -> None:
        super().__init__(notifier, caller, 0)
        self._look = look
        self._unsubscribed = unsubscribed

    def ask(self) -> None:
        """A stage sees a call before the store does, and never its answer: so it looks until it is done."""
        subscription = self._look()
        if subscription is None or not _is_subscription(subscription) or "id" not in subscription:
            raise NoSource("there is no such subscription", again=True)
        confirmed = subscription.get("confirmed", True)
        if self._unsubscribed and confirmed:
            raise NoSource("it is still confirmed", again=True)
        if not confirmed:
            self.notifier.confirm(subscription, self.caller, unsubscribed=self._unsubscribed)
