"""Quality: points against frozen limits, and signals that tell nothing; every deviation names the orders that it hits.

    ctx.window ------+--> charts ----> qual.deviation
    ctx.measurement -'                      ^
    ctx.window ----------> signals ---------'

Limits are reference data, `ref.characteristic.v1`. RULES says what it asks for in the part [rules] of a configuration.
"""

from __future__ import annotations

from streams.catalogue import LIMITS
from streams.configuration import Configuration
from streams.operators import IndividualsChart, SignalHealth
from streams.topology import Flow, Topology
from topologies.rules import Rules

RULES = """\
window      = "10 s"             # size of the tumbling windows of context that are points of charts
clear_after = 3                  # good points in a row that end an episode, 1 to 8
stuck       = [["temp*", 6]]     # pattern of the tag, windows in a row with one same value, 2 to 8
missing     = [["*", "1 min"]]   # pattern of the tag, how long no window may come
"""


def quality(configuration: Configuration) -> Topology:
    rules, version = Rules(configuration.rules), configuration.fingerprint
    window_us, clear_after = rules.duration("window"), rules.whole("clear_after")
    stuck, missing = rules.patterns("stuck", durations=False), rules.patterns("missing", durations=True)
    rules.done()
    flow = Flow("quality", reference=(LIMITS,))

    windows, measurements = flow.source("ctx.window.v1"), flow.source("ctx.measurement.v1")

    charts = flow.apply("charts", [windows, measurements], lambda _: IndividualsChart(
        window_us=window_us, clear_after=clear_after, version=version))
    signals = flow.apply("signals", [windows], lambda _: SignalHealth(
        window_us=window_us, stuck=stuck, missing=missing, version=version))

    flow.sink(charts, "episodes", "qual.deviation.v1", binding="deviations")
    flow.sink(signals, "episodes", "qual.deviation.v1", binding="deviations")
    return flow.topology()
