"""Topologies: wiring and only wiring, one file a deployable. NAMED lists them for the command line.

RULES has of each an example of the part [rules] of its configuration, every rule it asks for: what the documentation shows, and what
a topology is drawn by when no configuration is given.
"""

from collections.abc import Callable

from streams.configuration import Configuration
from streams.topology import Topology
from topologies.context import RULES as CONTEXT_RULES
from topologies.context import context
from topologies.downsample import RULES as DOWNSAMPLE_RULES
from topologies.downsample import downsample
from topologies.quality import RULES as QUALITY_RULES
from topologies.quality import quality

NAMED: dict[str, Callable[[Configuration], Topology]] = {"context": context, "downsample": downsample, "quality": quality}
RULES: dict[str, str] = {"context": CONTEXT_RULES, "downsample": DOWNSAMPLE_RULES, "quality": QUALITY_RULES}
