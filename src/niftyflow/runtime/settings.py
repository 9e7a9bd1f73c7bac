"""The settings of a process: one tree, from the workspace's file and the environment, checked before anything starts.

`NIFTYFLOW_FEED__SYMBOLS` sets `symbols` of `[feed]`; the environment wins over the file. Unknown names are refused.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final, get_args, get_origin

from pydantic import Field, SecretStr, StringConstraints, ValidationError

from niftyflow.aggregation.settings import AggregationSettings
from niftyflow.ai.settings import AiSettings
from niftyflow.analysis.settings import AnalysisSettings
from niftyflow.bus.settings import KafkaSecurity
from niftyflow.gateway.settings import GatewaySettings
from niftyflow.ingestion.service import IngestionSettings
from niftyflow.kit.call_settings import InternalSettings
from niftyflow.kit.settings import Settings, readable
from niftyflow.model import Misconfigured
from niftyflow.signals.settings import SignalSettings
from niftyflow.storage.settings import PostgresSettings, RedisSettings
from niftyflow.trading.settings import PAPER, LiveStep, TradingSettings

PREFIX = "NIFTYFLOW_"
OTHERS = {"WORKSPACE", "LONG", "TEST_DATA", "FUZZ_SEED"}


ACCOUNT_NAME: Final = r"^[a-z0-9][a-z0-9_-]{0,31}$"
ACCOUNT_OR_NONE: Final = r"^([a-z0-9][a-z0-9_-]{0,31})?$"


class BusEngine(StrEnum):
    """What joins the stages."""

    EMBEDDED = "embedded"
    KAFKA = "kafka"


class FeedSettings(Settings):
    """Where ticks come from."""

    broker: str = Field(default="simulator", pattern="^(simulator|kite)$", description="simulator or kite")
    url: str = Field(default="ws://127.0.0.1:8765", description="Address of the simulator's socket")
    symbols: list[str] = Field(default=[], description="Instruments to take in, as EXCHANGE:SYMBOL; empty: all offered")
    instruments_file: Path | None = Field(
        default=None, description="Kite instruments CSV, instead of asking the broker"
    )
    account: str = Field(
        default="", pattern=ACCOUNT_OR_NONE,
        description="Name in [brokers] whose app and login the live feed uses; empty: those of [kite]",
    )  # fmt: skip


class BrokerAccount(Settings):
    """An account at a broker, once for each; NAME is the one you give it."""

    broker: str = Field(description="Which adapter: kite, or one that a package of yours brings")
    options: dict[str, Any] = Field(
        default={}, repr=False, description="Settings of the adapter, such as api_key and api_secret; never shown"
    )
    unlocked: LiveStep = Field(
        default=LiveStep.READ_ONLY, description="How far orders of ours may go there; a step at a time"
    )


class KiteSettings(Settings):
    """Credentials of the Kite Connect app; the access token dies every morning."""

    api_key: str = Field(default="", description="API key of the Kite Connect app")
    access_token: SecretStr = Field(default=SecretStr(""), description="Today's access token")


class BusSettings(Settings):
    """What joins the stages."""

    engine: BusEngine = Field(default=BusEngine.EMBEDDED, description="embedded or kafka")
    servers: str = Field(default="127.0.0.1:9092", description="Kafka brokers, host:port,host:port")
    prefix: str = Field(default="", description="Put before every topic and group on a shared cluster")
    partitions: int | None = Field(default=None, ge=1, description="Partitions of a topic, instead of the declared 50")
    replication: int | None = Field(
        default=None, ge=1, description="Copies of a new topic's records; none: as the brokers' default says"
    )
    recent_mb: int = Field(
        default=64, ge=1, le=4096,
        description="Memory for a topic's newest records, in MB; who is further behind reads the file",
    )  # fmt: skip
    security: KafkaSecurity = Field(default=KafkaSecurity(), description="TLS and SASL towards the brokers")


class HotEngine(StrEnum):
    """What holds the latest values and small caches."""

    MEMORY = "memory"
    REDIS = "redis"


class HotSettings(RedisSettings):
    """What holds the latest values and small caches; the other settings are Redis's."""

    engine: HotEngine = Field(default=HotEngine.MEMORY, description="memory or redis")


class LogSettings(Settings):
    """The process's log, on standard error."""

    json_lines: bool = Field(default=False, description="One JSON object a line instead of text for people")
    level: str = Field(default="info", pattern="^(debug|info|warning|error)$", description="Least level that is shown")


