"""TLS and SCRAM by settings alone: administer, read and pace a secured broker, with no more rights than the work needs."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from confluent_kafka.admin import AclBinding, AclOperation, AclPermissionType, AdminClient, ResourcePatternType, ResourceType
from pydantic import SecretStr

from streams.configuration import load
from streams.errors import PlatformError
from streams.shell.kafka_connection import Admin
from streams.shell.local.broker import Broker
from streams.shell.local.security import Security, make_certificates
from streams.shell.pacemaker import Pacemaker, paced
from streams.shell.settings import KafkaSettings
from tests.shell.deployed import Deployed

USERS = {"admin": "admin-secret", "reader": "reader-secret", "pacemaker": "pacemaker-secret"}


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    folder = tmp_path_factory.mktemp("secured")
    security = Security(certificates=make_certificates(folder / "certificates"), users=USERS, acls=True)
    with Broker(folder / "broker", security=security) as started:
        yield started


def secured(deployed: Deployed, broker: Broker, user: str, password: str | None = None) -> Deployed:
    """The deployment on the secured broker, logged in as `user`."""
    assert broker.security.certificates is not None
    word, ca = password or USERS[user], broker.security.certificates.ca
    kafka = KafkaSettings(
        bootstrap_servers=broker.bootstrap_servers, security_protocol="SASL_SSL", sasl_mechanism="SCRAM-SHA-512", sasl_username=user,
        sasl_password=SecretStr(word), ca_location=ca,
    )  # fmt: skip
    more = {
        "ANDON_KAFKA__SECURITY_PROTOCOL": "SASL_SSL", "ANDON_KAFKA__SASL_MECHANISM": "SCRAM-SHA-512", "ANDON_KAFKA__SASL_USERNAME": user,
        "ANDON_KAFKA__SASL_PASSWORD": word, "ANDON_KAFKA__CA_LOCATION": str(ca),
    }  # fmt: skip
    return replace(deployed, kafka=kafka, more=tuple(more.items()))


def allow(broker: Broker, user: str, topic: str, *operations: AclOperation) -> None:
    rules = [
        AclBinding(ResourceType.TOPIC, topic, ResourcePatternType.LITERAL, f"User:{user}", "*", operation, AclPermissionType.ALLOW)
        for operation in operations
    ]
    client = AdminClient(broker.client())
    for made in client.create_acls(rules).values():
        made.result(10.0)


def test_each_command_gets_by_with_its_own_rights(deployed: Deployed, broker: Broker) -> None:
    """The pacemaker may write and the reader may read one topic, neither any group; only the admin may make topics."""
    admin = secured(deployed, broker, "admin")
    admin.apply()
    assert admin.call("topics", "diff").exit_code == 0
    topic = admin.topic("ot.sample.v1")
    allow(broker, "pacemaker", topic, AclOperation.WRITE, AclOperation.DESCRIBE)
    allow(broker, "reader", topic, AclOperation.READ, AclOperation.DESCRIBE)

    with secured(deployed, broker, "pacemaker").start("pace", "--interval", "100ms", "--silent", "200ms") as process:
        end_s = time.monotonic() + 20.0
        while sum(admin.admin().ends([(topic, 0), (topic, 1)]).values()) < 4 and time.monotonic() < end_s:
            time.sleep(0.1)
        process.send_signal(signal.SIGTERM)
        assert process.wait(10.0) == 0
        _, err = process.communicate()
        assert "cannot look" not in err

    seen = secured(deployed, broker, "reader").call("tail", "ot.sample.v1", "--until-end")
    assert seen.exit_code == 0, seen.exception
    assert {json.loads(line)["value"]["kind"] for line in seen.stdout.splitlines()} == {"BLANK"}
    refused = secured(deployed, broker, "reader").call("topics", "apply")
    assert "AUTHORIZATION_FAILED" in str(refused.exception)


def test_a_wrong_password_ends_the_wait_at_once(deployed: Deployed, broker: Broker) -> None:
    began_s = time.monotonic()
    for command in (("topics", "diff"), ("tail", "ot.sample.v1"), ("pace",)):
        refused = secured(deployed, broker, "admin", "guessed").call(*command)
        assert isinstance(refused.exception, PlatformError), (command, refused.exception)
        assert "_AUTHENTICATION" in str(refused.exception) or "not registered" in str(refused.exception)
    assert time.monotonic() - began_s < 10.0


def test_a_password_is_never_shown(deployed: Deployed, broker: Broker, tmp_path: Path) -> None:
    refused = secured(deployed, broker, "admin", "guessed").call("topics", "diff")
    assert "guessed" not in str(refused.exception) + repr(secured(deployed, broker, "admin", "guessed").kafka)


def test_a_broker_that_is_away_ends_nothing(deployed: Deployed, broker: Broker) -> None:
    """A look fails, the next one goes well when it is back; and the process still ends when told."""
    admin = secured(deployed, broker, "admin")
    admin.apply()
    topics, _ = paced(load(admin.config), admin.prefix)
    with admin.registry() as registry:
        pacemaker = Pacemaker(admin.kafka, topics, registry, source="p", silent_us=1, timeout_s=2.0)
    with pacemaker, admin.start("pace", "--interval", "100ms", "--silent", "200ms") as process:
        assert process.stderr is not None
        while "blanks" not in process.stderr.readline():
            pass
        assert pacemaker.look(0).partitions == 2
        broker.kill9()
        with pytest.raises(PlatformError, match="Kafka"):
            pacemaker.look(1)
        told_s = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(10.0) == 0
        assert time.monotonic() - told_s < 1.0
        process.communicate()
        broker.start()
        assert Admin(admin.kafka).cluster()[1] == 1
        assert pacemaker.look(2).partitions == 2
