"""The rules of permits: never more than a limit in any window, whoever asks and whatever becomes of the permits."""

from __future__ import annotations

import random
from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from niftyflow.brokers.capabilities import RateLimit
from niftyflow.brokers.governor_rules import LONGEST_PAUSE_MS, Asked, GovernedKind, Told
from niftyflow.brokers.governor_windows import KindState, free, limits_of, merged, moved_on, slowed_windows
from niftyflow.model import InvalidValue
from support.windows import most_in_window

MARGIN = 100
LIFE, AHEAD_LIFE = 250, 1000
TODAY = (20_000,)
KITE = (RateLimit("orders", 10, 1), RateLimit("orders", 400, 60), RateLimit("orders", 5000, 86_400))
SMALL = (RateLimit("orders", 3, 1), RateLimit("orders", 7, 5), RateLimit("orders", 30, 86_400))
QUOTES = (RateLimit("orders", 1, 1),)


def governed(limits: Sequence[RateLimit] = KITE, percent: int = 0, recover: int = 30_000) -> GovernedKind:
    """Build the rules of one kind."""
    return GovernedKind(
        limits_of("orders", limits, MARGIN), longest_life=60_000, recover=recover, urgent_day_percent=percent
    )


class Shared:
    """A state and those who share it, at a time that a test moves."""

    def __init__(self, rules: GovernedKind) -> None:
        self.rules = rules
        self.state = KindState("a")
        self.now = 10_000_000
        self.days: tuple[int, ...] = TODAY
        self.count = 0
        """How often was asked."""

    def refresh(self) -> None:
        """Store the state, read it, and bring it to now."""
        self.state = msgspec.msgpack.decode(msgspec.msgpack.encode(self.state), type=KindState)
        self.rules.refresh(self.state, self.now, self.days)

    def ask(
        self, holder: str = "a", needed: int = 1, *, ahead: int = 0, is_urgent: bool = False, has_place: bool = True
    ) -> Told:
        """Ask for permits; the id of their lease is the count of asking."""
        self.count += 1
        self.refresh()
        asked = Asked(
            holder=holder, lease=str(self.count), needed=needed, ahead=ahead, life=LIFE, ahead_life=AHEAD_LIFE,
            is_urgent=is_urgent, has_place=has_place,
        )  # fmt: skip
        return self.rules.claim(self.state, asked, self.now, self.days)

    def settle(self, lease: str, used: int, at: int) -> None:
        """Say what was used."""
        self.refresh()
        self.rules.settle(self.state, lease, used, at, self.days)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from([KITE, SMALL, QUOTES]), st.sampled_from([0, 0.1]))
def test_no_window_ever_holds_more_arrivals_than_its_limit(seed: int, limits: tuple[RateLimit, ...], trouble: float):
    """Whatever the order, the times of use, the delays below the margin, the dead, the settled and the forgotten."""
    shared = Shared(governed(limits, recover=2000))
    arrivals: list[int] = []
    chance = random.Random(seed)
    told = Told()
    for _ in range(150):
        shared.now += chance.choice([told.wait, told.wait, 1, chance.randrange(400)])
        told = shared.ask(
            chance.choice("abc"), chance.randint(1, 6), ahead=chance.randint(0, 3), is_urgent=chance.random() < 0.3
        )
        lease, used = str(shared.count), told.count
        if chance.random() < trouble:
            shared.rules.slow(shared.state, chance.choice([None, 0.0, chance.random() * 3]), shared.now)
        if chance.random() < trouble:  # the process dies
            used = min(used, 1)
        times = [shared.now + chance.choice([0, told.life - 1, chance.randrange(told.life)]) for _ in range(used)]
        arrivals += [time + chance.choice([0, MARGIN - 1, chance.randrange(MARGIN)]) for time in times]
        if times and chance.random() < 0.3:
            shared.settle(lease, used, max(times))
        if chance.random() < trouble:
            seen, shared.state = shared.state, KindState(lease)
            merged(shared.state, seen)
    for limit in limits:
        assert most_in_window(arrivals, limit.seconds * 1000) <= limit.count


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 400), min_size=1, max_size=80), st.sampled_from([KITE, SMALL]))
def test_permits_given_back_are_given_again_and_never_twice(pauses: list[int], limits: tuple[RateLimit, ...]):
    """Half of each lease is used at once and the rest given back; the day counts what was used, and no window more."""
    shared = Shared(governed(limits))
    arrivals: list[int] = []
    for pause in pauses:
        shared.now += pause
        told = shared.ask(needed=2, ahead=2)
        used = told.count // 2
        arrivals += [shared.now] * used
        if told.count:
            shared.settle(str(shared.count), used, shared.now)
    for limit in limits:
        assert most_in_window(arrivals, limit.seconds * 1000) <= limit.count
    assert sum(sum(counts.values()) for counts in shared.state.days.values()) == len(arrivals)


