"""Which Redis servers the hot store opens, and what it says of the others."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from niftyflow.model import Misconfigured, Refused, Unavailable
from niftyflow.storage.redis_hot import RedisHotStore
from niftyflow.storage.settings import RedisSettings
from support.redis import RedisServer, lasting_port
from support.waiting import until

StartRedis = Callable[..., RedisServer]


@asynccontextmanager
async def opened(settings: RedisSettings) -> AsyncIterator[RedisHotStore]:
    """Give an open store."""
    store = RedisHotStore(settings)
    await store.open()
    try:
        yield store
    finally:
        await store.close()


@asynccontextmanager
async def answering(answer: bytes | None) -> AsyncIterator[str]:
    """Give the address of something that is no Redis: it answers whatever it is asked, or nothing."""

    async def answered(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        if answer is not None:
            writer.write(answer)
            await writer.drain()
        await reader.read()
        writer.close()

    server = await asyncio.start_server(answered, "127.0.0.1", 0)
    try:
        yield f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        await server.wait_closed()


async def refusal(settings: RedisSettings) -> str:
    """Return why a store does not open."""
    with pytest.raises(Misconfigured) as refused:
        await RedisHotStore(settings).open()
    return str(refused.value)


async def test_a_wrong_password_is_refused_with_what_to_correct(start_redis: StartRedis):
    """Wrong, missing, and given where none is asked for; none of them is told."""
    server = start_redis("--requirepass", "right-secret")
    for password in ("wrong-secret", ""):
        told = await refusal(server.settings(password=password))
        assert "hot.password" in told
        assert "secret" not in told
    open_to_all = start_redis()
    assert "hot.password" in await refusal(open_to_all.settings(username="desk", password="secret"))


async def test_the_right_password_opens_from_either_place(start_redis: StartRedis):
    """In the address, beside it, and of a user with a name."""
    server = start_redis("--requirepass", "p@ss", "--user", "desk", "on", ">secret", "~*", "&*", "+@all")
    for changes in (
        {"password": "p@ss"},
        {"url": f"redis://:p%40ss@127.0.0.1:{server.port}"},
        {"username": "desk", "password": "secret"},
    ):
        async with opened(server.settings(**changes)) as store:
            await store.set_many({"a": b"1"})
            assert await store.get("a") == b"1"


async def test_a_user_who_may_not_is_told_what(start_redis: StartRedis):
    """An operation, and a channel: that listener stays unheard."""
    server = start_redis("--user", "desk", "on", ">secret", "~*", "resetchannels", "+@all", "-set")
    async with opened(server.settings(username="desk", password="secret")) as store:
        with pytest.raises(Misconfigured, match="ACL"):
            await store.set_many({"a": b"1"}, ttl_seconds=5)
        told: list[bool] = []
        listener = store.listen("tick:updates", on_hearing=told.append)
        await asyncio.sleep(0.2)
        assert told == []
        assert listener is not None


@pytest.mark.parametrize("answer", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x15\x03\x01\x00\x02\x02"])
async def test_a_server_that_is_no_redis_is_refused(answer: bytes):
    """An HTTP server, and one that wants TLS."""
    async with answering(answer) as url:
        assert "does not speak Redis's protocol" in await refusal(
            RedisSettings.model_validate({"url": url, "timeout_seconds": 30})
        )


async def test_a_server_that_says_nothing_is_unavailable_in_time():
    """And so is a port on which nobody is."""
    async with answering(None) as url:
        store = RedisHotStore(RedisSettings.model_validate({"url": url, "timeout_seconds": 0.2}))
        with pytest.raises(Unavailable, match=r"no answer within 0\.2 s"):
            await store.open()
    with pytest.raises(Unavailable, match=r"Redis at 127\.0\.0\.1"):
        await RedisHotStore(RedisSettings.model_validate({"url": f"redis://127.0.0.1:{lasting_port()}"})).open()


@pytest.mark.parametrize("version", ["5.0.14", "6.0.16", "0", "new"])
async def test_a_server_too_old_to_read_a_stream_after_an_id_is_refused(version: str):
    """It says so itself."""
    told = f"# Server\r\nredis_version:{version}\r\n# Replication\r\nrole:master\r\n".encode()
    async with answering(b"$%d\r\n%s\r\n" % (len(told), told)) as url:
        refused = await refusal(RedisSettings.model_validate({"url": url, "timeout_seconds": 30}))
    assert f"is version {version}" in refused


async def test_a_replica_is_refused(start_redis: StartRedis):
    """It would refuse every write."""
    master = start_redis()
    replica = start_redis("--replicaof", "127.0.0.1", str(master.port))
    assert "read-only replica" in await refusal(replica.settings())


async def test_a_node_of_a_redis_cluster_is_refused(start_redis: StartRedis):
    """A batch's keys would lie on several nodes."""
    node = start_redis("--cluster-enabled", "yes", "--cluster-port", str(lasting_port()))
    assert "Redis Cluster" in await refusal(node.settings())


