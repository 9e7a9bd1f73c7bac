"""Aggregation over the real log, join and stores: what it tells and shows, and a restart that tells nothing twice."""

from __future__ import annotations

import msgspec
import pytest
from prometheus_client import REGISTRY
from pydantic import ValidationError

from niftyflow.aggregation.settings import AggregationSettings
from niftyflow.bus.port import Start
from niftyflow.kit.join import Segment, Step
from niftyflow.kit.joined_reader import StepBatch
from niftyflow.model import Exchange, Instrument, Kind, Watermark, moment
from support.aggregation_stages import Desk, HotStoreAway, HotStoreHangs, desk
from support.market_views import MINUTE, OPENED, cards

SHARES = [Instrument(exchange=Exchange.NSE, symbol=symbol, kind=Kind.EQUITY) for symbol in ("A", "B", "C")]
KNOWN = [*SHARES, Instrument(exchange=Exchange.NSE, symbol="NIFTY 50", kind=Kind.INDEX)]
DAY_MINUTES = 24 * 60

A_DAY = [
    (1, {"NSE:A": {"change_percent": 1.0, "composite_score": 2.0}, "NSE:NIFTY 50": {"change_percent": 1.0}}),
    (2, {"NSE:A": {"change_percent": 2.0}, "NSE:B": {"change_percent": -1.0}}),
    (3, {"NSE:B": {"change_percent": -2.0}}),
    (4, {}),
    (5, {"NSE:A": {"change_percent": 3.0}, "NSE:B": {"change_percent": 0.0}}),
]
VIEWS = 4
"""Minutes of the day in which a scorecard came."""


def seen(name: str, labels: dict[str, str]) -> float:
    """Return a counter's value."""
    return REGISTRY.get_sample_value(name, labels) or 0.0


async def put(day: Desk, minutes=tuple(A_DAY), *, first: int = 0) -> None:
    """Append minutes, each `first` minutes later."""
    for number, rows in minutes:
        await day.minute(first + number, rows)


async def test_each_minute_has_one_view_and_then_its_watermark(tmp_path):
    """Members are the equities that had a scorecard that day so far; the index is none; an empty minute has none."""
    async with desk(tmp_path, KNOWN) as day:
        await put(day)
        await day.minute(6, {}, healthy=False)
        await day.aggregate()
        bodies = await day.published()
        views = await day.views()
    assert [(view.cache_hits, view.cache_misses) for view in views] == [(1, 0), (2, 0), (1, 1), (2, 0)]
    assert [(view.advances, view.declines, view.unchanged) for view in views[:3]] == [(1, 0, 0), (1, 1, 0), (0, 1, 0)]
    assert {view.universe for view in views} == {"ALL"}
    marks = [body for body in bodies if isinstance(body, Watermark)]
    assert [body for body in bodies if not isinstance(body, Watermark)] == [(view,) for view in views]
    assert [isinstance(body, Watermark) for body in bodies] == [
        each for number in range(1, 7) for each in ([False, True] if number not in {4, 6} else [True])
    ]
    assert marks == [
        Watermark(time=OPENED + number * MINUTE, partition=0, source="aggregation", healthy=number != 6)
        for number in range(1, 7)
    ]
    assert [view.timestamp for view in views] == [moment(marks[at].time) for at in (0, 1, 2, 4)]


@pytest.mark.parametrize("commits", [True, False])
@pytest.mark.parametrize("at_once", [1, 3, 50_000])
async def test_a_restart_anywhere_tells_the_same_and_nothing_twice(tmp_path, commits, at_once):
    """Killed or stopped after each minute, whatever the batching: the log is that of one run without a break."""
    async with desk(tmp_path / "whole", KNOWN) as day:
        await put(day)
        await put(day, first=DAY_MINUTES)
        await day.aggregate()
        whole = await day.published()
    for number, rows in [*A_DAY, *((DAY_MINUTES + number, rows) for number, rows in A_DAY)]:
        async with desk(tmp_path / "broken", KNOWN) as day:
            await day.minute(number, rows)
            await day.aggregate(at_once, commits=commits)
    async with desk(tmp_path / "broken", KNOWN) as day:
        broken = await day.published()
    assert len(whole) == 18
    assert msgspec.json.encode(broken) == msgspec.json.encode(whole)


async def test_the_next_day_begins_with_nobody_counted(tmp_path):
    """Yesterday's members are counted again once they say something, and the position follows to the new day."""
    async with desk(tmp_path, KNOWN) as day:
        await put(day)
        await day.minute(DAY_MINUTES, {})
        await day.minute(DAY_MINUTES + 1, {"NSE:C": {}})
        await day.aggregate()
        views = await day.views()
        reader = await day.bus.subscribe("analysis_updates", group="aggregation", start=Start.COMMITTED)
        position = reader.position()
        await reader.close()
        mark = await day.bus.last_watermark("analysis_updates", 0)
    assert [(view.cache_hits, view.cache_misses) for view in views[-2:]] == [(2, 0), (1, 0)]
    assert mark is not None
    yesterday = sum(len(rows) + 1 for _, rows in A_DAY)
    assert position == {0: yesterday}


async def test_a_card_of_yesterday_makes_nobody_a_member_of_today(tmp_path):
    """A scorecard that comes over midnight belongs to the day it tells of."""
    async with desk(tmp_path, KNOWN) as day:
        time = OPENED + DAY_MINUTES * MINUTE
        late, mark = cards({"NSE:A": {}}, OPENED), Watermark(time=time, partition=0, source="analysis", healthy=True)
        await day.bus.publish("analysis_updates", [late, cards({"NSE:B": {}}, time), mark], 0)
        await day.aggregate()
        [view] = await day.views()
    assert (view.cache_hits, view.cache_misses) == (1, 0)


