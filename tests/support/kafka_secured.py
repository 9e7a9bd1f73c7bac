"""A Kafka broker behind TLS and passwords, with certificates made for the occasion.

One broker listens on every protocol at once: `ports` tells where. Its users are one with PLAIN and one with SCRAM.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

from support.kafka import Broker, free_port, stop

PLAIN_USER, PLAIN_PASSWORD = "trader", "open-sesame"
SCRAM_USER, SCRAM_PASSWORD = "desk", "close-sesame"

MORE = """\
sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512
listener.name.sasl_ssl.plain.sasl.jaas.config={plain} required user_{user}="{password}";
listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config={scram} required;
listener.name.sasl_ssl.scram-sha-256.sasl.jaas.config={scram} required;
listener.name.sasl_plaintext.scram-sha-512.sasl.jaas.config={scram} required;
listener.name.sasl_plaintext.sasl.enabled.mechanisms=SCRAM-SHA-512
listener.name.ssl.ssl.client.auth=required
ssl.keystore.type=PEM
ssl.keystore.location={folder}/broker.pem
ssl.truststore.type=PEM
ssl.truststore.location={folder}/ca.pem
"""


class Secured:
    """The broker, its ports by protocol, and the files a client needs."""

    def __init__(self, folder: Path) -> None:
        self.ports = {name: free_port() for name in ("SSL", "SASL_SSL", "SASL_PLAINTEXT")}
        self.ca, self.other_ca = folder / "ca.pem", folder / "other" / "ca.pem"
        self.certificate, self.key = folder / "client.crt", folder / "client.key"
        for place in (folder, folder / "other"):
            place.mkdir(exist_ok=True)
            _openssl(place, "req", "-x509", "-days", "2", "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=test-ca")
        for name in ("broker", "client"):
            _certificate(folder, name)
        (folder / "broker.pem").write_text((folder / "broker.key").read_text() + (folder / "broker.crt").read_text())
        more = MORE.format(
            plain="org.apache.kafka.common.security.plain.PlainLoginModule",
            scram="org.apache.kafka.common.security.scram.ScramLoginModule",
            user=PLAIN_USER, password=PLAIN_PASSWORD, folder=folder,
        )  # fmt: skip
        users = [
            f"{mechanism}=[name={SCRAM_USER},password={SCRAM_PASSWORD}]"
            for mechanism in ("SCRAM-SHA-256", "SCRAM-SHA-512")
        ]
        self._broker = Broker(
            folder / "broker", free_port(), free_port(), listeners=self.ports, more=more, users=users, memory="256m"
        )
        self.plaintext = self._broker.servers
        self._process = self._broker.start()

    def servers(self, protocol: str) -> str:
        """Return where the broker speaks a protocol."""
        return f"localhost:{self.ports[protocol]}"

    def stop(self) -> None:
        """Kill the broker."""
        stop(self._process)


def _certificate(folder: Path, name: str) -> None:
    names = "subjectAltName=DNS:localhost,IP:127.0.0.1"
    _openssl(folder, "req", "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}", "-addext", names)
    command = ["x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial"]
    _run(folder, *command, "-out", f"{name}.crt", "-days", "2", "-copy_extensions", "copy")


def _openssl(folder: Path, request: str, *arguments: str) -> None:
    _run(folder, request, "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-noenc", *arguments)


def _run(folder: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True, timeout=60)