@pytest.mark.parametrize(
    ("policy", "is_safe"),
    [
        ("noeviction", True), ("volatile-lru", True), ("volatile-lfu", True), ("volatile-random", True),
        ("volatile-ttl", True), ("allkeys-lru", False), ("allkeys-lfu", False), ("allkeys-random", False),
    ],
)  # fmt: skip
async def test_a_server_that_may_drop_what_must_stay_is_refused(start_redis: StartRedis, policy: str, is_safe: bool):  # noqa: FBT001
    """Only keys with a life may go."""
    server = start_redis("--maxmemory", "100mb", "--maxmemory-policy", policy)
    if is_safe:
        async with opened(server.settings()) as store:
            await store.ping()
    else:
        told = await refusal(server.settings())
        assert policy in told
        assert "volatile-lru" in told


async def test_full_memory_drops_keys_with_a_life_and_then_refuses(start_redis: StartRedis):
    """As the in-memory store does."""
    server = start_redis("--maxmemory", "4mb", "--maxmemory-policy", "volatile-lru")
    kilobyte = b"x" * 1000
    async with opened(server.settings()) as store:

        async def fill(name: str, life: float | None) -> None:
            for n in range(40):
                await store.set_many({f"{name}{n}:{m}": kilobyte for m in range(100)}, life)

        await store.set_many({"static": kilobyte})
        await fill("tick", 300)
        assert await store.get("static") == kilobyte
        with pytest.raises(Refused, match="the hot store is full"):
            await fill("static", None)


async def test_a_disk_that_is_full_on_the_server_is_trouble_that_passes(start_redis: StartRedis):
    """Redis takes no writes while it cannot save; with room it goes on."""
    server = start_redis("--save", "1 1")
    async with opened(server.settings()) as store:
        await store.set_many({"a": b"1"})
        (server.folder / "dump.rdb").mkdir()  # as on a full disk, it cannot be written
        server.call("BGSAVE")

        async def saving_failed() -> bool:
            with server.client() as client:
                return client.info("persistence")["rdb_last_bgsave_status"] == "err"

        await until(saving_failed)
        with pytest.raises(Unavailable, match="MISCONF"):
            await store.set_many({"a": b"2"})
        assert await store.get("a") == b"1"
        (server.folder / "dump.rdb").rmdir()
        server.call("SAVE")
        await store.set_many({"a": b"2"})


async def test_two_prefixes_share_a_server_and_nothing_else(redis_server: RedisServer):
    """Keys of every type, channels, buckets."""
    async with opened(redis_server.settings()) as ours, opened(redis_server.settings()) as theirs:
        await ours.set_many({"a": b"1"})
        await ours.set_hashes({"h": {"f": b"1"}}, 100)
        await ours.set_scores("z", {"m": 1.0}, 100)
        await ours.add_to_stream("x", {"f": b"1"}, 10)
        await ours.take_tokens("b", 1, 1)
        told: list[bool] = []
        listener = theirs.listen("tick:updates", on_hearing=told.append)
        await until(lambda: told == [True])
        assert await ours.publish("tick:updates", b"1") == 0
        assert await theirs.delete("a", "h", "z", "x", "b") == 0
        assert await ours.delete("a", "h", "z", "x", "b") == 5
        assert listener is not None


async def test_a_socket_file_is_an_address_too(redis_server: RedisServer):
    """Of a server on the same machine."""
    async with opened(redis_server.settings(url=f"unix://{redis_server.socket}")) as store:
        await store.set_many({"a": b"1"})
        assert await store.get("a") == b"1"


async def test_an_operation_on_a_store_that_is_not_open_is_unavailable(redis_server: RedisServer):
    """Before and after."""
    store = RedisHotStore(redis_server.settings())
    for _ in range(2):
        with pytest.raises(Unavailable, match="not open"):
            await store.ping()
        with pytest.raises(Unavailable, match="not open"):
            store.listen("a")
        await store.open()
        await store.open()
        await store.ping()
        await store.close()


def certificates(folder: Path) -> tuple[Path, Path]:
    """Make a certificate of 127.0.0.1, which vouches for itself, and its key."""
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1",
               "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    return certificate, key


async def test_tls_trusts_whom_it_is_told_to_and_nobody_else(start_redis: StartRedis, tmp_path: Path):
    """Both sides show a certificate; without the right one it is said which setting to correct."""
    certificate, key = certificates(tmp_path)
    server = start_redis("--tls-cert-file", str(certificate), "--tls-key-file", str(key),
                         "--tls-ca-cert-file", str(certificate), tls=True)  # fmt: skip
    url: dict[str, Any] = {"url": f"rediss://127.0.0.1:{server.port}"}
    trusted = url | {"ca_file": certificate, "certificate_file": certificate, "key_file": key}
    async with opened(server.settings(**trusted)) as store:
        await store.set_many({"a": b"1"})
        assert await store.get("a") == b"1"
        told: list[bool] = []
        listener = store.listen("tick:updates", on_hearing=told.append)
        await until(lambda: told == [True])
        await store.publish("tick:updates", b"1")
        assert await anext(listener) == ("tick:updates", b"1")
    assert "hot.ca_file" in await refusal(server.settings(**url))
    with pytest.raises(Unavailable):
        await RedisHotStore(server.settings(**url, ca_file=certificate)).open()