class AppSettings(Settings):
    """Everything that can be set."""

    brokers: dict[Annotated[str, StringConstraints(pattern=ACCOUNT_NAME)], BrokerAccount] = Field(
        default={}, description="Accounts at brokers by name, each a group [brokers.NAME]"
    )
    feed: FeedSettings = FeedSettings()
    kite: KiteSettings = KiteSettings()
    ingestion: IngestionSettings = IngestionSettings()
    analysis: AnalysisSettings = AnalysisSettings()
    ai: AiSettings = AiSettings()
    aggregation: AggregationSettings = AggregationSettings()
    signals: SignalSettings = SignalSettings()
    trading: TradingSettings = TradingSettings()
    gateway: GatewaySettings = GatewaySettings()
    bus: BusSettings = BusSettings()
    database: PostgresSettings = PostgresSettings()
    hot: HotSettings = HotSettings()
    internal: InternalSettings = InternalSettings()
    log: LogSettings = LogSettings()


ALONE: Final[Mapping[str, str]] = {
    "bus.engine": "embedded", "database.url": "", "hot.engine": "memory",
    "feed.account": "", "trading.orders_to": PAPER,
}  # fmt: skip
"""Overrides for what keeps to itself, as demo and replay: generated prices reach no shared server and no broker."""


def load(file: Path, overrides: dict[str, Any] | None = None) -> AppSettings:
    """Return the settings of a file (which need not be there), the environment and `overrides`, the later winning.

    Raises:
        Misconfigured: naming the setting, where it stands and what to do.
    """
    tree: dict[str, Any] = {}
    places = []
    if file.exists():
        places.append(str(file))
        try:
            tree = tomllib.loads(file.read_text())
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise Misconfigured(f"{file} cannot be read: {error}") from error
    for name, value in os.environ.items():
        if name.startswith(PREFIX) and name.removeprefix(PREFIX) not in OTHERS:
            _set(tree, name.removeprefix(PREFIX).lower().split("__"), value, name)
            places.append(name)
    for path, value in (overrides or {}).items():
        if value is not None:
            _set(tree, path.split("."), value, path)
    return checked(tree, ", ".join(places) or "settings")


def checked(tree: Mapping[str, Any], where: str) -> AppSettings:
    """Return the settings that a tree gives; `where` names what it was read from.

    Raises:
        Misconfigured: naming the setting and what to do.
    """
    try:
        settings = AppSettings.model_validate(tree)
    except ValidationError as error:
        raise readable(error, where) from error
    _require_accounts(settings, where)
    return settings


def _require_accounts(settings: AppSettings, where: str) -> None:
    """Refuse settings that send orders to, or take ticks from, an account that is not there."""
    known, feed, orders_to = settings.brokers, settings.feed, settings.trading.orders_to
    if PAPER in known:
        raise Misconfigured(f"{where}: [brokers.{PAPER}] cannot be: {PAPER} is where no broker is; name it otherwise")
    uses_account = feed.account and feed.broker != "simulator"
    for name, value, instead in (
        ("trading.orders_to", orders_to if orders_to != PAPER else "", f'"{PAPER}"'),
        ("feed.account", feed.account if uses_account else "", '""'),
    ):
        if value and value not in known:
            there = f"the accounts there are {', '.join(sorted(known))}" if known else "there are no accounts"
            raise Misconfigured(
                f"{where}: setting {name} is {value!r}, and {there}: "
                f"write {instead} or one of them, or add [brokers.{value}]"
            )
    if uses_account and known[feed.account].broker != feed.broker:
        raise Misconfigured(
            f"{where}: feed.broker is {feed.broker!r}, and the account {feed.account} of feed.account is at "
            f"{known[feed.account].broker}: name an account at {feed.broker}"
        )


def _set(tree: dict[str, Any], path: list[str], value: Any, name: str) -> None:
    for part in path[:-1]:
        tree = tree.setdefault(part, {})
        if not isinstance(tree, dict):
            raise Misconfigured(f"{name}: {part} is a value, not a group of settings")
    tree[path[-1]] = value.split(",") if isinstance(value, str) and _is_list_of_text(path) else value


def _is_list_of_text(path: list[str]) -> bool:
    """Whether a setting is several texts, which a variable or an option gives with commas between them."""
    group: Any = AppSettings
    for part in path[:-1]:
        field = group.model_fields.get(part)
        if field is None or not isinstance(field.annotation, type) or not issubclass(field.annotation, Settings):
            return False
        group = field.annotation
    field = group.model_fields.get(path[-1])
    kind = None if field is None else field.annotation
    return get_origin(kind) in (list, tuple, set, frozenset) and get_args(kind)[0] in (str, Path)
