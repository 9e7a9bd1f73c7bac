"""Settings: file, environment, command line, the later winning; what is wrong is one line that says what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from niftyflow.model import Misconfigured
from niftyflow.runtime.settings import ALONE, AppSettings, BusEngine, HotEngine, load
from niftyflow.runtime.settings_told import all_settings
from niftyflow.runtime.stores import is_shared
from niftyflow.trading.settings import LiveStep


@pytest.fixture
def file(tmp_path) -> Path:
    """Where the settings of a workspace are, if there are any."""
    return tmp_path / "niftyflow.toml"


def refusal(file: Path, overrides: dict[str, object] | None = None) -> str:
    """Return the one line with which the settings are refused."""
    with pytest.raises(Misconfigured) as refused:
        load(file, overrides)
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_without_file_and_environment_there_are_defaults(file):
    """A laptop needs no settings."""
    assert load(file) == AppSettings()
    assert load(file).bus.engine is BusEngine.EMBEDDED


def test_the_environment_wins_over_the_file_and_the_command_line_over_both(file, monkeypatch):
    """What is nearer to the user counts."""
    file.write_text('[feed]\nurl = "ws://127.0.0.1:1"\nbroker = "kite"\n[ingestion]\ngrace_ms = 7\n')
    assert load(file).feed.url == "ws://127.0.0.1:1"
    monkeypatch.setenv("NIFTYFLOW_FEED__URL", "ws://127.0.0.1:2")
    assert load(file).feed.url == "ws://127.0.0.1:2"
    found = load(file, {"feed.url": "ws://127.0.0.1:3", "feed.broker": None})
    assert (found.feed.url, found.feed.broker, found.ingestion.grace_ms) == ("ws://127.0.0.1:3", "kite", 7)


def test_text_of_the_environment_becomes_what_the_setting_is(file, monkeypatch):
    """Numbers, truths, lists by commas, choices, paths."""
    for name, value in (
        ("INGESTION__GRACE_MS", "250"),
        ("LOG__JSON_LINES", "true"),
        ("FEED__SYMBOLS", "NSE:INFY,TCS"),
        ("BUS__ENGINE", "kafka"),
        ("FEED__INSTRUMENTS_FILE", "here.csv"),
    ):
        monkeypatch.setenv(f"NIFTYFLOW_{name}", value)
    found = load(file)
    assert found.ingestion.grace_ms == 250
    assert found.log.json_lines is True
    assert found.feed.symbols == ["NSE:INFY", "TCS"]
    assert found.bus.engine is BusEngine.KAFKA
    assert found.feed.instruments_file == Path("here.csv")


def test_what_is_for_others_is_not_a_setting(file, monkeypatch):
    """The workspace is chosen before there are settings; some variables are for the tests."""
    monkeypatch.setenv("NIFTYFLOW_WORKSPACE", "/somewhere")
    monkeypatch.setenv("NIFTYFLOW_LONG", "1")
    assert load(file) == AppSettings()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[feed]\nsybmols = []\n", "unknown setting feed.sybmols: remove it or correct its name"),
        ("speed = 3\n", "unknown setting speed: remove it"),
        ("[ingestion]\ngrace_ms = 'soon'\n", "setting ingestion.grace_ms is 'soon'"),
        ("[ingestion]\ngrace_ms = -1\n", "greater than or equal to 0"),
        ("[ingestion]\ngrace_ms = 3600000\n", "less than or equal to 30000"),
        ("[bus]\nengine = 'rabbit'\n", "'embedded' or 'kafka'"),
        ("[bus]\npartitions = 0\n", "setting bus.partitions is 0"),
        ("[log]\nlevel = 'loud'\n", "setting log.level is 'loud'"),
        ("feed = 3\n", "feed is a group of settings"),
        ("[feed\n", "cannot be read"),
    ],
)
def test_what_is_wrong_in_the_file_is_named_with_the_file(file, text, says):
    """The line names the file, the setting and what is allowed."""
    file.write_text(text)
    said = refusal(file)
    assert says in said
    assert said.startswith(str(file))


def test_everything_that_is_wrong_is_said_at_once(file):
    """Nobody corrects settings one start at a time."""
    file.write_text("[feed]\nsybmols = []\n[log]\nlevel = 'loud'\n")
    assert "feed.sybmols" in refusal(file)
    assert "log.level" in refusal(file)


def test_every_list_of_texts_may_be_set_by_a_variable(file, monkeypatch):
    """With commas between, whichever group it is of."""
    monkeypatch.setenv("NIFTYFLOW_FEED__SYMBOLS", "NSE:INFY,NSE:TCS")
    monkeypatch.setenv("NIFTYFLOW_AGGREGATION__UNIVERSE", "OWN")
    monkeypatch.setenv("NIFTYFLOW_AGGREGATION__MEMBERS", "NSE:INFY,NSE:TCS")
    monkeypatch.setenv("NIFTYFLOW_SIGNALS__FILES", "one.yaml,two.yaml")
    settings = load(file)
    assert settings.feed.symbols == ["NSE:INFY", "NSE:TCS"]
    assert settings.aggregation.members == ("NSE:INFY", "NSE:TCS")
    assert settings.signals.files == (Path("one.yaml"), Path("two.yaml"))


def test_an_unknown_variable_is_named_as_it_was_set(file, monkeypatch):
    """So that whoever set it finds it again."""
    monkeypatch.setenv("NIFTYFLOW_FEED__SYBMOLS", "NSE:INFY")
    monkeypatch.setenv("NIFTYFLOW_LOG__LEVEL", "info")
    said = refusal(file)
    assert "NIFTYFLOW_FEED__SYBMOLS" in said
    assert "unknown setting feed.sybmols" in said


def test_a_group_is_no_value_in_either_direction(file, monkeypatch):
    """A value where the environment means a group."""
    file.write_text("feed = 3\n")
    monkeypatch.setenv("NIFTYFLOW_FEED__URL", "ws://127.0.0.1:2")
    assert "NIFTYFLOW_FEED__URL: feed is a value" in refusal(file)


@pytest.mark.parametrize("data", [b"\xff\xfe[feed]", b"\x00"])
def test_a_file_that_is_no_text_is_refused(file, data):
    """With its name, not with a traceback."""
    file.write_bytes(data)
    assert refusal(file).startswith(f"{file} cannot be read")


def test_a_folder_in_place_of_the_file_is_refused(file):
    """The same for what is no file at all."""
    file.mkdir()
    assert refusal(file).startswith(f"{file} cannot be read")


@pytest.mark.parametrize(
    "text", ["[kite]\naccess_token = 987654321\n", "[kite]\napi_key = 987654321\n", "kite = 987654321\n"]
)
def test_a_refused_secret_is_not_spelled(file, text):
    """The message goes to terminals and logs."""
    file.write_text(text)
    said = refusal(file)
    assert "kite" in said
    assert "987654321" not in said


def test_a_secret_is_not_in_the_settings_text(file, monkeypatch):
    """Nor in what is printed of them."""
    monkeypatch.setenv("NIFTYFLOW_KITE__ACCESS_TOKEN", "tell-nobody")
    found = load(file)
    assert found.kite.access_token.get_secret_value() == "tell-nobody"
    assert "tell-nobody" not in f"{found!r} {found}"


def test_settings_are_frozen():
    """Nobody changes them while a process runs."""
    with pytest.raises(ValueError, match="frozen"):
        AppSettings().feed.url = "ws://elsewhere"


def test_every_setting_says_what_it_is_and_units_are_in_the_name():
    """The reference page is made from it."""
    described = all_settings()
    assert [name for name, setting in described.items() if not setting.description] == []
    assert {"ingestion.grace_ms", "bus.security.protocol", "database.url"} <= described.keys()


def test_an_address_that_may_hold_a_password_is_a_secret():
    """It is never shown, whatever its name."""
    described = all_settings()
    assert described["database.url"].is_secret
    assert described["hot.url"].is_secret
    assert not described["feed.url"].is_secret


def test_what_keeps_to_itself_reaches_no_server_that_the_environment_names(tmp_path, monkeypatch):
    """A demo's generated prices must not come into a shared database."""
    for name, value in (
        ("BUS__ENGINE", "kafka"), ("DATABASE__URL", "postgresql://desk@db.example/niftyflow"), ("HOT__ENGINE", "redis"),
    ):  # fmt: skip
        monkeypatch.setenv(f"NIFTYFLOW_{name}", value)
    assert is_shared(load(tmp_path / "none.toml"))
    alone = load(tmp_path / "none.toml", dict(ALONE))
    assert not is_shared(alone)
    assert (alone.bus.engine, alone.hot.engine) == (BusEngine.EMBEDDED, HotEngine.MEMORY)