async def test_an_instrument_that_is_listed_later_is_counted(tmp_path):
    """The running stage asks for the instruments again when a name is new to it, and on each new day."""
    times = [OPENED + MINUTE, OPENED + 2 * MINUTE, OPENED + DAY_MINUTES * MINUTE]
    listed_today = Instrument(
        exchange=Exchange.NSE, symbol="FRESH", kind=Kind.EQUITY, valid_to=moment(OPENED).date()
    )  # fmt: skip
    async with desk(tmp_path, KNOWN) as day:
        stage = day.stage()
        await stage.assigned(0, 0)
        counted = []
        for number, time in enumerate(times):
            if number == 1:
                await day.market.save_instruments([listed_today])
            segment = Segment(stage.topic, 0, cards({"NSE:A": {}, "NSE:FRESH": {}} if number else {"NSE:A": {}}, time))
            batch = StepBatch(stage.topic, number, Step(time, True, (segment,), {}))  # noqa: FBT003 - healthy
            await stage.before(batch)
            stage.take(batch)
            [(_, [(view,), _], _)] = stage.work(0).publications
            counted.append(view.cache_hits)
    assert counted == [1, 2, 1]


async def test_a_named_universe_is_counted_from_the_first_minute_on(tmp_path):
    """Who is named and says nothing is missing; who is not named is not counted; the position follows each minute."""
    settings = AggregationSettings(universe="PAIR", members=("nse:b", "C"))
    hits, misses = ({"kind": "scorecards", "tier": "process"},) * 2
    before = seen("cache_hits_total", hits), seen("cache_misses_total", misses)
    async with desk(tmp_path, KNOWN, settings) as day:
        await put(day)
        await day.aggregate()
        await day.aggregate()
        views = await day.views()
        reader = await day.bus.subscribe("analysis_updates", group="aggregation", start=Start.COMMITTED)
        position = reader.position()
        await reader.close()
        end = await day.bus.end("analysis_updates")
    assert {view.universe for view in views} == {"PAIR"}
    assert [(view.cache_hits, view.cache_misses) for view in views] == [(0, 2), (1, 1), (1, 1), (1, 1)]
    assert position == end
    after = seen("cache_hits_total", hits), seen("cache_misses_total", misses)
    assert (after[0] - before[0], after[1] - before[1]) == (3, 5)


async def test_the_newest_view_is_shown_and_lives_two_minutes(tmp_path):
    """Movers as sorted sets that hold nobody of the view before, and the mood on its channel."""
    async with desk(tmp_path, KNOWN) as day:
        heard = day.hot.listen("market:sentiment")
        await put(day, A_DAY[:2])
        await day.aggregate()
        assert await day.hot.top("market:gainers", 9) == [("NSE:A", 2.0)]
        assert await day.hot.top("market:losers", 9, highest=False) == [("NSE:B", -1.0)]
        assert 100 < (await day.hot.ttl("market:losers") or 0) <= 120
        await put(day, A_DAY[2:3])
        await day.aggregate()
        assert await day.hot.top("market:gainers", 9) == []
        assert await day.hot.top("market:losers", 9, highest=False) == [("NSE:B", -2.0)]
        moods = [msgspec.json.decode((await anext(heard))[1]) for _ in range(2)]
    assert moods[0] == {
        "timestamp": "2016-01-27T03:47:00Z", "universe": "ALL", "sentiment": "NEUTRAL", "sentiment_score": 0.0,
        "breadth": 0.0,
    }  # fmt: skip
    assert (moods[1]["sentiment"], moods[1]["breadth"]) == ("BEARISH", -5.0)


@pytest.mark.parametrize("hot", [HotStoreAway, HotStoreHangs])
async def test_a_hot_store_that_is_away_holds_nothing_up(tmp_path, hot):
    """The views are told all the same, and nothing waits for the store to come back."""
    async with desk(tmp_path, KNOWN, hot=hot()) as day:
        await put(day)
        await day.aggregate()
        assert len(await day.views()) == VIEWS


async def test_making_a_view_is_timed(tmp_path):
    """Once for each view told, not for those told before a restart."""
    before = seen("aggregation_duration_seconds_count", {})
    async with desk(tmp_path, KNOWN) as day:
        await put(day)
        await day.aggregate()
        await day.aggregate()
    assert seen("aggregation_duration_seconds_count", {}) - before == VIEWS


@pytest.mark.parametrize(
    "settings",
    [
        {"universe": "", "members": ["NSE:A"]},
        {"universe": "PAIR", "members": ["XYZ:A"]},
        {"universe": "PAIR"},
        {"members": ["NSE:A"]},
        {"member": ["NSE:A"]},
    ],
)
def test_a_universe_that_cannot_be_is_refused(settings):
    """Neither without a name, nor with a member of no exchange, nor a name that says something else than is counted."""
    with pytest.raises(ValidationError):
        AggregationSettings(**settings)


async def test_scorecards_told_again_in_a_minute_without_any_make_no_view(tmp_path):
    """A publication that was done twice is no news: nothing is known of the later minute."""
    async with desk(tmp_path, KNOWN) as day:
        await put(day, A_DAY[:1])
        again = cards(A_DAY[0][1], OPENED + MINUTE)
        mark = Watermark(time=OPENED + 2 * MINUTE, partition=0, source="analysis", healthy=True)
        await day.bus.publish("analysis_updates", [again, mark], 0)
        await day.aggregate()
        assert [view.timestamp for view in await day.views()] == [moment(OPENED + MINUTE)]
