"""How to talk to a Kafka cluster safely: TLS and SASL as settings, checked before anything connects.

A combination that cannot work, or that would send a password readable over the network, is refused with what to do.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from ssl import SSLContext, create_default_context
from typing import Any, Final, Self

from pydantic import Field, SecretStr, model_validator

from niftyflow.kit.settings import Settings
from niftyflow.model import Misconfigured


class KafkaProtocol(StrEnum):
    """How brokers are spoken to, in Kafka's own names."""

    PLAINTEXT = "plaintext"
    SSL = "ssl"
    SASL_PLAINTEXT = "sasl_plaintext"
    SASL_SSL = "sasl_ssl"


class KafkaMechanism(StrEnum):
    """How a name and a password are shown to a broker."""

    NONE = "none"
    PLAIN = "PLAIN"
    SCRAM_SHA_256 = "SCRAM-SHA-256"
    SCRAM_SHA_512 = "SCRAM-SHA-512"


_WITH_PASSWORD: Final = {KafkaProtocol.SASL_PLAINTEXT, KafkaProtocol.SASL_SSL}
_WITH_TLS: Final = {KafkaProtocol.SSL, KafkaProtocol.SASL_SSL}
_GROUP: Final = "bus.security"


class KafkaSecurity(Settings):
    """TLS and SASL towards the Kafka brokers."""

    protocol: KafkaProtocol = Field(
        default=KafkaProtocol.PLAINTEXT, description="plaintext, ssl, sasl_plaintext or sasl_ssl"
    )
    mechanism: KafkaMechanism = Field(
        default=KafkaMechanism.NONE, description="How the password is shown; with sasl_ssl and sasl_plaintext"
    )
    username: str = Field(default="", description="Name shown to the brokers; with sasl_ssl and sasl_plaintext")
    password: SecretStr = Field(default=SecretStr(""), description="Password of that name")
    ca_file: Path | None = Field(
        default=None, description="Certificates (PEM) of those who may vouch for a broker; none: the system's"
    )
    certificate_file: Path | None = Field(default=None, description="Our own certificate (PEM), where brokers ask")
    key_file: Path | None = Field(default=None, description="The private key (PEM) of our certificate")
    key_password: SecretStr = Field(default=SecretStr(""), description="Password of the private key, if it has one")

    @model_validator(mode="after")
    def _can_work(self) -> Self:
        """Refuse what cannot work. Not as pydantic's own error: that would show the whole group, secrets and all."""
        for trouble in (self._trouble_with_sasl(), self._trouble_with_tls(), self._trouble_with_files()):
            if trouble:
                raise Misconfigured(trouble)
        return self

    def sender_settings(self) -> dict[str, Any]:
        """Return what these mean to aiokafka's producer, secrets as they are.

        Raises:
            Misconfigured: a certificate or its key cannot be used.
        """
        settings: dict[str, Any] = {"security_protocol": self.protocol.value.upper()}
        if self.mechanism is not KafkaMechanism.NONE:
            settings |= {
                "sasl_mechanism": self.mechanism.value,
                "sasl_plain_username": self.username,
                "sasl_plain_password": self.password.get_secret_value(),
            }
        if self.protocol in _WITH_TLS:
            settings["ssl_context"] = self._tls()
        return settings

    def _tls(self) -> SSLContext:
        try:
            context = create_default_context(cafile=self.ca_file)  # the certificate must name the broker's host
            if self.certificate_file is not None:
                password = self.key_password.get_secret_value() or None
                context.load_cert_chain(self.certificate_file, self.key_file, password)
        except OSError as error:
            raise Misconfigured(f"a certificate file of {_GROUP} cannot be used ({error}): correct it") from error
        return context

    def client_settings(self) -> dict[str, str]:
        """Return what these mean to librdkafka, secrets as they are."""
        settings = {"security.protocol": self.protocol.value}
        if self.mechanism is not KafkaMechanism.NONE:
            settings |= {
                "sasl.mechanism": self.mechanism.value,
                "sasl.username": self.username,
                "sasl.password": self.password.get_secret_value(),
            }
        if self.protocol in _WITH_TLS:
            settings["ssl.endpoint.identification.algorithm"] = "https"  # the certificate must name the broker's host
        for name, file in self._files().items():
            settings[name] = str(file)
        if self.key_password.get_secret_value():
            settings["ssl.key.password"] = self.key_password.get_secret_value()
        return settings

    def _files(self) -> dict[str, Path]:
        files = {
            "ssl.ca.location": self.ca_file,
            "ssl.certificate.location": self.certificate_file,
            "ssl.key.location": self.key_file,
        }
        return {name: file for name, file in files.items() if file is not None}

    def _trouble_with_sasl(self) -> str:
        is_named = bool(self.username and self.password.get_secret_value())
        if self.protocol in _WITH_PASSWORD:
            if self.mechanism is KafkaMechanism.NONE:
                known = ", ".join(each for each in KafkaMechanism if each is not KafkaMechanism.NONE)
                return f"{_GROUP}.mechanism is needed with {self.protocol.value}: set one of {known}"
            if not is_named:
                return f"{_GROUP}.username and {_GROUP}.password are needed with {self.protocol.value}: set both"
            if self.protocol is KafkaProtocol.SASL_PLAINTEXT and self.mechanism is KafkaMechanism.PLAIN:
                return (
                    f"{_GROUP}: PLAIN over sasl_plaintext would send the password readable: "
                    f"use sasl_ssl, or a SCRAM mechanism"
                )
        elif self.mechanism is not KafkaMechanism.NONE or self.username or self.password.get_secret_value():
            return (
                f"{_GROUP}.mechanism, username and password mean nothing with protocol {self.protocol.value}: "
                f"set {_GROUP}.protocol to sasl_ssl, or remove them"
            )
        return ""

    def _trouble_with_tls(self) -> str:
        if self.protocol not in _WITH_TLS and (self._files() or self.key_password.get_secret_value()):
            secure = KafkaProtocol.SASL_SSL if self.protocol in _WITH_PASSWORD else KafkaProtocol.SSL
            return (
                f"{_GROUP}: certificate files mean nothing with protocol {self.protocol.value}: "
                f"set {_GROUP}.protocol to {secure.value}, or remove them"
            )
        if (self.certificate_file is None) != (self.key_file is None):
            return f"{_GROUP}.certificate_file and {_GROUP}.key_file belong together: set both, or neither"
        if self.key_password.get_secret_value() and self.key_file is None:
            return f"{_GROUP}.key_password is set without {_GROUP}.key_file: set the file, or remove the password"
        return ""

    def _trouble_with_files(self) -> str:
        names = {"ssl.ca.location": "ca_file", "ssl.certificate.location": "certificate_file"}
        for name, file in self._files().items():
            if not file.is_file():
                return f"{_GROUP}.{names.get(name, 'key_file')}: there is no file {file}: correct the path"
        return ""