@settings(max_examples=20, deadline=None)
@given(holders=st.integers(2, 5), others_are_urgent=st.booleans())
def test_nobody_starves_when_all_want_more_than_there_is(holders: int, *, others_are_urgent: bool):
    """Each of one class is served before another is served twice more; who is not urgent waits only for who is."""
    shared = Shared(governed(QUOTES))
    served = dict.fromkeys(range(holders), 0)
    for _ in range(200):
        shared.now += 250
        for holder in served:
            is_urgent = others_are_urgent and holder == 0 and shared.now % 5000 < 1000
            served[holder] += shared.ask(str(holder), is_urgent=is_urgent).count
    assert min(served.values()) > 0
    if not others_are_urgent:
        assert max(served.values()) - min(served.values()) <= 1


@pytest.mark.parametrize("longer", [(), (RateLimit("orders", 5000, 3600),)])
def test_full_rate_is_reached_when_permits_are_settled_at_once(longer: tuple[RateLimit, ...]):
    """Ten in every 1.1 seconds, no fewer: the margin is all that is lost, also where an hour is counted by slots."""
    shared = Shared(governed((*KITE[:1], *longer)))
    count = 0
    for _ in range(1100):
        shared.now += 10
        told = shared.ask(needed=10)
        shared.settle(str(shared.count), told.count, shared.now)
        count += told.count
    assert count == 100


def test_an_urgent_call_goes_before_those_who_came_earlier():
    """Two wait, then an urgent one comes: it is first, and the two keep their order."""
    shared = Shared(governed(QUOTES))
    assert shared.ask("a").count == 1
    assert [shared.ask(holder).count for holder in "bc"] == [0, 0]
    assert shared.ask("d", is_urgent=True).count == 0
    served = []
    for _ in range(60):
        shared.now += 100
        served += [
            holder for holder in "cbd" if holder not in served and shared.ask(holder, is_urgent=holder == "d").count
        ]
    assert served == ["d", "b", "c"]


def test_one_who_waits_and_dies_is_forgotten():
    """Its place blocks the others for a second, not longer."""
    shared = Shared(governed(QUOTES))
    shared.ask("a")
    assert shared.ask("dead", is_urgent=True).count == 0
    shared.now += 900
    assert shared.ask("b").count == 0
    shared.now += 500
    assert shared.ask("b").count == 1


def test_permits_ahead_are_for_quiet_times_only():
    """Up to half of the shortest window; none while others wait, and none while the rate is halved."""
    shared = Shared(governed())
    assert [shared.ask(ahead=2).count for _ in range(5)] == [3, 2, 1, 1, 1]
    shared.now += 5000
    shared.refresh()
    shared.rules.slow(shared.state, 0, shared.now)
    assert shared.ask(ahead=2).count == 1


def test_a_share_put_by_leaves_half_of_each_window_to_all():
    """However many processes put one by, and none where the limit is one."""
    shared = Shared(governed())
    assert sum(shared.ask(str(n), has_place=False).count for n in range(20)) == 5
    assert shared.ask("z", 10).count == 5
    assert Shared(governed(QUOTES)).ask(has_place=False).count == 0


def test_what_waits_tells_when_to_come_again():
    """By the end of the lease and its window, but soon enough to hear that permits were given back."""
    shared = Shared(governed(QUOTES))
    shared.ask("a")
    assert shared.ask("a") == Told(wait=250)
    shared.settle("1", 1, shared.now)
    shared.now += 1000
    assert shared.ask("a") == Told(wait=100)
    shared.now += 100
    assert shared.ask("a").count == 1


def test_a_days_count_ends_and_begins_again_and_keeps_some_for_urgent_calls():
    """Of thirty, ten in a hundred are kept; about midnight a call counts in both days."""
    shared = Shared(governed((RateLimit("orders", 100, 1), RateLimit("orders", 30, 86_400)), percent=10))
    assert shared.ask(needed=40).count == 27
    assert shared.ask("b").is_day_spent
    assert shared.ask("c", 5, is_urgent=True).count == 3
    assert shared.ask("c", is_urgent=True).is_day_spent
    shared.now += 10_000
    shared.days = (20_000, 20_001)
    assert shared.ask("b").is_day_spent
    shared.days = (20_001,)
    assert shared.ask("b", 5).count == 5
    shared.days = (20_001, 20_002)
    shared.now += 10_000
    assert shared.ask("b", 2).count == 2
    assert {day: sum(counts.values()) for day, counts in shared.state.days.items()} == {
        20_000: 30,
        20_001: 7,
        20_002: 2,
    }


