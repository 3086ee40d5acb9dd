"""Kafka as runners and commands use it. Pinned to confluent-kafka 2.10.1: later ones can hang after a broker restart (docs/upstream.md)."""
