"""Secured brokers: the right password or certificate is let in, everything else is refused."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, NewTopic

from streams.errors import InvalidValue
from streams.shell.local.broker import Broker
from streams.shell.local.security import Certificates, Security, make_certificates

USERS = {"admin": "admin-secret", "reader": "reader-secret"}


@dataclass(frozen=True)
class Secured:
    certificates: Certificates
    tls: Broker
    scram_tls: Broker
    scram_plain: Broker


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    """One broker of each kind; they start at the same time."""
    folder = tmp_path_factory.mktemp("secured")
    certificates = make_certificates(folder / "certificates")
    kinds = {
        "tls": Security(certificates=certificates, client_certificates=True),
        "scram-tls": Security(certificates=certificates, users=USERS, acls=True),
        "scram-plain": Security(users=USERS),
    }
    brokers = [Broker(folder / name, security=security) for name, security in kinds.items()]
    with ExitStack() as running:
        for broker in brokers:
            running.callback(broker.stop)
            broker.spawn()
        yield Secured(certificates, *(broker.wait_ready() for broker in brokers))


def reaches(settings: dict[str, str], *, timeout_s: float) -> bool:
    """Does a client with these settings get an answer about the cluster?"""
    client = AdminClient({**settings, "log_level": 0})
    try:
        client.list_topics(timeout=timeout_s)
    except KafkaException:
        return False
    return True


def test_the_right_password_is_let_in(secured: Secured) -> None:
    for broker in (secured.scram_tls, secured.scram_plain):
        assert reaches(broker.client(), timeout_s=20.0)
        assert reaches(broker.client("reader"), timeout_s=20.0)


def test_a_wrong_password_is_refused(secured: Secured) -> None:
    for broker in (secured.scram_tls, secured.scram_plain):
        assert not reaches(broker.client("reader", "guessed"), timeout_s=1.0)


def test_a_client_without_encryption_is_refused(secured: Secured) -> None:
    for broker in (secured.tls, secured.scram_tls):
        assert not reaches({"bootstrap.servers": broker.bootstrap_servers}, timeout_s=1.0)


def test_a_client_without_log_in_is_refused(secured: Secured) -> None:
    anonymous = {"bootstrap.servers": secured.scram_plain.bootstrap_servers, "security.protocol": "PLAINTEXT"}
    assert not reaches(anonymous, timeout_s=1.0)


def test_a_certificate_of_the_authority_is_let_in_and_none_is_refused(secured: Secured) -> None:
    assert reaches(secured.tls.client(), timeout_s=20.0)
    without = {name: value for name, value in secured.tls.client().items() if "key" not in name and "cert" not in name}
    assert not reaches(without, timeout_s=1.0)


def test_a_broker_of_another_authority_is_not_trusted(
    secured: Secured, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = make_certificates(tmp_path_factory.mktemp("other"))
    assert not reaches({**secured.scram_tls.client(), "ssl.ca.location": str(other.ca)}, timeout_s=1.0)


def test_with_access_lists_only_the_admin_may_create_topics(secured: Secured) -> None:
    def create(user: str, topic: str) -> None:
        client = AdminClient({**secured.scram_tls.client(user), "log_level": 0})
        [made] = client.create_topics([NewTopic(topic, 1, 1)]).values()
        made.result(20.0)

    create("admin", "allowed")
    with pytest.raises(KafkaException, match="TOPIC_AUTHORIZATION_FAILED"):
        create("reader", "refused")


def test_keys_and_passwords_are_for_the_owner_alone(secured: Secured) -> None:
    secrets = [
        secured.certificates.broker,
        secured.certificates.client_key,
        secured.scram_plain.folder / "server.properties",
    ]
    assert {stat.S_IMODE(path.stat().st_mode) for path in secrets} == {0o600}


@pytest.mark.parametrize("users", [{"a b": "x"}, {"a": 'x"; evil'}, {"a": "x]"}])
def test_what_would_need_quoting_is_refused(users: dict[str, str]) -> None:
    with pytest.raises(InvalidValue, match="letters, digits"):
        Security(users=users)
