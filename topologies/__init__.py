"""Topologies: wiring and only wiring, one file a deployable. NAMED lists them for the command line."""

from collections.abc import Callable

from streams.configuration import Configuration
from streams.topology import Topology
from topologies.context import context
from topologies.downsample import downsample

NAMED: dict[str, Callable[[Configuration], Topology]] = {"context": context, "downsample": downsample}
