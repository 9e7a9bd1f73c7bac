"""Settings as people ask about them: all of them, their values with their sources, and a file that is written."""

from __future__ import annotations

import tomllib

import pytest

from niftyflow.model import Misconfigured, Refused
from niftyflow.runtime.settings import AppSettings, load
from niftyflow.runtime.settings_told import HIDDEN, all_settings, explained, keep, values, written


def test_every_setting_has_a_meaning_a_type_and_a_variable(tmp_path, monkeypatch):
    """And the variable that is named is the one that counts."""
    told = all_settings()
    assert len(told) > 40
    assert all(each.description and each.type for each in told.values())
    monkeypatch.setenv(told["ingestion.grace_ms"].variable, "77")
    assert load(tmp_path / "none.toml").ingestion.grace_ms == 77
    assert told["trading.limits.max_order_quantity"].limits == ["above 0"]
    assert "one of embedded, kafka" in told["bus.engine"].limits


def test_values_say_where_they_come_from_and_secrets_stay_hidden(tmp_path, monkeypatch):
    """Default, file, or variable; the last one wins."""
    file = tmp_path / "niftyflow.toml"
    file.write_text('[feed]\nbroker = "kite"\nurl = "ws://x:1"\n[kite]\napi_key = "tell-nobody"\n')
    monkeypatch.setenv("NIFTYFLOW_FEED__URL", "ws://y:2")
    monkeypatch.setenv("NIFTYFLOW_KITE__ACCESS_TOKEN", "tell-nobody-either")
    found = {each.name: each for each in values(file)}
    assert (found["feed.broker"].value, found["feed.broker"].source) == ('"kite"', str(file))
    assert (found["feed.url"].value, found["feed.url"].source) == ('"ws://y:2"', "NIFTYFLOW_FEED__URL")
    assert found["log.level"].source == "default"
    assert (found["kite.api_key"].value, found["kite.access_token"].value) == (HIDDEN, HIDDEN)
    assert not any("tell-nobody" in each.value for each in found.values())


@pytest.mark.parametrize("name", ["gateway.port", "[gateway.port]", "NIFTYFLOW_GATEWAY__PORT"])
def test_a_setting_is_explained_by_any_of_its_names(name):
    """Path, heading or variable."""
    (found,) = explained(name)
    assert (found.name, found.default, found.variable) == ("gateway.port", "8000", "NIFTYFLOW_GATEWAY__PORT")


def test_a_group_explains_its_settings_and_a_wrong_name_suggests_right_ones():
    """Nobody has to know the tree."""
    assert {each.name for each in explained("log")} == {"log.json_lines", "log.level"}
    with pytest.raises(Refused, match=r"did you mean gateway\.port"):
        explained("port")
    with pytest.raises(Refused, match=r"trading\.capital_rupees"):
        explained("trading.capital_rupee")
    with pytest.raises(Refused, match="config show"):
        explained("xyzzy")


def test_a_written_file_is_valid_holds_what_was_chosen_and_names_the_rest(tmp_path):
    """Every other setting is there as a comment, and means its default when the # is taken away."""
    file = tmp_path / "niftyflow.toml"
    chosen = {"feed.broker": "kite", "feed.symbols": ["NSE:INFY", "TCS"], "trading.capital_rupees": 250_000}
    keep(written(chosen), file)
    found = load(file)
    assert (found.feed.broker, found.feed.symbols, found.trading.capital_rupees) == (
        "kite",
        ["NSE:INFY", "TCS"],
        250_000,
    )
    assert file.stat().st_mode & 0o777 == 0o600
    everything = "\n".join(
        line.removeprefix("# ") if " = " in line and not line.endswith("...") else line
        for line in written({}).splitlines()
        if not (line.startswith("# ") and " = " not in line)
    )
    assert AppSettings.model_validate(tomllib.loads(everything)) == AppSettings()


def test_what_cannot_be_is_not_written():
    """Naming the setting."""
    with pytest.raises(Misconfigured, match=r"trading\.capital_rupees"):
        written({"trading.capital_rupees": -5})


def test_of_an_account_at_a_broker_only_the_names_of_its_options_are_told(tmp_path, monkeypatch):
    """Each with where it comes from; also of one that is no secret by its name."""
    file = tmp_path / "niftyflow.toml"
    file.write_text('[brokers.mine]\nbroker = "kite"\noptions = { api_key = "tell-nobody", root = "tell-nobody" }\n')
    monkeypatch.setenv("NIFTYFLOW_BROKERS__MINE__OPTIONS__API_SECRET", "tell-nobody")
    found = {each.name: each for each in values(file)}
    assert found["brokers.mine.unlocked"].value == '"read_only"'
    assert (found["brokers.mine.options.root"].value, found["brokers.mine.options.root"].source) == (HIDDEN, str(file))
    secret = found["brokers.mine.options.api_secret"]
    assert (secret.value, secret.source) == (HIDDEN, "NIFTYFLOW_BROKERS__MINE__OPTIONS__API_SECRET")
    assert not any("tell-nobody" in each.value for each in found.values())


def test_an_account_that_was_chosen_is_written_with_its_options(tmp_path):
    """As a group of its own."""
    file = tmp_path / "niftyflow.toml"
    options = {"api_key": "k", "api_secret": 's"e\\c'}
    keep(written({"brokers.mine.broker": "kite", "brokers.mine.options": options}), file)
    assert load(file).brokers["mine"].options == options
