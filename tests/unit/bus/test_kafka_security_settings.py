"""TLS and SASL settings: what they mean to the client, and combinations that are refused with advice."""

from __future__ import annotations

import pytest

from niftyflow.bus.settings import KafkaSecurity
from niftyflow.model import Misconfigured

NAMED = {"username": "trader", "password": "open-sesame"}


def test_without_settings_nothing_is_encrypted():
    """The default is a broker on this machine."""
    assert KafkaSecurity().client_settings() == {"security.protocol": "plaintext"}


def test_settings_become_those_of_the_client(tmp_path):
    """Names, secrets and files as librdkafka spells them; the broker's certificate must name its host."""
    for name in ("ca.pem", "own.pem", "own.key"):
        (tmp_path / name).write_text("")
    security = KafkaSecurity.model_validate(
        {
            "protocol": "sasl_ssl", "mechanism": "SCRAM-SHA-512", **NAMED, "ca_file": tmp_path / "ca.pem",
            "certificate_file": tmp_path / "own.pem", "key_file": tmp_path / "own.key", "key_password": "key-word",
        }
    )  # fmt: skip
    assert security.client_settings() == {
        "security.protocol": "sasl_ssl",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": "trader",
        "sasl.password": "open-sesame",
        "ssl.endpoint.identification.algorithm": "https",
        "ssl.ca.location": str(tmp_path / "ca.pem"),
        "ssl.certificate.location": str(tmp_path / "own.pem"),
        "ssl.key.location": str(tmp_path / "own.key"),
        "ssl.key.password": "key-word",
    }
    assert "sesame" not in repr(security)


def test_settings_become_those_of_the_sender():
    """The same ones as aiokafka spells them, with a TLS context that checks the names of brokers."""
    security = KafkaSecurity.model_validate({"protocol": "sasl_ssl", "mechanism": "SCRAM-SHA-512", **NAMED})
    settings = security.sender_settings()
    context = settings.pop("ssl_context")
    assert settings == {
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": "trader",
        "sasl_plain_password": "open-sesame",
    }
    assert context.check_hostname
    assert KafkaSecurity().sender_settings() == {"security_protocol": "PLAINTEXT"}


def test_a_certificate_file_that_is_none_is_refused_with_advice(tmp_path):
    """A file that is there and holds no certificate."""
    (tmp_path / "ca.pem").write_text("nothing of the kind")
    security = KafkaSecurity.model_validate({"protocol": "ssl", "ca_file": tmp_path / "ca.pem"})
    with pytest.raises(Misconfigured, match=r"a certificate file of bus\.security cannot be used .*: correct it"):
        security.sender_settings()


@pytest.mark.parametrize(
    ("settings", "advice"),
    [
        ({"protocol": "sasl_ssl", **NAMED}, r"mechanism is needed with sasl_ssl: set one of PLAIN, SCRAM-SHA-256"),
        ({"protocol": "sasl_ssl", "mechanism": "PLAIN", "username": "trader"}, "username and .*password are needed"),
        ({"protocol": "sasl_plaintext", "mechanism": "PLAIN", **NAMED}, "would send the password readable: use sasl"),
        ({"protocol": "ssl", "mechanism": "PLAIN"}, "mean nothing with protocol ssl: set .*protocol to sasl_ssl"),
        (NAMED, "mean nothing with protocol plaintext"),
        ({"ca_file": "ca.pem"}, "certificate files mean nothing with protocol plaintext: set .*protocol to ssl"),
        (
            {"protocol": "sasl_plaintext", "mechanism": "SCRAM-SHA-512", **NAMED, "ca_file": "ca.pem"},
            "set bus.security.protocol to sasl_ssl",
        ),
        ({"protocol": "ssl", "key_file": "own.key"}, "belong together: set both, or neither"),
        ({"protocol": "ssl", "key_password": "key-word"}, "key_password is set without .*key_file"),
        ({"protocol": "ssl", "ca_file": "no/such/ca.pem"}, "ca_file: there is no file no/such/ca.pem: correct"),
    ],
)
def test_what_cannot_work_is_refused_with_advice(settings, advice):
    """The message names the setting and what to do, and never a secret."""
    with pytest.raises(Misconfigured, match=advice) as refused:
        KafkaSecurity.model_validate(settings)
    assert "sesame" not in str(refused.value)
    assert "key-word" not in str(refused.value)
