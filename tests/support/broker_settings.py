"""Settings of accounts at brokers for tests, and a login of the day sealed as `niftyflow login` seals it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
from pydantic import SecretStr

from niftyflow.brokers.account_book import BrokerSession
from niftyflow.brokers.sealed import SealedSessions
from niftyflow.runtime.broker_accounts import account_of, brokers_folder
from niftyflow.runtime.settings import AppSettings

KEY = "key0123456789"
SECRET = "a-secret-of-the-app"


def with_accounts(*names: str, **groups: Any) -> AppSettings:
    """Return settings with accounts at Kite, each an app of its own."""
    brokers = {
        name: {"broker": "kite", "options": {"api_key": f"{KEY}-{name}", "api_secret": SECRET}} for name in names
    }
    return AppSettings.model_validate({"brokers": brokers} | groups)


def seal(settings: AppSettings, name: str, dies_at: int, token: str = "token-1") -> BrokerSession:
    """Seal a login of an account that dies at a moment, ms UTC."""
    account = account_of(settings, name)
    options = account.settings.options
    login = BrokerSession(
        broker=account.settings.broker, user_id="AB1234", user_name="Asha Rao", api_key=str(options["api_key"]),
        access_token=SecretStr(token), logged_in_at=dies_at - 1, dies_at=dies_at,
    )  # fmt: skip
    SealedSessions(brokers_folder(), account.settings.broker, account.label).write(login)
    return login


def written(folder: Path, text: str) -> Path:
    """Write a workspace's settings for its owner alone; return the workspace."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    file = folder / "niftyflow.toml"
    file.write_text(text)
    file.chmod(0o600)
    return folder


def replaced(login: BrokerSession, **changes: Any) -> BrokerSession:
    """Return a login with other fields."""
    return msgspec.structs.replace(login, **changes)
