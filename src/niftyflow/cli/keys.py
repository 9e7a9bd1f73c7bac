"""`niftyflow keys` and `niftyflow link`: who may use the gateway, also while it does not run."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from niftyflow.cli.context import run, settings_of, state_of
from niftyflow.cli.tables import Column, Layout, Row, clock, nothing, show
from niftyflow.kit.addresses import here_of, spelled_host
from niftyflow.kit.clock import WallClock
from niftyflow.model import Misconfigured, Refused, Retryable
from niftyflow.runtime.stores import has_book

if TYPE_CHECKING:
    from niftyflow.runtime.workspace import Workspace
    from niftyflow.storage.cache_channel import CacheChannel
    from niftyflow.storage.key_ports import ApiKey, KeyStore

keys = typer.Typer(no_args_is_help=True, help="API keys of the gateway: list, make, revoke.")

LISTED = Layout(
    (
        Column("id"), Column("name"), Column("scopes"), Column("tier"), Column("made IST"), Column("holds until IST"),
        Column("state"),
    ),
    120,
    ((0, 1), (2, 3), (4, 5), (6,)),
)  # fmt: skip


class ScopeName(StrEnum):
    """What a key may do."""

    READ = "read"
    TRADE = "trade"
    ADMIN = "admin"


class TierName(StrEnum):
    """How many requests a second a key has."""

    STANDARD = "standard"
    PREMIUM = "premium"
    OWNER = "owner"


@keys.command("list")
def list_keys(
    context: typer.Context,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON array of keys, without their texts.")] = False,
) -> None:
    """List the keys there are, the revoked and expired too."""
    run(_list(state_of(context).workspace, as_json=as_json))


@keys.command("create")
def create(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="What it is for, such as notebook.")],
    *,
    scope: Annotated[
        list[ScopeName] | None, typer.Option(help="What it may do; give it again for more [read].")
    ] = None,
    tier: Annotated[TierName, typer.Option(help="How many requests a second it has.")] = TierName.STANDARD,
    days: Annotated[int | None, typer.Option(min=1, max=3650, help="How long it holds [as the settings say].")] = None,
) -> None:
    """Make a key and print its text, which is kept nowhere: keep it now."""
    run(_create(context, name, [each.value for each in scope or [ScopeName.READ]], tier.value, days))


@keys.command("revoke")
def revoke(context: typer.Context, key: Annotated[str, typer.Argument(help="Its id, or its name.")]) -> None:
    """Revoke a key and end its sessions; gateways that share a Redis forget it at once, others within a minute."""
    run(_revoke(state_of(context).workspace, key))


def link(
    context: typer.Context,
    *,
    key: Annotated[str | None, typer.Option(help="Name of the key to sign in with [the owner's].")] = None,
    port: Annotated[int | None, typer.Option(help="Port of the gateway [as the settings say].")] = None,
) -> None:
    """Print a link that signs one browser in, once, within ten minutes."""
    run(_link(context, key, port))


async def _list(workspace: Workspace, *, as_json: bool) -> None:
    if not has_book(workspace):
        raise nothing(f"there are no keys in {workspace.path} yet; `niftyflow up` makes the first")
    async with _store(workspace) as store:
        found = await store.keys()
    if as_json:
        typer.echo(msgspec.json.encode([_without_hash(each) for each in found]))
        return
    now = WallClock().now()
    rows = [
        Row(
            (
                each.id, each.name, " ".join(each.scopes), each.tier, clock(each.created_at), clock(each.expires_at),
                _state(each, now),
            ),
            None if each.holds(now) else "dim",
        )
        for each in found
    ]  # fmt: skip
    show("API keys", LISTED, rows)


async def _create(context: typer.Context, name: str, scopes: list[str], tier: str, days: int | None) -> None:
    from niftyflow.gateway.keys import make_key  # noqa: PLC0415 - heavy

    workspace = state_of(context).workspace
    life = days or settings_of(workspace, {}, quiet=True).gateway.key_life_days
    async with _store(workspace.create()) as store:
        key, secret = await make_key(store, name, scopes, tier, WallClock().now(), life)
    typer.echo(f"key {key.id} ({key.name}) holds until {clock(key.expires_at)} IST; its text, this once:", err=True)
    typer.echo(secret)


async def _revoke(workspace: Workspace, wanted: str) -> None:
    if not has_book(workspace):
        raise nothing(f"there are no keys in {workspace.path}")
    from niftyflow.gateway.keys import Keyring  # noqa: PLC0415 - heavy

    now = WallClock().now()
    async with _store(workspace) as store, _channel(workspace) as channel:
        found = [each for each in await store.keys() if wanted in (each.id, each.name) and each.holds(now)]
        if not found:
            raise Refused(f"no key {wanted} holds: see `niftyflow keys list`")
        is_told = (await Keyring(store, channel).revoke(found[0].id)).is_told and channel.hot.is_shared
    when = "every gateway was told" if is_told else "a gateway that runs forgets it within a minute"
    typer.echo(f"key {found[0].id} ({found[0].name}) is revoked, its sessions are ended; {when}")


async def _link(context: typer.Context, name: str | None, port: int | None) -> None:
    from niftyflow.gateway.keys import link_of, new_ticket  # noqa: PLC0415 - heavy

    workspace = state_of(context).workspace
    settings = settings_of(workspace, {}, quiet=True).gateway
    if not has_book(workspace):
        raise nothing(f"there are no keys in {workspace.path} yet; `niftyflow up` makes the first")
    async with _store(workspace) as store:
        ticket = await new_ticket(store, settings, WallClock().now(), name)
    typer.echo(link_of(f"http://{spelled_host(here_of(settings.host))}:{port or settings.port}", ticket))


@asynccontextmanager
async def _store(workspace: Workspace) -> AsyncIterator[KeyStore]:
    from niftyflow.runtime.settings import load  # noqa: PLC0415 - heavy
    from niftyflow.runtime.stores import opened, stores_of  # noqa: PLC0415 - heavy

    stores = stores_of(workspace, load(workspace.settings_file))
    async with opened([stores.book]):
        yield stores.keys


@asynccontextmanager
async def _channel(workspace: Workspace) -> AsyncIterator[CacheChannel]:
    """Give what tells the gateways; a hot store that is away, or will not have us, is told nothing."""
    from niftyflow.runtime.settings import load  # noqa: PLC0415 - heavy
    from niftyflow.runtime.stores import hot_store_of  # noqa: PLC0415 - heavy
    from niftyflow.storage.cache_channel import CacheChannel  # noqa: PLC0415 - heavy

    hot = hot_store_of(load(workspace.settings_file))
    try:
        await hot.open()
    except (Retryable, Misconfigured) as error:
        typer.echo(f"the gateways cannot be told: {error}", err=True)
    try:
        yield CacheChannel(hot)
    finally:
        await hot.close()


def _state(key: ApiKey, now: int) -> str:
    if key.revoked_at is not None:
        return f"revoked {clock(key.revoked_at)}"
    return "holds" if key.holds(now) else "expired"


def _without_hash(key: ApiKey) -> dict[str, object]:
    return {name: value for name, value in msgspec.structs.asdict(key).items() if name != "hash"}
