"""`niftyflow config`: make a settings file by questions, show what counts and why, check a file, explain a setting."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from niftyflow.cli.context import State, state_of
from niftyflow.model import Misconfigured, Refused

config = typer.Typer(no_args_is_help=True, help="Settings: make a file, show, check, explain.")

QUESTIONS = (
    ("feed.broker", "Where ticks come from: simulator or kite"),
    ("feed.symbols", "Instruments as EXCHANGE:SYMBOL, by commas; nothing for all that are offered"),
    ("trading.account", "Name of the paper account"),
    ("trading.capital_rupees", "Cash it begins with, in rupees"),
    ("trading.limits.max_daily_loss_rupees", "Loss of a day from which on only exits leave, in rupees"),
    ("gateway.host", "Address the pages and the API listen on (127.0.0.1: this machine alone)"),
    ("gateway.port", "Port they listen on"),
    ("log.json_lines", "Log as JSON lines, for machines: true or false"),
)
KITE_ACCOUNT = "zerodha"
"""What the wizard calls the account at Kite; the file may be edited."""


@config.command("init")
def init(
    context: typer.Context,
    *,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Ask nothing, take the defaults.")] = False,
) -> None:
    """Write the workspace's settings file by questions, each with a default; checked before it is written."""
    from niftyflow.runtime.settings_told import keep, written  # noqa: PLC0415 - heavy

    file = _file(state_of(context))
    if file.exists() and (yes or not typer.confirm(f"{file} is there already: write it anew?", default=False)):
        raise Refused(f"{file} is there already, and stays as it is")
    chosen = {} if yes else _asked()
    keep(written(chosen), file)
    typer.echo(f"written: {file}    (for you alone; `niftyflow doctor` looks at the rest)")
    if chosen.get("feed.broker") == "kite":
        typer.echo("each morning: niftyflow login kite    (orders stay on paper; docs: connect-zerodha)")


@config.command("show")
def show(
    context: typer.Context,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON array of settings.")] = False,
    changed: Annotated[bool, typer.Option("--changed", help="Only those that do not stand at their default.")] = False,
) -> None:
    """Show every setting's value and where it comes from; secrets stay hidden."""
    from niftyflow.runtime.settings_told import values  # noqa: PLC0415 - heavy

    found = [each for each in values(_file(state_of(context))) if not changed or each.source != "default"]
    if as_json:
        sys.stdout.write(msgspec.json.encode(found).decode() + "\n")
        return
    for each in found:
        typer.echo(f"{each.name} = {each.value or '(not set)'}    # {each.source}")


@config.command("check")
def check(
    context: typer.Context,
    file: Annotated[Path | None, typer.Argument(help="A settings file [that of the workspace].")] = None,
) -> None:
    """Check a settings file together with the environment; what is wrong is named with what to do."""
    from niftyflow.runtime.settings import load  # noqa: PLC0415 - heavy

    wanted = file or _file(state_of(context))
    if not wanted.exists():
        raise Misconfigured(f"{wanted} is not there: `niftyflow config init` writes one")
    load(wanted)
    typer.echo(f"{wanted} is valid")


@config.command("explain")
def explain(
    name: Annotated[str, typer.Argument(help="A setting such as trading.capital_rupees, a group, or a variable.")],
) -> None:
    """Say what a setting means, what it may be, its default, and which variable sets it."""
    from niftyflow.runtime.settings_told import explained  # noqa: PLC0415 - heavy

    for place, each in enumerate(explained(name)):
        if place:
            typer.echo("")
        typer.echo(f"{each.name}: {each.description}")
        typer.echo(f"  type      {each.type}{''.join(f', {limit}' for limit in each.limits)}")
        typer.echo(f"  default   {each.default or '(not set)'}")
        typer.echo(f"  variable  {each.variable}")


def _file(state: State) -> Path:
    return state.workspace.settings_file


def _asked() -> dict[str, Any]:
    """Ask each question until its answer can be; return the answers that are not defaults."""
    from niftyflow.runtime.settings_told import all_settings  # noqa: PLC0415 - heavy

    told = all_settings()
    chosen: dict[str, Any] = {}
    for name, question in QUESTIONS:
        default = told[name].default.strip('"').strip("[]")
        answer = _answered(name, question, default)
        if answer is not None:
            chosen[name] = answer
        if answer == "kite":
            chosen |= _kite_account()
    return chosen


def _kite_account() -> dict[str, Any]:
    """Ask for the app at Kite; its secret is typed unseen, and may be left out."""
    options = {
        "api_key": typer.prompt("API key of your Kite Connect app").strip(),
        "api_secret": typer.prompt(
            "Its API secret, kept in the file (nothing: given by the environment)", default="", show_default=False,
            hide_input=sys.stdin.isatty(),
        ).strip(),
    }  # fmt: skip
    return {
        "feed.account": KITE_ACCOUNT,
        f"brokers.{KITE_ACCOUNT}.broker": "kite",
        f"brokers.{KITE_ACCOUNT}.options": {name: text for name, text in options.items() if text},
    }


def _answered(name: str, question: str, default: str) -> Any:
    from niftyflow.runtime.settings import checked  # noqa: PLC0415 - heavy

    while True:
        text = typer.prompt(question, default=default, show_default=bool(default)).strip()
        if text == default:
            return None
        tree: dict[str, Any] = {}
        place, (*groups, last) = tree, name.split(".")
        for group in groups:
            place = place.setdefault(group, {})
        place[last] = [each.strip() for each in text.split(",")] if name == "feed.symbols" else text
        try:
            value: Any = checked(tree, "that cannot be")
        except Misconfigured as refused:
            typer.echo(f"{refused}; again, please")
            continue
        for part in name.split("."):
            value = getattr(value, part)
        return value
