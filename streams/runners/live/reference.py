"""The topics of reference data and configurations, read whole by every worker and followed."""

from __future__ import annotations

import threading

from streams.catalogue import CONFIGURATIONS
from streams.errors import GapError
from streams.kafka.reader import Span
from streams.runners.epoch import Row
from streams.runners.live import kafka
from streams.runners.live.setup import Setup
from streams.runners.reference import ReferenceData
from streams.time.limits import ClassTable


class Whole:
    """One topic of one partition, kept for ever, followed from its first offset on."""

    def __init__(self, setup: Setup, name: str) -> None:
        self.setup, self.topic, self.next = setup, setup.catalogue.of(name).name, 0

    def new(self) -> list[Row]:
        """Committed records since the last call."""
        with kafka.reader(self.setup) as reader:
            low, end = reader.span(self.topic, 0)
            if low > self.next:
                raise GapError("records of a topic that is kept for ever are gone", topic=self.topic, expected=self.next, log_start=low)
            parts = reader.read({(self.topic, 0): Span(self.next, end)})
            found = [Row(self.topic, r.offset, 1000 * r.timestamp_ms, r.key, r.value) for part in parts for r in part.records]
        if found:
            self.next = found[-1].offset + 1
        return found


class Reference:
    """What the two topics hold, as far as read. `refresh` blocks."""

    def __init__(self, setup: Setup) -> None:
        self.data = ReferenceData(setup.configuration.application, setup.writer)
        self._topics = {topic: Whole(setup, topic) for topic in setup.topology.reference}
        self._configurations = Whole(setup, CONFIGURATIONS)
        self._lock = threading.Lock()

    def refresh(self) -> None:
        """Read what is new, to the end."""
        with self._lock:
            self.data.add_configurations(self._configurations.new())
            for topic, whole in self._topics.items():
                self.data.add(topic, whole.new())

    def class_table(self, fingerprint: str) -> ClassTable:
        """Lane classes of a configuration that results name; reads on where it is not known yet: it was kept before they were written."""
        if not self.data.knows(fingerprint):
            self.refresh()
        return self.data.class_table(fingerprint)

    def offsets(self) -> dict[str, int]:
        """The offset behind the last row of each reference topic."""
        return {topic: self.data.next_of(topic) for topic in self._topics}
