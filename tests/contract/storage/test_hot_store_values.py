"""What every hot store does with strings, hashes, streams, sorted sets and lives."""

from __future__ import annotations

import pytest

from niftyflow.model import Refused
from niftyflow.storage import HotStore
from support.stores import HotEngine


async def test_strings_are_set_and_read_in_one_go(hot: HotStore):
    """Answers come in the order asked, None where there is none."""
    await hot.set_many({"a": b"1", "b": b"", "c": b"\x00\xff"})
    assert await hot.get("c") == b"\x00\xff"
    assert await hot.get_many(["c", "missing", "b", "a"]) == [b"\x00\xff", None, b"", b"1"]
    assert await hot.get("missing") is None
    await hot.set_many({})


async def test_a_string_lives_as_long_as_it_was_given(hot_engine: HotEngine):
    """Past its life it is absent everywhere."""
    store = hot_engine.store
    await store.set_many({"tick": b"1"}, ttl_seconds=0.2)
    left = await store.ttl("tick")
    assert left is not None
    assert 0 < left < 0.201
    await hot_engine.wait(0.25)
    assert await store.get("tick") is None
    assert await store.get_many(["tick"]) == [None]
    assert await store.ttl("tick") == -2
    assert await store.delete("tick") == 0


async def test_setting_a_string_again_gives_it_its_new_life_or_none(hot_engine: HotEngine):
    """A life is not inherited: SET without one keeps the key for good."""
    store = hot_engine.store
    await store.set_many({"a": b"1", "b": b"1"}, ttl_seconds=0.2)
    await store.set_many({"a": b"2"})
    await store.set_many({"b": b"2"}, ttl_seconds=500)
    await hot_engine.wait(0.25)
    assert await store.get_many(["a", "b"]) == [b"2", b"2"]
    assert await store.ttl("a") is None
    left = await store.ttl("b")
    assert left is not None
    assert 490 < left < 500


@pytest.mark.parametrize("life", [0, -1, 0.0001, float("nan"), float("inf")])
async def test_a_life_that_is_over_at_once_is_refused(hot: HotStore, life: float):
    """Redis refuses it too; nothing is set."""
    with pytest.raises(Refused, match="ttl_seconds"):
        await hot.set_many({"a": b"1"}, ttl_seconds=life)
    with pytest.raises(Refused, match="ttl_seconds"):
        await hot.set_hashes({"h": {"f": b"1"}}, ttl_seconds=life)
    assert await hot.get("a") is None
    assert await hot.get_hash("h") == {}


async def test_delete_counts_the_keys_that_were_there(hot: HotStore):
    """Of any type, each once."""
    await hot.set_many({"s": b"1"})
    await hot.set_hashes({"h": {"f": b"1"}})
    await hot.add_to_stream("x", {"f": b"1"}, 10)
    await hot.set_scores("z", {"m": 1.0})
    assert await hot.delete("s", "h", "x", "z", "missing") == 4
    assert await hot.delete("s") == 0
    assert await hot.delete() == 0


async def test_fields_of_a_hash_are_set_beside_those_there(hot: HotStore):
    """Other fields stay; the answer is a copy."""
    await hot.set_hashes({"candle": {"open": b"1", "close": b"2"}, "other": {"x": b"y"}})
    await hot.set_hashes({"candle": {"close": b"3"}, "untouched": {}})
    answer = await hot.get_hash("candle")
    assert answer == {"open": b"1", "close": b"3"}
    answer["open"] = b"changed"
    assert (await hot.get_hash("candle"))["open"] == b"1"
    assert await hot.get_hash("untouched") == {}


async def test_a_hash_keeps_its_life_until_given_another(hot_engine: HotEngine):
    """HSET does not touch the life; a new life replaces it."""
    store = hot_engine.store
    await store.set_hashes({"a": {"f": b"1"}, "b": {"f": b"1"}}, ttl_seconds=0.2)
    await store.set_hashes({"a": {"g": b"2"}})
    await store.set_hashes({"b": {"g": b"2"}}, ttl_seconds=500)
    await hot_engine.wait(0.25)
    assert await store.get_hash("a") == {}
    assert await store.get_hash("b") == {"f": b"1", "g": b"2"}
    await store.set_hashes({"a": {"h": b"3"}})
    assert await store.get_hash("a") == {"h": b"3"}
    assert await store.ttl("a") is None


async def test_stream_entries_are_read_after_an_id(hot: HotStore):
    """Ids grow, also within a millisecond; reading goes on from the last one seen."""
    ids = [await hot.add_to_stream("analysis", {"n": str(n).encode()}, 1000) for n in range(5)]
    as_numbers = [tuple(map(int, id_.split("-"))) for id_ in ids]
    assert as_numbers == sorted(set(as_numbers))
    assert await hot.read_stream("analysis") == [(id_, {"n": str(n).encode()}) for n, id_ in enumerate(ids)]
    assert [id_ for id_, _ in await hot.read_stream("analysis", after=ids[1], count=2)] == ids[2:4]
    assert await hot.read_stream("analysis", after=ids[-1]) == []
    assert await hot.read_stream("missing") == []


