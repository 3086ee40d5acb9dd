"""Runners of topologies: the task that all of them share, in memory, and live on Kafka."""
