"""Secured brokers: the right password or certificate is let in, everything else is refused."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

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


def refusal(settings: dict[str, str]) -> str:
    """Connect: the name of the first error, or nothing if the cluster answers."""
    errors: list[str] = []
    client = AdminClient({**settings, "log_level": 0, "error_cb": lambda error: errors.append(error.name())})
    for _ in range(200):
        try:
            client.list_topics(timeout=0.1)
        except KafkaException:
            client.poll(0)
        else:
            return ""
        if errors:
            return errors[0]
    raise AssertionError("neither an answer nor an error in 20 s")


def test_the_right_password_is_let_in(secured: Secured) -> None:
    for broker in (secured.scram_tls, secured.scram_plain):
        assert refusal(broker.client()) == ""
        assert refusal(broker.client("reader")) == ""


def test_a_wrong_password_is_refused(secured: Secured) -> None:
    for broker in (secured.scram_tls, secured.scram_plain):
        assert refusal(broker.client("reader", "guessed")) == "_AUTHENTICATION"


def test_a_client_without_encryption_is_refused(secured: Secured) -> None:
    for broker in (secured.tls, secured.scram_tls):
        assert refusal({"bootstrap.servers": broker.bootstrap_servers}) == "_TRANSPORT"


def test_a_client_without_log_in_is_refused(secured: Secured) -> None:
    assert refusal({"bootstrap.servers": secured.scram_plain.bootstrap_servers}) == "_TRANSPORT"
    tls_only = {"security.protocol": "SSL", "ssl.ca.location": str(secured.certificates.ca)}
    assert refusal({"bootstrap.servers": secured.scram_tls.bootstrap_servers, **tls_only}) == "_TRANSPORT"


def test_a_certificate_of_the_authority_is_let_in_and_none_is_refused(secured: Secured) -> None:
    settings = secured.tls.client()
    assert refusal(settings) == ""
    without = {name: settings[name] for name in ("bootstrap.servers", "security.protocol", "ssl.ca.location")}
    assert refusal(without) in {"_SSL", "_TRANSPORT"}  # with TLS 1.3 the connection may close before the reason arrives


def test_a_broker_of_another_authority_is_not_trusted(secured: Secured, tmp_path: Path) -> None:
    other = make_certificates(tmp_path)
    assert refusal({**secured.scram_tls.client(), "ssl.ca.location": str(other.ca)}) in {"_SSL", "_TRANSPORT"}  # as above


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