async def test_several_entries_are_appended_in_one_go(hot: HotStore):
    """In order, after those there; one without fields keeps all out."""
    first = await hot.add_to_stream("analysis", {"n": b"first"}, 1000)
    entries = [{"n": str(n).encode()} for n in range(300)]
    ids = await hot.add_all_to_stream("analysis", entries, 1000)
    found = await hot.read_stream("analysis")
    assert found == [(first, {"n": b"first"}), *zip(ids, entries, strict=True)]
    assert await hot.add_all_to_stream("analysis", [], 1000) == []
    with pytest.raises(Refused):
        await hot.add_all_to_stream("analysis", [{"n": b"1"}, {}], 1000)
    await hot.add_all_to_stream("trimmed", entries, 50)
    assert 50 <= len(await hot.read_stream("trimmed")) <= 250
    assert len(await hot.read_stream("analysis")) == 301


async def test_a_stream_is_trimmed_to_about_its_length(hot: HotStore):
    """Never below what was asked, and not without bound; the oldest go."""
    for n in range(1000):
        await hot.add_to_stream("analysis", {"n": str(n).encode()}, 50)
    entries = await hot.read_stream("analysis")
    assert 50 <= len(entries) <= 250
    assert [int(fields["n"]) for _, fields in entries] == list(range(1000 - len(entries), 1000))


async def test_an_id_that_is_none_is_refused(hot: HotStore):
    """And so is an entry without fields."""
    await hot.add_to_stream("analysis", {"n": b"1"}, 10)
    with pytest.raises(Refused):
        await hot.read_stream("analysis", after="yesterday")
    with pytest.raises(Refused):
        await hot.add_to_stream("analysis", {}, 10)


async def test_the_best_of_a_sorted_set_come_first_and_ties_by_name(hot: HotStore):
    """As ZREVRANGE and ZRANGE: ties run in the direction of the scores."""
    await hot.set_scores("gainers", {"TCS": 1.5, "INFY": 5.2, "ABB": 1.5, "WIPRO": -3.0})
    await hot.set_scores("gainers", {"WIPRO": 1.5, "ZEEL": float("inf")})
    assert await hot.top("gainers", 3) == [("ZEEL", float("inf")), ("INFY", 5.2), ("WIPRO", 1.5)]
    assert await hot.top("gainers", 99, highest=False) == [
        ("ABB", 1.5),
        ("TCS", 1.5),
        ("WIPRO", 1.5),
        ("INFY", 5.2),
        ("ZEEL", float("inf")),
    ]
    assert await hot.top("gainers", 0) == []
    assert await hot.top("missing", 5) == []
    with pytest.raises(Refused):
        await hot.set_scores("gainers", {"TCS": float("nan")})


async def test_a_sorted_set_has_a_life_as_other_keys(hot_engine: HotEngine):
    """Given with the scores, kept when they change without one."""
    store = hot_engine.store
    await store.set_scores("gainers", {"TCS": 1.0}, ttl_seconds=0.2)
    await store.set_scores("gainers", {"INFY": 2.0})
    assert await store.top("gainers", 9) == [("INFY", 2.0), ("TCS", 1.0)]
    await hot_engine.wait(0.25)
    assert await store.top("gainers", 9) == []


async def test_a_key_of_another_type_is_refused_and_unchanged(hot: HotStore):
    """WRONGTYPE for all but SET and MGET, as in Redis."""
    await hot.set_many({"s": b"1"})
    await hot.set_hashes({"h": {"f": b"1"}})
    for operation in (
        hot.get("h"),
        hot.get_hash("s"),
        hot.set_hashes({"s": {"f": b"1"}}),
        hot.add_to_stream("s", {"f": b"1"}, 10),
        hot.read_stream("h"),
        hot.set_scores("h", {"m": 1.0}),
        hot.top("s", 3),
        hot.set_hashes({"s": {"f": b"1"}}, ttl_seconds=500),
        hot.set_scores("h", {"m": 1.0}, ttl_seconds=500),
    ):
        with pytest.raises(Refused, match="WRONGTYPE"):
            await operation
    assert await hot.get_many(["s", "h"]) == [b"1", None]
    assert await hot.get_hash("h") == {"f": b"1"}
    assert [await hot.ttl(key) for key in "sh"] == [None, None]
    await hot.set_many({"h": b"now a string"})
    assert await hot.get("h") == b"now a string"


async def test_a_batch_of_thousands_is_one_operation(hot: HotStore):
    """Strings with and without a life, fields of a hash, members of a set."""
    numbers = {str(n): str(n).encode() for n in range(5000)}
    await hot.set_many(numbers)
    assert await hot.get_many(list(numbers)) == list(numbers.values())
    await hot.set_many(numbers, ttl_seconds=100)
    assert await hot.ttl("4999") is not None
    await hot.set_hashes({"h": numbers}, ttl_seconds=100)
    assert await hot.get_hash("h") == numbers
    await hot.set_scores("z", {name: float(name) for name in numbers}, ttl_seconds=100)
    assert await hot.top("z", 1) == [("4999", 4999.0)]
    assert await hot.delete(*numbers) == 5000
