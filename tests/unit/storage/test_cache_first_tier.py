"""The first tier of a cache against a plain model of what it should hold."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from niftyflow.storage.cache_first_tier import FirstTier
from support.stores import SecondsClock

keys = st.sampled_from("abcdef")
acts = st.one_of(
    st.tuples(st.just("put"), keys, st.integers(), st.sampled_from([1.0, 5.0, 20.0])),
    st.tuples(st.just("get"), keys),
    st.tuples(st.just("get"), keys),
    st.tuples(st.just("drop"), keys),
    st.tuples(st.just("clear")),
    st.tuples(st.just("pass"), st.sampled_from([0.5, 1.0, 4.0])),
)


@dataclass
class Model:
    """A list of (key, value, end), the one used longest ago first."""

    most: int
    held: list[tuple[str, int, float]] = field(default_factory=list)

    def put(self, key: str, value: int, end: float) -> None:
        self.held = [*(each for each in self.held if each[0] != key), (key, value, end)][-self.most :]

    def get(self, key: str, now: float) -> int | None:
        found = [each for each in self.held if each[0] == key]
        self.held = [each for each in self.held if each[0] != key] + [each for each in found if each[2] > now]
        return found[0][1] if found and found[0][2] > now else None


@given(most=st.integers(1, 4), done=st.lists(acts, max_size=80))
def test_it_holds_what_a_plain_list_would(most: int, done: list[tuple]):
    """Whatever is put, read, dropped and let grow old, in any order."""
    clock = SecondsClock()
    tier: FirstTier[int] = FirstTier(most, clock)
    model = Model(most)
    for act, *arguments in done:
        if act == "put":
            key, value, life = arguments
            tier.put(key, value, life)
            model.put(key, value, clock.now + life)
        elif act == "get":
            assert tier.get(arguments[0]) == model.get(arguments[0], clock.now)
        elif act == "drop":
            tier.drop(arguments[0])
            model.held = [each for each in model.held if each[0] != arguments[0]]
        elif act == "clear":
            tier.clear()
            model.held = []
        else:
            clock.now += arguments[0]
        assert len(tier) == len(model.held) <= most


def test_the_one_used_longest_ago_makes_room():
    """Reading is a use."""
    tier: FirstTier[int] = FirstTier(2, SecondsClock())
    tier.put("a", 1, 10)
    tier.put("b", 2, 10)
    assert tier.get("a") == 1
    tier.put("c", 3, 10)
    assert [tier.get(key) for key in "abc"] == [1, None, 3]


def test_a_value_ends_with_its_life_and_not_before():
    """A life given again begins again."""
    clock = SecondsClock()
    tier: FirstTier[int] = FirstTier(2, clock)
    tier.put("a", 1, 10)
    clock.now += 9.5
    assert tier.get("a") == 1
    tier.put("a", 2, 10)
    clock.now += 9.5
    assert tier.get("a") == 2
    clock.now += 0.5
    assert tier.get("a") is None
