"""Operators: pure folds, one a file. ALL lists them; every law of operators runs over this list."""

from streams.operators.counter_increments import CounterIncrements
from streams.operators.in_context import InContext
from streams.operators.individuals_chart import IndividualsChart
from streams.operators.order_join import OrderJoin
from streams.operators.signal_health import SignalHealth
from streams.operators.state_intervals import StateIntervals
from streams.operators.window_statistics import WindowStatistics

__all__ = [
    "ALL", "CounterIncrements", "InContext", "IndividualsChart", "OrderJoin", "SignalHealth", "StateIntervals", "WindowStatistics",
]  # fmt: skip

ALL = (WindowStatistics, StateIntervals, CounterIncrements, InContext, OrderJoin, IndividualsChart, SignalHealth)
