"""Some layers of the graph in one process of a cluster: engines, stages, the questions answered here, the gateway.

Everything it does not run is elsewhere: topics and stores join them, and questions go over HTTP to whoever answers.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial

from niftyflow.brokers.port import Feed
from niftyflow.ingestion.intake import TOPIC
from niftyflow.kit.caller import JoinedCaller, LocalCaller
from niftyflow.kit.clock import Clock, WallClock
from niftyflow.kit.health import Health
from niftyflow.kit.http_caller import HttpCaller
from niftyflow.kit.log import get_logger
from niftyflow.kit.readiness import dependencies_of
from niftyflow.model import Instrument, Retryable
from niftyflow.runtime.answers import OwnAnswers, answering
from niftyflow.runtime.feeds import feed_of, instruments_of, live_feed
from niftyflow.runtime.internal_http import InternalApp, internal_http
from niftyflow.runtime.joined_picture import Picture, joined_system
from niftyflow.runtime.processes import PICTURE_SECONDS, process_caller
from niftyflow.runtime.questions import QUESTIONS
from niftyflow.runtime.serving import Asked, Door, Opened, open_application
from niftyflow.runtime.settings import AppSettings
from niftyflow.runtime.system import SystemPicture
from niftyflow.runtime.wiring import Does, Engines, Process, engines
from niftyflow.runtime.workspace import Workspace

log = get_logger(__name__)

Tell = Callable[[str], None]

FIRST_WAIT_SECONDS = 0.5
LONGEST_WAIT_SECONDS = 10.0
OF_THE_DESK = "account"
"""The question that only the process that trades can answer: how the account stands at this moment."""


async def run_process(
    workspace: Workspace, settings: AppSettings, does: Does, stopping: asyncio.Event, tell: Tell, *, takes_in: bool,
    door: Door | None,
) -> None:  # fmt: skip
    """Run these layers until `stopping`, taking ticks in when it `takes_in`, with the gateway behind its `door`.

    Raises:
        Misconfigured: the surroundings or the settings do not allow it; the message says what to do.
    """
    async with AsyncExitStack() as stack:
        health = Health()
        internal = await stack.enter_async_context(internal_http(settings.internal, health, QUESTIONS))
        stack.enter_context(workspace.create().told_address(internal.address))
        on = await _opened(stack, workspace, settings, stopping, tell, internal, health)
        if on is None:
            return
        process = Process(workspace, settings, on, stopping=stopping, stands_by=True)
        feed, clock = live_feed(settings) if takes_in else (None, WallClock())
        dependencies = dependencies_of(on.bus, {"market": on.market, "book": on.book, "hot": on.hot})
        if door is None:
            picture = SystemPicture(on, clock, workspace, process.parts)
            internal.opens(dependencies, _of_itself(OwnAnswers(lambda: process.desk, picture).caller, does))
        else:
            local, asked = await stack.enter_async_context(
                _asked(workspace, settings, on, process, clock, does, internal)
            )
            internal.opens(dependencies, local)
            opened = await stack.enter_async_context(open_application(door, workspace, settings, on, asked, clock))
            tell_served(door, opened, workspace, tell)
        log.info("process_runs", process=workspace.process, internal_address=internal.address)
        tell(f"{workspace.own.name} runs; health and metrics at {internal.address}")
        await run_graph(process, settings, feed, clock, does, tell)


def tell_served(door: Door, opened: Opened, workspace: Workspace, tell: Tell) -> None:
    """Say where the gateway answers, and the first key the one time that it is known."""
    tell(f"serving {door.address}    (`niftyflow link` signs a browser in)")
    if opened.first_key is not None:
        tell(f"the owner's API key, told this once and kept in {workspace.key_file}: {opened.first_key}")


async def run_graph(
    process: Process, settings: AppSettings, feed: Feed | None, clock: Clock, does: Does, tell: Tell
) -> None:
    """Run what a process does until it is stopped or its feed ends; of a feed it takes in its own share.

    Raises:
        Misconfigured: the feed, or what the stores hold, does not allow it; the message says what to do.
    """
    if feed is None:
        await process.run(None, [], clock, does=does, supervised=True)
        return
    health = process.engines.health
    offered = await process.until_stopped(instruments_of(settings, clock, health.worker("ingestion")))
    if offered is None:
        return
    mine = ours_of(offered, settings, process.engines)
    count = f"{len(mine)} instruments" if len(mine) == len(offered) else f"{len(mine)} of {len(offered)} instruments"
    tell(f"taking in {count} from {settings.feed.broker}")
    await process.run(
        feed, mine, clock, does=does, supervised=True, new_feed=lambda: feed_of(settings, clock)
    )  # fmt: skip


def ours_of(instruments: Sequence[Instrument], settings: AppSettings, on: Engines) -> list[Instrument]:
    """Return the instruments whose partitions are this process's."""
    partitions = set(settings.ingestion.partitions(on.bus.partitions(TOPIC)))
    return [each for each in instruments if on.bus.partition_of(TOPIC, str(each.key)) in partitions]


async def _opened(
    stack: AsyncExitStack, workspace: Workspace, settings: AppSettings, stopping: asyncio.Event, tell: Tell,
    internal: InternalApp, health: Health,
) -> Engines | None:  # fmt: skip
    """Open the engines as soon as every server answers, or return None when stopped before."""
    wait, told = FIRST_WAIT_SECONDS, ""
    while not stopping.is_set():
        try:
            return await stack.enter_async_context(engines(workspace, settings, health))
        except Retryable as error:
            if str(error) != told:
                told = internal.starts.waits_for = str(error)
                tell(f"{workspace.own.name} waits for {told}")
        with suppress(TimeoutError):
            await asyncio.wait_for(stopping.wait(), wait)
        wait = min(2 * wait, LONGEST_WAIT_SECONDS)
    return None


def _of_itself(caller: LocalCaller, does: Does) -> LocalCaller:
    return caller if Does.TRADING in does else caller.without(OF_THE_DESK)


@asynccontextmanager
async def _asked(
    workspace: Workspace, settings: AppSettings, on: Engines, process: Process, clock: Clock, does: Does,
    internal: InternalApp,
) -> AsyncIterator[tuple[LocalCaller, Asked]]:  # fmt: skip
    """Give what this process answers others, and whom its gateway asks: itself first, whoever trades for the account.

    Asked for the picture by others it draws its own; its gateway shows that of all.
    """
    async with AsyncExitStack() as stack:
        answers = answering(on, settings, clock, workspace, desk=lambda: process.desk, parts=process.parts)
        everything, commands = await stack.enter_async_context(answers)
        local = _of_itself(everything, does)
        here = local.without()
        if settings.internal.processes:
            here.answers("system", await _picture_of_all(stack, internal, settings))
        trading = HttpCaller({OF_THE_DESK: settings.internal.trading}, QUESTIONS, settings.internal, who="trading")
        await stack.enter_async_context(trading)
        yield local, Asked(JoinedCaller(here, trading), commands)


async def _picture_of_all(
    stack: AsyncExitStack, internal: InternalApp, settings: AppSettings
) -> Callable[[], Awaitable[Picture]]:
    """Return what draws the whole cluster for the gateway: our own picture, and those of all other processes."""
    callers = [
        await stack.enter_async_context(
            process_caller("system", address, settings.internal, PICTURE_SECONDS, "the process")
        )
        for address in settings.internal.processes
        if address.rstrip("/") != internal.address
    ]
    return joined_system(internal.system, [partial(each.call, "system") for each in callers])
