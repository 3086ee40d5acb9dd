"""A worker on a broker that speaks only TLS and SCRAM: the same settings reach librdkafka and Faust's consumer."""

from __future__ import annotations

from pathlib import Path

import pytest

from streams.shell.local.broker import Broker
from streams.shell.local.security import Security, make_certificates
from tests.live.plant import Gateways, Plant

pytestmark = pytest.mark.timeout(300)  # a busy machine starts a worker in ten seconds


def test_a_worker_runs_with_tls_and_scram_and_not_with_a_wrong_password(registry_url: str, topic_prefix: str, tmp_path: Path) -> None:
    certificates = make_certificates(tmp_path / "certificates")
    with Broker(tmp_path / "broker", security=Security(certificates=certificates, users={"admin": "secret"}, acls=True)) as broker:
        settings = {
            "ANDON_KAFKA__SECURITY_PROTOCOL": "SASL_SSL", "ANDON_KAFKA__SASL_MECHANISM": "SCRAM-SHA-512",
            "ANDON_KAFKA__SASL_USERNAME": "admin", "ANDON_KAFKA__SASL_PASSWORD": "secret",
            "ANDON_KAFKA__CA_LOCATION": str(certificates.ca),
        }  # fmt: skip
        plant = Plant(broker.bootstrap_servers, registry_url, topic_prefix, tmp_path, more=settings, connection=broker.client())
        try:
            with Gateways(plant, rate=200):
                worker = plant.start()
                worker.wait("assigned", partitions=[0, 1])
                worker.kill()
            plant.finish()
            assert plant.verified()["equal"]["ctx.window.v1"] > 0
            plant.more = settings | {"ANDON_KAFKA__SASL_PASSWORD": "guess"}
            refused = plant.start()
            assert "uthentication" in refused.wait("died")["error"]
            assert refused.ended() == 5
        finally:
            plant.close()
