"""A worker on brokers that speak TLS, SCRAM or both: the same settings reach librdkafka and Faust's consumer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from streams.shell.local.broker import Broker
from streams.shell.local.security import Certificates, Security, make_certificates
from tests.live.plant import Gateways, Plant

pytestmark = pytest.mark.timeout(300)  # a busy machine starts a worker in ten seconds

USERS = {"admin": "secret"}
SCRAM = {
    "ANDON_KAFKA__SASL_MECHANISM": "SCRAM-SHA-512", "ANDON_KAFKA__SASL_USERNAME": "admin", "ANDON_KAFKA__SASL_PASSWORD": "secret",
}  # fmt: skip


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@contextmanager
def secured(registry_url: str, prefix: str, folder: Path, security: Security, settings: dict[str, str]) -> Iterator[Plant]:
    with Broker(folder / "broker", security=security) as broker:
        plant = Plant(broker.bootstrap_servers, registry_url, prefix, folder, more=settings, connection=broker.client())
        try:
            yield plant
        finally:
            plant.close()


def works(plant: Plant) -> None:
    """A worker folds what gateways write, is killed, and the log folded again gives the same."""
    with Gateways(plant, rate=200):
        worker = plant.start()
        worker.wait("assigned", partitions=[0, 1])
        worker.kill()
    plant.finish()
    found = plant.verified()
    assert found["same"] and found["equal"]["ctx.window.v1"] > 0, found


def refused(plant: Plant, settings: dict[str, str]) -> str:
    plant.more = settings
    worker = plant.start()
    said: str = worker.wait("died")["error"]
    assert worker.ended() == 5
    return said


def test_tls_and_scram_and_not_with_a_wrong_password(
    registry_url: str, topic_prefix: str, tmp_path: Path, certificates: Certificates
) -> None:  # fmt: skip
    security = Security(certificates=certificates, users=USERS, acls=True)
    settings = {**SCRAM, "ANDON_KAFKA__SECURITY_PROTOCOL": "SASL_SSL", "ANDON_KAFKA__CA_LOCATION": str(certificates.ca)}
    with secured(registry_url, topic_prefix, tmp_path, security, settings) as plant:
        works(plant)
        assert "uthentication" in refused(plant, settings | {"ANDON_KAFKA__SASL_PASSWORD": "guess"})


@pytest.mark.long
def test_a_client_certificate_alone_and_not_without_it(
    registry_url: str, topic_prefix: str, tmp_path: Path, certificates: Certificates
) -> None:  # fmt: skip
    settings = {"ANDON_KAFKA__SECURITY_PROTOCOL": "SSL", "ANDON_KAFKA__CA_LOCATION": str(certificates.ca)}
    own = {"ANDON_KAFKA__CERTIFICATE_LOCATION": str(certificates.client), "ANDON_KAFKA__KEY_LOCATION": str(certificates.client_key)}
    security = Security(certificates=certificates, client_certificates=True)
    with secured(registry_url, topic_prefix, tmp_path, security, settings | own) as plant:
        works(plant)
        assert refused(plant, settings)


@pytest.mark.long
def test_scram_without_encryption_and_not_with_a_wrong_password(registry_url: str, topic_prefix: str, tmp_path: Path) -> None:
    settings = {**SCRAM, "ANDON_KAFKA__SECURITY_PROTOCOL": "SASL_PLAINTEXT"}
    with secured(registry_url, topic_prefix, tmp_path, Security(users=USERS), settings) as plant:
        works(plant)
        assert "uthentication" in refused(plant, settings | {"ANDON_KAFKA__SASL_PASSWORD": "guess"})
