"""Calls of librdkafka that may be tried again, and what it complains about meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final, TypeVar

from confluent_kafka import KafkaError, KafkaException

from streams.errors import FencedError, PlatformError

T = TypeVar("T")

CALL_S: Final = 15.0  # one call to the broker
QUIET: Final = {"log_level": 0}  # librdkafka writes to standard error what we raise
_FENCED = (KafkaError._FENCED, KafkaError.PRODUCER_FENCED, KafkaError.INVALID_PRODUCER_EPOCH)
_FINAL = {KafkaError._AUTHENTICATION, KafkaError._SSL}  # waiting longer does not change these


def attempt(call: Callable[..., T], *arguments: Any, patience_s: float = 1.5 * CALL_S) -> T:
    """Call; again where librdkafka says that this may help. Everything else ends the task: after an indeterminate
    transactional call the producer is never used again."""
    end = time.monotonic() + patience_s
    while True:
        try:
            return call(*arguments)
        except KafkaException as error:
            reason = error.args[0]
            if reason.code() in _FENCED:
                raise FencedError("another owner has taken this task over", reason=reason.str()) from error
            if not reason.retriable() or time.monotonic() > end:
                raise PlatformError("Kafka refused a call", call=getattr(call, "__name__", str(call)), reason=reason.str()) from error
            time.sleep(0.1)


class Trouble:
    """The last thing that librdkafka complained about in the background: the reason when a wait ends in vain."""

    def __init__(self, bootstrap_servers: str) -> None:
        self.bootstrap_servers, self.reason, self.final = bootstrap_servers, "", False

    def note(self, error: Any) -> None:
        """Callback `error_cb` of a client."""
        if error.code() != KafkaError._ALL_BROKERS_DOWN or not self.reason:
            self.reason = f"{error.name()}: {error.str()}"
        self.final = self.final or error.code() in _FINAL

    def error(self, fact: str, **values: Any) -> PlatformError:
        given = {"reason": self.reason} if self.reason else {}
        hint = "see ANDON_KAFKA__* in docs/settings.md"
        return PlatformError(fact, bootstrap_servers=self.bootstrap_servers, **values, **given, hint=hint)
