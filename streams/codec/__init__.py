"""Bytes to columns and back: Kafka record batches, Confluent framing, Avro."""
