"""Downsample: windows of one-sample messages, without orders. The smallest useful deployable, and the benchmark B1.

    ot.sample or ot.telemetry --> windows --> ctx.window

RULES says what it asks for in the part [rules] of a configuration.
"""

from __future__ import annotations

from streams.configuration import Configuration
from streams.operators import WindowStatistics
from streams.topology import Flow, Topology
from topologies.rules import Rules

RULES = """\
windows = [{ tumbling = "10 s" }]  # of numeric signals
hold    = "1 h"                    # how long a value is believed without a new one
treat_uncertain_as_bad = true      # OPC UA Part 13
source  = "ot.sample.v1"           # or ot.telemetry.v1
"""


def downsample(configuration: Configuration) -> Topology:
    rules = Rules(configuration.rules)
    windows, hold_us, as_bad = rules.windows("windows"), rules.duration("hold"), bool(rules.value("treat_uncertain_as_bad"))
    source = str(rules.value("source"))
    rules.done()
    flow = Flow("downsample")
    samples = flow.source(source)
    step = flow.apply("windows", [samples], lambda inputs: WindowStatistics(
        windows=windows, hold_us=hold_us, discrete=False, inputs=inputs, treat_uncertain_as_bad=as_bad))
    flow.sink(step, "windows", "ctx.window.v1", binding="windows")
    return flow.topology()