def test_a_429_closes_halves_and_the_rate_comes_back_step_by_step():
    """Answers to one burst halve it once; another one later halves it again."""
    shared = Shared(governed(KITE[:1], recover=10_000))

    def each_second() -> int:
        shared.now += 10_000 - shared.now % 1
        return shared.ask(needed=10).count

    shared.refresh()
    for _ in range(3):
        shared.rules.slow(shared.state, None, shared.now)
    shared.now += 1099
    assert shared.ask(needed=10).count == 0
    shared.now += 1
    assert shared.ask(needed=10).count == 5
    shared.now += 2000
    shared.refresh()
    shared.rules.slow(shared.state, 3.5, shared.now)
    shared.now += 3_400
    assert shared.ask(needed=10).count == 0
    shared.now += 2_000
    assert shared.ask(needed=10).count == 2
    assert [each_second() for _ in range(3)] == [5, 10, 10]


@pytest.mark.parametrize(("level", "expected"), [(0, (10, 1.1)), (1, (5, 1.1)), (3, (1, 0.88)), (4, (1, 1.76))])
def test_a_halved_rate_is_exactly_half(level: int, expected: tuple[int, float]):
    """By fewer calls in a window and, below one call, by longer windows; the limit itself stays in force."""
    windows = limits_of("orders", KITE[:1], MARGIN).windows
    slowed = slowed_windows(windows, level)
    assert slowed[0] == windows[0]
    assert (slowed[-1].count, slowed[-1].span / 1000) == expected


def test_a_pause_that_a_broker_asks_for_is_an_hour_at_most():
    """A wrong header must not stop an account for days."""
    shared = Shared(governed())
    shared.rules.slow(shared.state, 1e9, shared.now)
    assert shared.state.closed_until == shared.now + LONGEST_PAUSE_MS


def test_a_state_stays_small_and_its_counts_exact():
    """A minute's four hundred are a hundred slots at most, and the four hundred and first waits for the first."""
    shared = Shared(governed())
    begun, count = shared.now, 0
    while count < 400:
        told = shared.ask(needed=10)
        count += told.count
        shared.settle(str(shared.count), told.count, shared.now)
        shared.now += 110
    assert free(shared.state.entries, shared.rules.limits.windows, shared.now) == 0
    assert len(msgspec.msgpack.encode(shared.state)) < 4000
    while not shared.ask().count:
        shared.now += 100
    assert 60_000 < shared.now - begun < 61_500


def test_a_clock_set_back_makes_what_was_taken_newer_and_never_older():
    """Nothing waits longer than the longest life and a window; nothing leaves too early."""
    shared = Shared(governed(KITE[:1]))
    shared.ask(needed=10)
    shared.ask("b")
    shared.now -= 3_600_000
    assert shared.ask("b").count == 0
    shared.now += 59_000
    assert shared.ask("b").count == 0
    shared.now += 3_000
    assert shared.ask("b").count == 1


def test_a_clock_set_forward_does_not_open_the_window():
    """What the jump made old counts by its age without it, or as just taken."""
    shared = Shared(governed(KITE[:1]))
    shared.ask(needed=10)
    shared.now += 3_600_300
    moved_on(shared.state, 3_600_000, shared.now)
    assert shared.ask("b").count == 0
    shared.now += 1_050
    assert shared.ask("b").count == 1


def test_a_lease_is_extended_only_while_it_counts():
    """And a new day counts it too, if it has room for it."""
    shared = Shared(governed(SMALL))
    assert shared.ask(has_place=False).count == 1
    shared.refresh()
    rules, state = shared.rules, shared.state
    assert rules.extend(state, "1", 5000, shared.now, TODAY, (20_000, 20_001))
    assert {day: sum(counts.values()) for day, counts in state.days.items()} == {20_000: 1, 20_001: 1}
    shared.now += 4_000
    assert shared.ask("b", 3).count == 2
    assert not rules.extend(state, "unknown", 5000, shared.now, TODAY, TODAY)
    assert not rules.extend(shared.state, "1", 5000, shared.now + 1_001, TODAY, TODAY)
    shared.state.days[20_002] = {"other": 30}
    assert not rules.extend(shared.state, "1", 5000, shared.now, TODAY, (20_002,))


def test_what_was_seen_is_added_to_a_state_that_forgot():
    """Once and not twice, with the day's counts of each birth, the pause and the halving."""
    seen = Shared(governed())
    seen.ask(needed=6)
    seen.rules.slow(seen.state, 2, seen.now)
    new = Shared(governed())
    new.state, new.count = KindState("b"), 100
    new.ask("n", needed=3)
    for _ in range(2):
        merged(new.state, seen.state)
    assert sum(entry.count for entry in new.state.entries) == 9
    assert new.state.days[20_000] == {"a": 6, "b": 3}
    assert (new.state.level, new.state.closed_until) == (1, seen.now + 2000)


@pytest.mark.parametrize(
    "limits", [[], [RateLimit("quotes", 1, 1)], [RateLimit("orders", 0, 1)], [RateLimit("orders", 1, 0)]]
)
def test_limits_that_permit_nothing_are_refused(limits: list[RateLimit]):
    """A kind without a limit may not leave at all."""
    with pytest.raises(InvalidValue):
        limits_of("orders", limits, MARGIN)
