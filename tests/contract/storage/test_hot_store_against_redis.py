"""Every hot store answers as Redis does: random commands to it and to a plain client of Redis, answer by answer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from niftyflow.model import Refused
from niftyflow.storage import HotStore
from support.redis import RedisServer

keys = st.sampled_from(["a", "b", "c", "d"])
names = st.sampled_from(["f", "g", "é", "z", "Z", "\uffee", "\U0001f600"])
values = st.binary(max_size=3)
lives = st.sampled_from([None, None, 100.0])
scores = st.sampled_from([-1.5, 0.0, 1.0, 1.0, 2.25, float("inf"), float("-inf")])
commands = st.one_of(
    st.tuples(st.just("set_many"), st.dictionaries(keys, values, min_size=1, max_size=3), lives),
    st.tuples(st.just("get"), keys),
    st.tuples(st.just("get_many"), st.lists(keys, min_size=1, max_size=4)),
    st.tuples(st.just("delete"), st.lists(keys, min_size=1, max_size=2)),
    st.tuples(st.just("ttl"), keys),
    st.tuples(st.just("set_hash"), keys, st.dictionaries(names, values, min_size=1, max_size=3), lives),
    st.tuples(st.just("get_hash"), keys),
    st.tuples(st.just("add_to_stream"), keys, st.dictionaries(names, values, min_size=1, max_size=2)),
    st.tuples(st.just("read_stream"), keys, st.integers(1, 5)),
    st.tuples(st.just("set_scores"), keys, st.dictionaries(names, scores, min_size=1, max_size=4), lives),
    st.tuples(st.just("top"), keys, st.integers(1, 6), st.booleans()),
)


@pytest.fixture(scope="module")
def oracle_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """Start a Redis that these tests may flush."""
    server = RedisServer(tmp_path_factory.mktemp("oracle")).start()
    yield server
    server.kill()


class Oracle:
    """The port's operations as the Redis commands they stand for, one key at a time where an error may come."""

    def __init__(self, client: Any) -> None:
        self.client = client
        client.flushall()

    def set_many(self, values: dict[str, bytes], life: float | None) -> None:
        for key, value in values.items():
            self.client.set(key, value, px=None if life is None else int(life * 1000))

    def get(self, key: str) -> bytes | None:
        return self.client.get(key)

    def get_many(self, keys: list[str]) -> list[bytes | None]:
        return self.client.mget(keys)

    def delete(self, keys: list[str]) -> int:
        return self.client.delete(*keys)

    def ttl(self, key: str) -> str:
        left = self.client.pttl(key)
        return {-1: "for ever", -2: "absent"}.get(left, "some")

    def set_hash(self, key: str, fields: dict[str, bytes], life: float | None) -> None:
        self.client.hset(key, mapping=fields)
        self._expire(key, life)

    def get_hash(self, key: str) -> dict[str, bytes]:
        return {name.decode(): value for name, value in self.client.hgetall(key).items()}

    def add_to_stream(self, key: str, fields: dict[str, bytes]) -> None:
        self.client.xadd(key, fields, maxlen=100, approximate=True)

    def read_stream(self, key: str, count: int) -> list[dict[str, bytes]]:
        entries = self.client.xrange(key, min="(0-0", count=count)
        return [{name.decode(): value for name, value in fields.items()} for _, fields in entries]

    def set_scores(self, key: str, scores: dict[str, float], life: float | None) -> None:
        self.client.zadd(key, scores)
        self._expire(key, life)

    def top(self, key: str, count: int, highest: bool) -> list[tuple[str, float]]:  # noqa: FBT001 -- as drawn
        found = self.client.zrange(key, 0, count - 1, desc=highest, withscores=True)
        return [(member.decode(), score) for member, score in found]

    def _expire(self, key: str, life: float | None) -> None:
        if life is not None:
            self.client.pexpire(key, int(life * 1000))


class Ours:
    """The same operations on a hot store."""

    def __init__(self, store: HotStore) -> None:
        self.store = store

    async def answer(self, name: str, arguments: list[Any]) -> Any:
        own = getattr(self, name, None)
        return await (own or getattr(self.store, name))(*arguments)

    async def delete(self, keys: list[str]) -> int:
        return await self.store.delete(*keys)

    async def ttl(self, key: str) -> str:
        left = await self.store.ttl(key)
        return {None: "for ever", -2: "absent"}.get(left, "some")

    async def set_hash(self, key: str, fields: dict[str, bytes], life: float | None) -> None:
        await self.store.set_hashes({key: fields}, life)

    async def add_to_stream(self, key: str, fields: dict[str, bytes]) -> None:
        await self.store.add_to_stream(key, fields, 100)

    async def read_stream(self, key: str, count: int) -> list[dict[str, bytes]]:
        return [fields for _, fields in await self.store.read_stream(key, count=count)]

    async def top(self, key: str, count: int, highest: bool) -> list[tuple[str, float]]:  # noqa: FBT001 -- as drawn
        return await self.store.top(key, count, highest=highest)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(asked=st.lists(commands, max_size=40))
async def test_each_answer_is_the_one_redis_gives(
    oracle_server: RedisServer, hot: HotStore, asked: list[tuple[Any, ...]]
):
    """Types, lives, ties, overwriting and refusals, in any order."""
    import redis  # noqa: PLC0415 -- the fixture skips where it is not installed

    with oracle_server.client() as client:
        oracle, ours = Oracle(client), Ours(hot)
        await hot.delete("a", "b", "c", "d")
        for name, *arguments in asked:
            try:
                wanted = getattr(oracle, name)(*arguments)
            except redis.ResponseError as error:
                wanted = str(error).split()[0]
            try:
                answer = await ours.answer(name, arguments)
            except Refused as error:
                answer = str(error).split()[0]
            assert answer == wanted, (name, arguments)
