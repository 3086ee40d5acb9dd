"""From settings and a configuration to what a worker needs: connections, ids of contracts, topics that are as they should be."""

from __future__ import annotations

import ssl
from importlib.metadata import version

from streams.catalogue import text_of
from streams.configuration import Configuration
from streams.errors import PlatformError
from streams.kafka.calls import QUIET
from streams.runners.live.setup import Connection, Setup
from streams.shell import deployment, kafka_admin
from streams.shell.kafka_connection import Admin
from streams.shell.registry import Registry, subject_of
from streams.shell.settings import KafkaSettings, Settings, bounds_of


def connection(kafka: KafkaSettings) -> Connection:
    """The same brokers for librdkafka and for Faust's consumer."""
    context = None
    if kafka.security_protocol.endswith("SSL"):
        context = ssl.create_default_context(cafile=str(kafka.ca_location) if kafka.ca_location else None)
        if kafka.certificate_location and kafka.key_location:
            context.load_cert_chain(kafka.certificate_location, kafka.key_location)
    password = kafka.sasl_password.get_secret_value() if kafka.sasl_password else None
    return Connection(
        bootstrap_servers=kafka.bootstrap_servers, client={**kafka.librdkafka(), **QUIET}, username=kafka.sasl_username, password=password,
        mechanism=kafka.sasl_mechanism, context=context,
    )  # fmt: skip


def setup_of(
    settings: Settings, configuration: Configuration, registry: Registry, *, instance: str | None = None, until_end: bool = False
) -> Setup:  # fmt: skip
    """A worker's setup. PlatformError: a topic or contract is missing or cannot work; nothing has been started then."""
    prefix = settings.topic_prefix
    topics = deployment.topics_of(configuration, prefix)
    with Admin(settings.kafka) as admin:
        wrong = [
            change for change in kafka_admin.plan(topics.values(), admin, append_chosen=configuration.topics)
            if change.kind in ("missing", "partitions") or change.setting == kafka_admin.STAMP
        ]  # fmt: skip
    if wrong:
        sentences = [change.sentence() for change in wrong]
        raise PlatformError("topics are not as the catalogue says", wrong=sentences, hint="run `andon topics apply`")
    ids = {name: registry.id_of(subject_of(topic.name), text_of(topic.schema)) for name, topic in topics.items()}
    return Setup(
        application=prefix + configuration.application, configuration=configuration, catalogue=configuration.catalogue(prefix),
        epochs=deployment.epochs(configuration, prefix), snapshots=deployment.snapshots(configuration, prefix),
        build=deployment.topology_of, connection=connection(settings.kafka), writer=registry.schema, schema_id=ids.__getitem__,
        code=version("andon"),
        bounds=bounds_of(settings), instance=instance, until_end=until_end,
    )  # fmt: skip