ACCOUNT = '[brokers.zerodha]\nbroker = "kite"\n[brokers.zerodha.options]\napi_key = "k"\n'


def test_an_account_at_a_broker_takes_its_secret_from_the_environment(file, monkeypatch):
    """Names of variables are in capitals, those of accounts are not."""
    file.write_text(ACCOUNT + '[trading]\norders_to = "zerodha"\n')
    monkeypatch.setenv("NIFTYFLOW_BROKERS__ZERODHA__OPTIONS__API_SECRET", "tell-nobody")
    monkeypatch.setenv("NIFTYFLOW_BROKERS__ZERODHA__UNLOCKED", "one_share")
    found = load(file)
    account = found.brokers["zerodha"]
    assert account.options == {"api_key": "k", "api_secret": "tell-nobody"}
    assert account.unlocked is LiveStep.ONE_SHARE
    assert "tell-nobody" not in f"{found!r} {found}"


def test_an_account_is_read_only_unless_somebody_says_otherwise(file):
    """And nothing goes to it."""
    file.write_text(ACCOUNT)
    found = load(file)
    assert found.brokers["zerodha"].unlocked is LiveStep.READ_ONLY
    assert found.trading.orders_to == "paper"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            "[trading]\norders_to = 'zerodah'\n",
            "setting trading.orders_to is 'zerodah', and the accounts there are zerodha",
        ),
        ("[feed]\nbroker = 'kite'\naccount = 'mine'\n", "setting feed.account is 'mine'"),
        ("[brokers.paper]\nbroker = 'kite'\n", "[brokers.paper] cannot be"),
        ("[brokers.m]\nbroker = 'mstock'\n[feed]\nbroker = 'kite'\naccount = 'm'\n", "feed.account is at mstock"),
        ("[brokers.'My App']\nbroker = 'kite'\n", "setting brokers.My App"),
        ("[brokers.n]\nbroker = 'kite'\nunlocked = 'all'\n", "setting brokers.n.unlocked is 'all'"),
        ("[brokers.n]\n", "brokers.n.broker"),
    ],
)
def test_an_account_that_is_named_must_be_there(file, text, says):
    """The line names the setting, what is there, and what to write."""
    file.write_text(ACCOUNT + text)
    assert says in refusal(file)


def test_without_any_account_the_line_says_how_to_add_one(file):
    """It is the first thing that somebody meets who sends orders to a broker."""
    file.write_text("[trading]\norders_to = 'zerodha'\n")
    assert 'there are no accounts: write "paper" or one of them, or add [brokers.zerodha]' in refusal(file)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("BROKERS", "tell-nobody"),
        ("BROKERS__ZERODHA", "tell-nobody"),
        ("BROKERS__ZERODHA__OPTIONS", "tell-nobody"),
        ("BROKERS__ZERODHA__API_SECRET", "tell-nobody"),
    ],
)
def test_a_secret_at_the_wrong_place_is_not_repeated(file, monkeypatch, variable, value):
    """The line is read by whoever reads the log."""
    monkeypatch.setenv(f"NIFTYFLOW_{variable}", value)
    assert value not in refusal(file)


def test_generated_prices_reach_no_broker(file):
    """A demo or a replay in a workspace that trades for real stays on paper."""
    file.write_text(ACCOUNT + "[trading]\norders_to = 'zerodha'\n[feed]\nbroker = 'kite'\naccount = 'zerodha'\n")
    alone = load(file, dict(ALONE))
    assert (alone.trading.orders_to, alone.feed.account) == ("paper", "")
