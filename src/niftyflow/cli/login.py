"""`niftyflow login`: log an account in at its broker for the day, and keep the session sealed for all programs.

It shows the broker's page and waits for its answer on this machine; it never sees a password, and prints no token.
"""

from __future__ import annotations

import asyncio
import getpass
import os
import sys
import threading
import webbrowser
from typing import TYPE_CHECKING, Annotated

import typer

from niftyflow.cli.context import run, settings_of, state_of
from niftyflow.kit.clock import WallClock, to_ist
from niftyflow.model import Refused

if TYPE_CHECKING:
    from niftyflow.runtime.settings import AppSettings


def login(
    context: typer.Context,
    account: Annotated[
        str,
        typer.Argument(
            help="An account's name in the settings, or its broker when it is the only one there.",
            metavar="BROKER_OR_ACCOUNT",
        ),
    ],
    *,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open the page, or only show it.")] = True,
    request_token: Annotated[
        str | None,
        typer.Option(help="The token, or the whole address, that the page ended at on another machine."),
    ] = None,
) -> None:
    """Log an account in at its broker for today; a running process takes the new login by itself."""
    settings = settings_of(state_of(context).workspace, {})
    run(_login(settings, account, (request_token or "").strip(), opens_browser=browser))


async def _login(settings: AppSettings, said: str, given: str, *, opens_browser: bool) -> None:
    from niftyflow.brokers.errors import SessionDead  # noqa: PLC0415 - heavy
    from niftyflow.runtime.broker_accounts import account_to_log_in, brokers_folder, log_in  # noqa: PLC0415 - heavy

    account = account_to_log_in(settings, said)
    broker = account.settings.broker
    try:
        session = await log_in(settings, account, WallClock(), _Terminal(broker, opens_browser=opens_browser), given)
    except SessionDead as error:
        if not given:
            raise
        raise Refused(
            f'{broker} said "{error.words}": the request token is used, too old or of another app; '
            "log in at the page again, and give the new one within minutes"
        ) from error
    who = f"{session.user_id} ({session.user_name})" if session.user_name else session.user_id
    until = to_ist(session.dies_at)
    typer.echo(f"logged in to {account.name} as {who}; the token lives until {until:%Y-%m-%d %H:%M} IST")
    typer.echo(f"sealed, for you alone, in {brokers_folder()}")


class _Terminal:
    """`LoginTalk` with whoever sits at this terminal."""

    def __init__(self, broker: str, *, opens_browser: bool) -> None:
        self._broker = broker
        self._opens_browser = opens_browser
        self._awaited = ""

    def show(self, page: str) -> None:
        """Print the page, and open it in the browser that there is."""
        typer.echo(f"log in to {self._broker} on this page:\n  {page}")
        typer.echo(self._awaited)
        if self._opens_browser and _has_screen():
            threading.Thread(target=webbrowser.open, args=(page,), daemon=True).start()

    def waits_at(self, address: str, seconds: float) -> None:
        """Have it printed after the page where the answer is awaited."""
        self._awaited = f"its answer is awaited at {address} for {seconds:g} s (Ctrl-C gives up)"

    async def ask(self, question: str) -> str:
        """Return what is typed, unseen."""
        return await asyncio.to_thread(getpass.getpass, f"{question}: ")


def _has_screen() -> bool:
    """Whether a browser can be seen: one in the terminal would take it over."""
    return sys.platform != "linux" or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
