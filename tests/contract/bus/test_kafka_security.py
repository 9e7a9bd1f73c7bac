"""A real broker behind TLS and passwords: who may in gets in, who may not is told why at once."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator

import pytest

from niftyflow.bus.port import Start
from niftyflow.bus.settings import KafkaSecurity
from niftyflow.bus.topics import RAW_TICKS
from niftyflow.model import Misconfigured, Unavailable
from support.buses import read, sequences, ticks
from support.kafka import need_kafka
from support.kafka_secured import PLAIN_PASSWORD, PLAIN_USER, SCRAM_PASSWORD, SCRAM_USER, Secured

kafka = pytest.importorskip("niftyflow.bus.kafka", reason="the kafka extra is not installed")

pytestmark = pytest.mark.kafka

PLAIN = {"mechanism": "PLAIN", "username": PLAIN_USER, "password": PLAIN_PASSWORD}
SCRAM = {"username": SCRAM_USER, "password": SCRAM_PASSWORD}


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    """One broker for all tests of this file."""
    need_kafka()
    if shutil.which("openssl") is None:
        pytest.skip("no openssl on the PATH")
    broker = Secured(tmp_path_factory.mktemp("secured"))
    yield broker
    broker.stop()


def bus_of(secured: Secured, prefix: str, settings: dict) -> kafka.KafkaBus:
    """Return a bus that is to talk to the broker so."""
    security = KafkaSecurity.model_validate(settings)
    return kafka.KafkaBus(
        secured.servers(security.protocol.name), [RAW_TICKS], prefix=prefix, partitions=1, security=security,
        client={"broker.address.family": "v4"},
    )  # fmt: skip


@pytest.mark.parametrize(
    "settings",
    [
        {"protocol": "ssl"},
        {"protocol": "sasl_ssl", **PLAIN},
        {"protocol": "sasl_ssl", "mechanism": "SCRAM-SHA-256", **SCRAM},
        {"protocol": "sasl_ssl", "mechanism": "SCRAM-SHA-512", **SCRAM},
        {"protocol": "sasl_plaintext", "mechanism": "SCRAM-SHA-512", **SCRAM},
    ],
    ids=lambda settings: "-".join([settings["protocol"], settings.get("mechanism", "certificate")]),
)
async def test_who_may_in_publishes_and_reads(secured: Secured, kafka_prefix: str, settings: dict):
    """Producer, consumer and administrator all use the same settings."""
    if settings["protocol"] == "ssl":
        settings = settings | {"certificate_file": secured.certificate, "key_file": secured.key}
    if "ssl" in settings["protocol"].split("_"):
        settings = settings | {"ca_file": secured.ca}
    bus = bus_of(secured, kafka_prefix, settings)
    await bus.open()
    await bus.publish("raw-ticks", [ticks(20)])
    reader = await bus.subscribe("raw-ticks", group="candle-processors", start=Start.EARLIEST)
    assert sequences(await read(reader, 20)) == list(range(20))
    await reader.commit(reader.position())
    await bus.close()


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"protocol": "sasl_ssl", **PLAIN, "password": "wrong"}, "refuses our credentials .*correct mechanism, user"),
        ({"protocol": "sasl_ssl", "mechanism": "SCRAM-SHA-512", **SCRAM, "password": "wrong"}, "refuses our cred"),
        ({"protocol": "sasl_plaintext", "mechanism": "SCRAM-SHA-256", **SCRAM}, "refuses our credentials"),
        ({"protocol": "sasl_ssl", **PLAIN, "ca_file": "other"}, "over TLS .*correct protocol and ca_file"),
        ({"protocol": "ssl", "ca_file": "right"}, "over TLS .*correct"),
    ],
    ids=["plain-password", "scram-password", "mechanism", "ca", "no-certificate-of-ours"],
)
async def test_who_may_not_is_told_why_at_once(secured: Secured, kafka_prefix: str, settings: dict, reason: str):
    """The start ends with what to put right, without waiting for something that will never come."""
    if "ssl" in settings["protocol"].split("_"):
        settings = settings | {"ca_file": secured.other_ca if settings.get("ca_file") == "other" else secured.ca}
    bus = bus_of(secured, kafka_prefix, settings)
    begin = time.monotonic()
    with pytest.raises(Misconfigured, match=reason) as refused:
        await bus.open()
    assert time.monotonic() - begin < 60
    assert "wrong" not in str(refused.value)


async def test_speaking_plainly_to_a_secured_port_says_what_it_may_be(secured: Secured):
    """A broker that does not answer might also be one that starts: the error of the world, with our guess."""
    client = {"broker.address.family": "v4"}
    bus = kafka.KafkaBus(secured.servers("SASL_SSL"), [RAW_TICKS], client=client, ask_seconds=2)
    with pytest.raises(Unavailable, match=r"bus\.security\.protocol may not be theirs"):
        await bus.open()
