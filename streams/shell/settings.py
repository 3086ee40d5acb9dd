"""Settings: how this process reaches Kafka and the registry. The only reader of environment variables for that.

Every value is an environment variable ANDON_<GROUP>__<NAME>, or a line of the file `.env` in the current directory, or a file of
that name in the folder ANDON_SECRETS_DIR (a mounted secret). What the work itself is (topics, lateness, rules) stands in the
configuration file, not here: see configuration.py.

    ANDON_KAFKA__BOOTSTRAP_SERVERS      host:port,host:port
    ANDON_KAFKA__SECURITY_PROTOCOL      PLAINTEXT (default), SSL, SASL_PLAINTEXT, SASL_SSL
    ANDON_KAFKA__SASL_MECHANISM         SCRAM-SHA-512 or SCRAM-SHA-256, with __SASL_USERNAME and __SASL_PASSWORD
    ANDON_KAFKA__CA_LOCATION            PEM file; also __CERTIFICATE_LOCATION and __KEY_LOCATION for client certificates
    ANDON_REGISTRY__URL                 Confluent-compatible schema registry; also __USERNAME, __PASSWORD, __CA_LOCATION
    ANDON_WEB__HOST                     where a worker serves /metrics, /livez, /readyz, /status (default 127.0.0.1)
    ANDON_WEB__PORT                     default 9464; 0: any free one, printed at start
    ANDON_WORKER__<LIMIT>               limits of a worker, see runners/live/bounds.py
"""

from __future__ import annotations

import os
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, create_model, model_validator
from pydantic_settings import BaseSettings, NestedSecretsSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict
from pydantic_settings.exceptions import SettingsError as SourceError

from streams.errors import SettingsError
from streams.runners.live.bounds import Bounds

Protocol = Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]


class KafkaSettings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    bootstrap_servers: str
    security_protocol: Protocol = "PLAINTEXT"
    sasl_mechanism: Literal["SCRAM-SHA-512", "SCRAM-SHA-256"] | None = None
    sasl_username: str | None = None
    sasl_password: SecretStr | None = None
    ca_location: Path | None = None
    certificate_location: Path | None = None
    key_location: Path | None = None

    @model_validator(mode="after")
    def _whole(self) -> KafkaSettings:
        if self.security_protocol.startswith("SASL") and not (self.sasl_mechanism and self.sasl_username and self.sasl_password):
            raise ValueError(f"{self.security_protocol} needs sasl_mechanism, sasl_username and sasl_password")
        if not self.security_protocol.startswith("SASL") and self.sasl_username:
            raise ValueError(f"sasl_username is given, but security_protocol is {self.security_protocol}")
        for path in (self.ca_location, self.certificate_location, self.key_location):
            if path is not None and not path.is_file():
                raise ValueError(f"no such file: {path}")
        if bool(self.certificate_location) != bool(self.key_location):
            raise ValueError("certificate_location and key_location go together")
        return self

    def librdkafka(self) -> dict[str, Any]:
        """Connection settings for confluent_kafka."""
        found: dict[str, Any] = {"bootstrap.servers": self.bootstrap_servers, "security.protocol": self.security_protocol}
        if self.sasl_mechanism and self.sasl_password:
            found |= {"sasl.mechanism": self.sasl_mechanism, "sasl.username": self.sasl_username}
            found["sasl.password"] = self.sasl_password.get_secret_value()
        for name, path in (("ca", self.ca_location), ("certificate", self.certificate_location), ("key", self.key_location)):
            if path is not None:
                found[f"ssl.{name}.location"] = str(path)
        return found


class RegistrySettings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    url: str
    username: str | None = None
    password: SecretStr | None = None
    ca_location: Path | None = None

    def client(self) -> dict[str, Any]:
        """Settings for confluent_kafka's SchemaRegistryClient."""
        found: dict[str, Any] = {"url": self.url}
        if self.username and self.password:
            found["basic.auth.user.info"] = f"{self.username}:{self.password.get_secret_value()}"
        if self.ca_location:
            found["ssl.ca.location"] = str(self.ca_location)
        return found


class WebSettings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    host: str = "127.0.0.1"
    port: int = Field(default=9464, ge=0, le=65535)


_POSITIVE = {float: Annotated[float, Field(gt=0)], int: Annotated[int, Field(gt=0)]}
WorkerSettings = create_model(
    "WorkerSettings", __config__=ConfigDict(extra="forbid", frozen=True),
    **{f.name: (_POSITIVE[type(f.default)], f.default) for f in fields(Bounds)},
)  # type: ignore[call-overload]  # fmt: skip


class Settings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="ANDON_", env_nested_delimiter="__", env_file=".env", extra="ignore", frozen=True)

    @classmethod
    def settings_customise_sources(
        cls, settings_cls: type[BaseSettings], init_settings: PydanticBaseSettingsSource, env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource, file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:  # fmt: skip
        """The usual sources, but secrets are files of one flat folder, those of groups too."""
        folder = os.environ.get("ANDON_SECRETS_DIR")
        if not folder:
            return init_settings, env_settings, dotenv_settings
        secrets = NestedSecretsSettingsSource(
            file_secret_settings, secrets_dir=folder, secrets_dir_missing="error", secrets_nested_delimiter="__"
        )
        return init_settings, env_settings, dotenv_settings, secrets

    kafka: KafkaSettings
    registry: RegistrySettings
    web: WebSettings = WebSettings()
    worker: WorkerSettings = WorkerSettings()  # type: ignore[valid-type]
    topic_prefix: str = Field(default="", pattern=r"^([a-zA-Z0-9._-]*\.)?$")


def bounds_of(settings: Settings) -> Bounds:
    """A worker's limits as its runner takes them."""
    return Bounds(**settings.worker.model_dump())  # type: ignore[attr-defined]


def settings(**given: Any) -> Settings:
    """The settings of this process; SettingsError names every one that is missing or wrong.

    >>> settings(kafka={"bootstrap_servers": "127.0.0.1:9092"}, registry={"url": "http://127.0.0.1:8081"}).kafka.security_protocol
    'PLAINTEXT'
    """
    try:
        return Settings(**given)
    except SourceError as error:
        raise SettingsError("the folder of secrets cannot be read", variable="ANDON_SECRETS_DIR", reason=str(error)) from error
    except ValidationError as error:
        reasons = [f"ANDON_{'__'.join(str(part).upper() for part in e['loc'])}: {e['msg']}" for e in error.errors()]
        hint = "run `andon up` for a local Kafka, or see docs/settings.md"
        raise SettingsError("settings are missing or wrong: " + "; ".join(reasons), hint=hint) from error
