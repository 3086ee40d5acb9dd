"""How a local broker is secured, and what its clients then need: one frozen value for both sides.

    Security()                                            PLAINTEXT
    Security(certificates=c)                              SSL          any client that trusts the CA
    Security(certificates=c, client_certificates=True)    SSL          only clients with a certificate of the CA
    Security(certificates=c, users={...})                 SASL_SSL     SCRAM-SHA-512
    Security(users={...})                                 SASL_PLAINTEXT

The first user is the broker's own. With `acls=True` that user may do everything, the others what access lists allow.
Passwords lie in the broker's folder in the clear: this is for one's own machine.

>>> secured = Security(users={"admin": "secret", "reader": "also-secret"})
>>> secured.protocol, secured.client("reader")["sasl.password"]
('SASL_PLAINTEXT', 'also-secret')
>>> Security(acls=True)
Traceback (most recent call last):
streams.errors.InvalidValue: access lists need users
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from streams.errors import PlatformError, require
from streams.shell.local.ports import HOST

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.x509 import Certificate, CertificateBuilder, Name

MECHANISM = "SCRAM-SHA-512"
CLIENT_LISTENER, CONTROLLER_LISTENER = "CLIENT", "CONTROLLER"
_PLAIN_WORD = re.compile(r"[A-Za-z0-9._-]+")  # needs no quoting in a property file, a login line or an argument
_LOGIN = "org.apache.kafka.common.security"


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificates:
    """PEM files. `broker` holds key, certificate and CA, as Kafka wants it; the client's are apart, for librdkafka."""

    ca: Path
    broker: Path
    client: Path
    client_key: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Security:
    certificates: Certificates | None = None
    client_certificates: bool = False
    users: Mapping[str, str] = field(default_factory=dict)  # name -> password
    acls: bool = False

    def __post_init__(self) -> None:
        require(self.certificates or not self.client_certificates, "client certificates need a CA")
        require(self.users or not self.acls, "access lists need users")
        odd = [name for name, password in self.users.items() if not all(map(_PLAIN_WORD.fullmatch, (name, password)))]
        require(not odd, "names and passwords consist of letters, digits, dot, dash and underscore", users=odd)

    @property
    def protocol(self) -> str:
        transport = "SSL" if self.certificates else "PLAINTEXT"
        return f"SASL_{transport}" if self.users else transport

    @property
    def admin(self) -> str:
        return next(iter(self.users))

    def broker_properties(self) -> dict[str, object]:
        """What server.properties says about it: clients, other brokers and controllers are all held to it."""
        properties: dict[str, object] = {
            "listener.security.protocol.map": f"{CLIENT_LISTENER}:{self.protocol},{CONTROLLER_LISTENER}:{self.protocol}"
        }
        if self.certificates:
            properties |= {
                "ssl.keystore.type": "PEM",
                "ssl.keystore.location": self.certificates.broker,
                "ssl.truststore.type": "PEM",
                "ssl.truststore.location": self.certificates.ca,
                "ssl.client.auth": "required" if self.client_certificates else "none",
            }
        if self.users:
            password = self.users[self.admin]
            login = f'required username="{self.admin}" password="{password}"'
            client = f"listener.name.{CLIENT_LISTENER.lower()}"
            controller = f"listener.name.{CONTROLLER_LISTENER.lower()}"
            properties |= {
                "sasl.enabled.mechanisms": MECHANISM,
                "sasl.mechanism.inter.broker.protocol": MECHANISM,
                f"{client}.{MECHANISM.lower()}.sasl.jaas.config": f"{_LOGIN}.scram.ScramLoginModule {login};",
                # SCRAM passwords live in the log that the controllers have yet to elect a leader for: PLAIN among them
                "sasl.mechanism.controller.protocol": "PLAIN",
                f"{controller}.sasl.enabled.mechanisms": "PLAIN",
                f"{controller}.plain.sasl.jaas.config": (
                    f'{_LOGIN}.plain.PlainLoginModule {login} user_{self.admin}="{password}";'
                ),
            }
        if self.acls:
            properties |= {
                "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
                "super.users": f"User:{self.admin}",
            }
        return properties

    def format_arguments(self) -> list[str]:
        """The users must be in the log before the first start: the broker itself logs in with one of them."""
        return [
            argument
            for name, password in self.users.items()
            for argument in ("--add-scram", f"{MECHANISM}=[name={name},password={password}]")
        ]

    def client(self, user: str | None = None, password: str | None = None) -> dict[str, str]:
        """Settings of a librdkafka client (all but bootstrap.servers): as `user`, by default the broker's own."""
        settings = {"security.protocol": self.protocol}
        if self.certificates:
            settings["ssl.ca.location"] = str(self.certificates.ca)
        if self.certificates and self.client_certificates:
            settings["ssl.certificate.location"] = str(self.certificates.client)
            settings["ssl.key.location"] = str(self.certificates.client_key)
        if self.users:
            user = user or self.admin
            settings["sasl.mechanism"] = MECHANISM
            settings["sasl.username"] = user
            settings["sasl.password"] = self.users[user] if password is None else password
        return settings


def make_certificates(folder: Path, *, days: int = 30) -> Certificates:
    """A CA of one's own, a certificate for brokers on the loopback and one for a client, written to `folder`."""
    try:
        from cryptography import x509
    except ImportError as error:
        raise PlatformError("the package cryptography is not installed", hint="pip install cryptography") from error
    folder.mkdir(parents=True, exist_ok=True)
    ca_name, ca_key = _name("andon-local-ca"), _key()
    authority = _builder(ca_name, ca_name, ca_key, days).add_extension(
        x509.BasicConstraints(ca=True, path_length=0), critical=True
    )
    ca = _sign(authority, ca_key)
    broker_key, client_key = _key(), _key()
    names = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address(HOST))])
    broker = _sign(_builder(_name("broker"), ca_name, broker_key, days).add_extension(names, critical=False), ca_key)
    client = _sign(_builder(_name("client"), ca_name, client_key, days), ca_key)
    return Certificates(
        ca=_write(folder / "ca.pem", _pem(ca)),
        broker=_write(folder / "broker.pem", _key_pem(broker_key) + _pem(broker) + _pem(ca)),
        client=_write(folder / "client.pem", _pem(client)),
        client_key=_write(folder / "client.key", _key_pem(client_key)),
    )


def _key() -> EllipticCurvePrivateKey:
    from cryptography.hazmat.primitives.asymmetric import ec

    return ec.generate_private_key(ec.SECP256R1())


def _name(common_name: str) -> Name:
    from cryptography import x509

    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, common_name)])


def _builder(subject: Name, issuer: Name, key: EllipticCurvePrivateKey, days: int) -> CertificateBuilder:
    from cryptography import x509

    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))  # a clock that was set back a little
        .not_valid_after(now + timedelta(days=days))
    )


def _sign(builder: CertificateBuilder, ca_key: EllipticCurvePrivateKey) -> Certificate:
    from cryptography.hazmat.primitives import hashes

    return builder.sign(ca_key, hashes.SHA256())


def _pem(certificate: Certificate) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding

    return certificate.public_bytes(Encoding.PEM)


def _key_pem(key: EllipticCurvePrivateKey) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _write(path: Path, content: bytes) -> Path:
    path.touch(mode=0o600)
    path.write_bytes(content)
    return path
