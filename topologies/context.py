"""Context: raw samples, states, counts and measurements, each with the orders that were running.

    ot.telemetry, ot.sample --.              .--> windows -------------> ctx.window
    ot.state -----------------+-> in-order --+--> state-windows -------> ctx.window
    ot.count -----------------+      ^       +--> state-intervals -----> ctx.state-interval
    ot.measurement -----------'      |       +--> count-increments ----> ctx.count
    mes.order -----------------------'       '--> measurements --------> ctx.measurement

RULES says what it asks for in the part [rules] of a configuration.
"""

from __future__ import annotations

from streams.configuration import Configuration
from streams.operators import CounterIncrements, InContext, OrderJoin, StateIntervals, WindowStatistics
from streams.topology import Flow, Topology
from topologies.rules import Rules

RULES = """\
windows       = [{ tumbling = "10 s" }, { tumbling = "1 min" }]  # of numeric signals
state_windows = [{ tumbling = "1 min" }]                         # of discrete signals: time at each value
hold          = "1 h"                                            # how long a value is believed without a new one
order_history = "30 d"                                           # how far back late and corrected orders are understood
treat_uncertain_as_bad = true                                    # OPC UA Part 13
rollovers     = [["total", 65536, 1000]]                         # counters: pattern of the tag, modulus, most believed
"""


def context(configuration: Configuration) -> Topology:
    rules = Rules(configuration.rules)
    as_bad, hold_us = bool(rules.value("treat_uncertain_as_bad")), rules.duration("hold")
    numeric, discrete = rules.windows("windows"), rules.windows("state_windows")
    rollovers = tuple((str(tag), int(modulus), int(most)) for tag, modulus, most in rules.value("rollovers"))
    flow = Flow("context")

    orders = flow.source("mes.order.v1")
    telemetry, sample = flow.source("ot.telemetry.v1"), flow.source("ot.sample.v1")
    state, count, measurement = flow.source("ot.state.v1"), flow.source("ot.count.v1"), flow.source("ot.measurement.v1")

    flow.join("in-order", OrderJoin(history_us=rules.duration("order_history")), orders, telemetry, sample, state, count, measurement)
    windows = flow.apply("windows", [telemetry, sample], lambda inputs: WindowStatistics(
        windows=numeric, hold_us=hold_us, discrete=False, inputs=inputs, treat_uncertain_as_bad=as_bad))
    state_windows = flow.apply("state-windows", [state], lambda inputs: WindowStatistics(
        windows=discrete, hold_us=hold_us, discrete=True, inputs=inputs, treat_uncertain_as_bad=as_bad))
    intervals = flow.apply("state-intervals", [state], lambda inputs: StateIntervals(inputs=inputs, treat_uncertain_as_bad=as_bad))
    counts = flow.apply("count-increments", [count], lambda inputs: CounterIncrements(
        inputs=inputs, rollovers=rollovers, treat_uncertain_as_bad=as_bad))
    measurements = flow.apply("measurements", [measurement], lambda inputs: InContext(inputs=inputs))
    rules.done()

    flow.sink(windows, "windows", "ctx.window.v1", binding="windows")
    flow.sink(state_windows, "windows", "ctx.window.v1", binding="discrete-windows")
    flow.sink(intervals, "intervals", "ctx.state-interval.v1", binding="intervals")
    flow.sink(counts, "increments", "ctx.count.v1", binding="increments")
    flow.sink(measurements, "samples", "ctx.measurement.v1", binding="measurements")
    return flow.topology()
