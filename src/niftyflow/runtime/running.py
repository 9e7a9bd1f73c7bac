"""Some layers of the graph in one process of a cluster: engines, stages, the questions answered here, the gateway.

Everything it does not run is elsewhere: topics and stores join them, and questions go over HTTP to whoever answers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, suppress
from functools import partial

from niftyflow.ingestion.intake import TOPIC
from niftyflow.kit.caller import JoinedCaller, LocalCaller
from niftyflow.kit.clock import Clock, WallClock
from niftyflow.kit.http_caller import HttpCaller
from niftyflow.kit.log import get_logger
from niftyflow.kit.readiness import dependencies_of
from niftyflow.model import Instrument, Retryable
from niftyflow.runtime.answers import answering
from niftyflow.runtime.feeds import feed_of, instruments_of, live_feed
from niftyflow.runtime.internal_http import internal_http
from niftyflow.runtime.joined_picture import Picture, joined_system
from niftyflow.runtime.questions import QUESTIONS, addresses_of
from niftyflow.runtime.serving import Asked, Door, open_application
from niftyflow.runtime.settings import AppSettings
from niftyflow.runtime.wiring import Does, Engines, Process, engines
from niftyflow.runtime.workspace import Workspace

log = get_logger(__name__)

FIRST_WAIT_SECONDS = 0.5
LONGEST_WAIT_SECONDS = 10.0
OF_THE_DESK = "account"
"""The question that only the process that trades can answer: how the account stands at this moment."""


async def run_process(
    workspace: Workspace, settings: AppSettings, does: Does, stopping: asyncio.Event, tell: Callable[[str], None], *,
    takes_in: bool, door: Door | None,
) -> None:  # fmt: skip
    """Run these layers until `stopping`, taking ticks in when it `takes_in`, with the gateway behind its `door`.

    Raises:
        Misconfigured: the surroundings or the settings do not allow it; the message says what to do.
    """
    async with AsyncExitStack() as stack:
        on = await _opened(stack, workspace, settings, stopping, tell)
        if on is None:
            return
        process = Process(workspace, settings, on, stopping=stopping, stands_by=True)
        feed, clock = live_feed(settings) if takes_in else (None, WallClock())
        local, asked = await _asked(stack, workspace, settings, on, process, clock, does)
        dependencies = dependencies_of(on.bus, {"market": on.market, "book": on.book, "hot": on.hot})
        address = await stack.enter_async_context(
            internal_http(settings.internal, on.health, dependencies, local, QUESTIONS)
        )
        log.info("process_runs", process=workspace.own.name, internal_address=address)
        if door is not None:
            opened = await stack.enter_async_context(open_application(door, workspace, settings, on, asked, clock))
            tell(f"serving {door.address}    (`niftyflow link` signs a browser in)")
            if opened.first_key is not None:
                tell(f"the owner's API key, told this once and kept in {workspace.key_file}: {opened.first_key}")
        tell(f"{workspace.own.name} runs; health and metrics at {address}")
        if feed is None:
            await process.run(None, [], clock, does=does, supervised=True)
            return
        offered = await process.until_stopped(instruments_of(settings, clock, on.health.worker("ingestion")))
        if offered is None:
            return
        mine = ours_of(offered, settings, on)
        tell(f"taking in {len(mine)} of {len(offered)} instruments from {settings.feed.broker}")
        await process.run(
            feed, mine, clock, does=does, supervised=True, new_feed=lambda: feed_of(settings, clock)
        )  # fmt: skip


async def _opened(
    stack: AsyncExitStack, workspace: Workspace, settings: AppSettings, stopping: asyncio.Event,
    tell: Callable[[str], None],
) -> Engines | None:  # fmt: skip
    """Open the engines as soon as every server answers, or return None when stopped before."""
    wait, told = FIRST_WAIT_SECONDS, ""
    while not stopping.is_set():
        try:
            return await stack.enter_async_context(engines(workspace, settings))
        except Retryable as error:
            if str(error) != told:
                told = str(error)
                tell(f"{workspace.own.name} waits for {told}")
        with suppress(TimeoutError):
            await asyncio.wait_for(stopping.wait(), wait)
        wait = min(2 * wait, LONGEST_WAIT_SECONDS)
    return None


def ours_of(instruments: Sequence[Instrument], settings: AppSettings, on: Engines) -> list[Instrument]:
    """Return the instruments whose partitions are this process's."""
    partitions = set(settings.ingestion.partitions(on.bus.partitions(TOPIC)))
    return [each for each in instruments if on.bus.partition_of(TOPIC, str(each.key)) in partitions]


async def _asked(
    stack: AsyncExitStack, workspace: Workspace, settings: AppSettings, on: Engines, process: Process, clock: Clock,
    does: Does,
) -> tuple[LocalCaller, Asked]:  # fmt: skip
    """Return what this process answers itself, and whom its gateway asks: itself first, others for the rest."""
    local, commands = await stack.enter_async_context(
        answering(on, settings, clock, workspace, desk=lambda: process.desk, parts=process.parts)
    )
    if Does.TRADING not in does:
        local = local.without(OF_THE_DESK)
    here = local
    if settings.internal.processes:  # asked by other processes it tells of itself alone
        here = local.without()
        here.answers("system", await _picture_of_all(stack, local, settings))
    others = {name: addresses for name, addresses in addresses_of(settings.internal).items() if name not in local.names}
    if not others:
        return local, Asked(here, commands)
    remote = await stack.enter_async_context(HttpCaller(others, QUESTIONS, settings.internal))
    return local, Asked(JoinedCaller(here, remote), commands)


async def _picture_of_all(
    stack: AsyncExitStack, local: LocalCaller, settings: AppSettings
) -> Callable[[], Awaitable[Picture]]:
    """Return what draws the whole cluster for the gateway: our own picture, and those of all other processes."""
    own = f"http://127.0.0.1:{settings.internal.port}"
    callers = [
        await stack.enter_async_context(HttpCaller({"system": [address]}, QUESTIONS, settings.internal))
        for address in settings.internal.processes
        if address != own
    ]
    return joined_system(partial(local.call, "system"), [partial(each.call, "system") for each in callers])
