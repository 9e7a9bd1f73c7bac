"""What an operator does to the topics of a Kafka cluster, with the cluster's own tools."""

from __future__ import annotations

import time
from collections.abc import Mapping


def set_topic(servers: str, topic: str, wanted: Mapping[str, str]) -> None:
    """Change settings of a topic, and wait until they are so."""
    from confluent_kafka import admin  # noqa: PLC0415 - an extra

    client = admin.AdminClient({"bootstrap.servers": servers, "log_level": 2})
    resource = admin.ConfigResource(admin.ConfigResource.Type.TOPIC, topic)
    for name, value in wanted.items():
        resource.add_incremental_config(
            admin.ConfigEntry(name, value, incremental_operation=admin.AlterConfigOpType.SET)
        )
    for answer in client.incremental_alter_configs([resource]).values():
        answer.result(20)
    deadline = time.monotonic() + 60
    while wanted.items() - settings_of(servers, topic).items():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def settings_of(servers: str, topic: str) -> dict[str, str]:
    """Return the settings of a topic."""
    from confluent_kafka import admin  # noqa: PLC0415 - an extra

    client = admin.AdminClient({"bootstrap.servers": servers, "log_level": 2})
    (answer,) = client.describe_configs([admin.ConfigResource(admin.ConfigResource.Type.TOPIC, topic)]).values()
    return {name: entry.value for name, entry in answer.result(20).items()}
