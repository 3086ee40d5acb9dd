"""Settings: from the environment or from a folder of mounted secrets, and what is wrong is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from streams.errors import SettingsError
from streams.shell.settings import settings

PLAIN = {"ANDON_KAFKA__BOOTSTRAP_SERVERS": "kafka:9092", "ANDON_REGISTRY__URL": "http://registry:8081"}
SECURED = PLAIN | {
    "ANDON_KAFKA__SECURITY_PROTOCOL": "SASL_SSL", "ANDON_KAFKA__SASL_MECHANISM": "SCRAM-SHA-512", "ANDON_KAFKA__SASL_USERNAME": "andon",
}  # fmt: skip


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    monkeypatch.chdir(tmp_path)  # no .env but the test's own
    for name in (*SECURED, "ANDON_KAFKA__SASL_PASSWORD", "ANDON_SECRETS_DIR", "ANDON_TOPIC_PREFIX"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def test_a_password_may_be_a_file_of_a_mounted_folder(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    folder.mkdir()
    (folder / "ANDON_KAFKA__SASL_PASSWORD").write_text("p4ss\n")
    (folder / "ANDON_TOPIC_PREFIX").write_text("plant.")
    (folder / "something-else").write_text("not ours")
    for name, value in (SECURED | {"ANDON_SECRETS_DIR": str(folder)}).items():
        environment.setenv(name, value)
    found = settings()

    assert found.kafka.librdkafka()["sasl.password"] == "p4ss"
    assert found.topic_prefix == "plant."
    assert "p4ss" not in repr(found)
    environment.setenv("ANDON_TOPIC_PREFIX", "other.")
    assert settings().topic_prefix == "other."  # the environment comes first


def test_a_folder_of_secrets_that_is_not_there_is_an_error(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name, value in (PLAIN | {"ANDON_SECRETS_DIR": str(tmp_path / "none")}).items():
        environment.setenv(name, value)

    with pytest.raises(SettingsError, match="ANDON_SECRETS_DIR"):
        settings()


def test_a_line_of_the_env_file_counts(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("".join(f"{name}={value}\n" for name, value in PLAIN.items()))

    assert settings().kafka.bootstrap_servers == "kafka:9092"


def test_everything_that_is_missing_is_named_at_once(environment: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsError) as caught:
        settings()
    assert {"ANDON_KAFKA", "ANDON_REGISTRY"} <= set(str(caught.value).replace(":", " ").split())

    environment.setenv("ANDON_KAFKA__SECURITY_PROTOCOL", "SASL_SSL")
    with pytest.raises(SettingsError, match="ANDON_KAFKA__BOOTSTRAP_SERVERS: Field required"):
        settings()
