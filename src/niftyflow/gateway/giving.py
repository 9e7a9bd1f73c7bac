"""Commands from requests: made, given, and what came of them told; a refusal is an error with its reasons.

A repeated `Idempotency-Key` is the same command: it is done once, and answered alike.
"""

from __future__ import annotations

from typing import Annotated, Any, Final
from uuid import uuid4

from fastapi import Header, Request

from niftyflow.gateway import examples_trading as examples
from niftyflow.gateway.decision_rows import command_row
from niftyflow.gateway.keys import identity_of
from niftyflow.gateway.schemas_common import Envelope
from niftyflow.gateway.sources import sources_of
from niftyflow.kit.clock import WallClock
from niftyflow.model import Command, CommandKind, CommandResult, Refused

WAIT_SECONDS: Final = 2.0
"""How long a request waits for the answer to its command."""
VALID_MS: Final = 60_000
"""How long a command may wait to be taken, by the wall's clock."""

IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key", pattern=r"^[0-9A-Za-z_.:-]{8,64}$",
        description="Drawn by the client: becomes the command's id, so that a repeated request is done once",
    ),
]  # fmt: skip


class CommandRefused(Refused):
    """Trading refused a command; `details` hold its id and, for an order, the checks that failed."""

    def __init__(self, result: CommandResult) -> None:
        super().__init__(result.reason)
        self.details: dict[str, Any] = {"command": result.id, **result.body}


async def given(
    request: Request, kind: CommandKind, body: dict[str, Any], key: str | None = None
) -> tuple[Command, CommandResult | None]:
    """Give a command in the name of the request's key; return it with its result, None when there is none in time.

    Raises:
        CommandRefused: it was not done; the reason is what trading said.
        Retryable: the bus or the book is away.
    """
    sources, now = sources_of(request), WallClock().now()
    command = Command(
        id=key or uuid4().hex, account=sources.account, kind=kind, by=f"key:{identity_of(request).name}",
        issued_at=now, expires_at=now + VALID_MS, body=body, idempotency_key=key or "",
    )  # fmt: skip
    result = await sources.commands.give(command, WAIT_SECONDS)
    if result is not None and not result.is_done:
        raise CommandRefused(result)
    return command, result


def answer_of(command: Command, result: CommandResult | None, **more: Any) -> dict[str, Any]:
    """Return what a request that gave a command is answered."""
    return {"command": command_row(command.id, result), **more}


def status_of(result: CommandResult | None, done: int = 200) -> int:
    """Return the answer's status: 202 while nobody has answered."""
    return done if result is not None else 202


def not_yet(model: Any, **beside: Any) -> dict[int | str, dict[str, Any]]:
    """Return the `responses` entry of a command that nobody has answered in time; `beside` stands in its example."""
    data = {"command": examples.NOT_YET, **beside}
    return {
        202: {
            "model": Envelope[model],
            "description": f"Given, and not answered in {WAIT_SECONDS:g} s: ask with GET /commands/{{id}}",
            "content": {"application/json": {"example": {"status": "success", "data": data}}},
        }
    }
