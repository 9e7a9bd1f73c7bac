"""What commands to trading share: who gives them, how long one waits, and what is said of the answer."""

from __future__ import annotations

import getpass
import os
from typing import TYPE_CHECKING, Annotated, Any

import typer

from niftyflow.cli.context import settings_of, state_of
from niftyflow.kit.clock import to_ist
from niftyflow.model import CommandKind, CommandResult, Refused, Retryable

if TYPE_CHECKING:
    from niftyflow.runtime.commanding import Answer

WAIT_SECONDS = 10.0
Wait = Annotated[float, typer.Option("--wait", min=0.1, help="Seconds to wait for an answer.")]


async def command(context: typer.Context, kind: CommandKind, body: dict[str, Any], wait: float) -> CommandResult:
    """Give a command to the workspace's account and return its result, once it is done.

    Raises:
        Refused: it was not done; the reason is what trading said.
        Retryable: nobody took it in time.
    """
    from niftyflow.runtime.commanding import give, new_command  # noqa: PLC0415 - heavy

    workspace = state_of(context).workspace
    settings = settings_of(workspace, {}, quiet=True)
    asked = new_command(settings.trading.account, kind, body, f"cli:{user_name()}")
    answer = await give(workspace, settings, asked, wait)
    if answer.result is None:
        raise Retryable(_unanswered(answer, wait))
    if not answer.result.is_done:
        raise Refused(answer.result.reason)
    if not answer.holder:
        typer.echo(f"nobody trades here now: done in the book of {workspace.path}", err=True)
    return answer.result


def _unanswered(answer: Answer, wait: float) -> str:
    until = f"{to_ist(answer.command.expires_at):%H:%M:%S} IST"
    return (
        f"no answer in {wait:g} s: account {answer.command.account} is held by {answer.holder}, where nothing takes "
        f"commands now; command {answer.command.id} expires at {until}"
    )


def user_name() -> str:
    """Return who runs this, as the operating system names them."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        return str(os.getuid())
