"""A process may die, hang, babble or be busy: whoever asks it gets an answer elsewhere, or is told in time."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest
from prometheus_client import REGISTRY

from niftyflow.kit.call_settings import CallSettings
from niftyflow.kit.clock import monotonic
from niftyflow.kit.http_caller import HttpCaller
from niftyflow.model import Misconfigured, Refused, Unavailable
from niftyflow.runtime.questions import QUESTIONS
from support.callers import (
    TOKEN,
    Handler,
    answering_process,
    asker,
    dies_at_once,
    dies_in_mid_answer,
    hangs,
    misbehaving,
    says,
    unused_address,
)
from support.stores import SecondsClock
from support.waiting import until

PACKED = "application/vnd.msgpack"
HASTY = CallSettings(seconds=0.3, token=TOKEN)
BREAKING = CallSettings(seconds=60.0, token=TOKEN, failures=1, open_seconds=10.0)

TROUBLES = {
    "dies at once": dies_at_once,
    "dies in mid answer": dies_in_mid_answer,
    "says what is no answer": says("200 OK", b"\x93\x01", PACKED),
    "answers another question": says("200 OK", msgspec.msgpack.encode({"a": 1}), PACKED),
    "is a web page": says("200 OK", b"<html>"),
    "knows no such page": says("404 Not Found", b"<html>"),
    "leads elsewhere": says("307 Temporary Redirect\r\nLocation: /call/else", b""),
    "is busy": says("503 Service Unavailable", b""),
    "has an error of another make": says("409 Conflict", msgspec.msgpack.encode({"kind": "x", "message": "y"}), PACKED),
    "speaks no HTTP": says("what do you want", b""),
}


async def no_cards() -> list[Any]:
    """Answer: nothing was scored."""
    return []


@pytest.mark.parametrize("trouble", TROUBLES.values(), ids=TROUBLES)
async def test_alone_it_leaves_the_question_unavailable(trouble: Handler):
    """With the reason, and never longer than the question may take."""
    async with misbehaving(trouble) as server, asker({"scorecards": [server.address]}) as caller:
        with pytest.raises(Unavailable) as raised:
            await caller.call("scorecards")
    assert raised.value.service == "scorecards"
    assert server.address.removeprefix("http://") in raised.value.reason
    assert not any(word in raised.value.reason for word in ("aiohttp", "ssl:", "Errno", "Error", "("))
    assert server.requests >= 1


@pytest.mark.parametrize("trouble", TROUBLES.values(), ids=TROUBLES)
async def test_beside_a_healthy_one_it_goes_unnoticed(trouble: Handler):
    """The other one answers, whoever's turn it was."""
    async with misbehaving(trouble) as server, answering_process({"scorecards": no_cards}) as healthy:
        async with asker({"scorecards": [server.address, healthy]}) as caller:
            assert [await caller.call("scorecards") for _ in range(4)] == [[]] * 4
        assert server.requests == 2


async def test_one_that_hangs_costs_the_time_of_the_question_and_no_more():
    """Then it is unavailable, and not asked again for this question."""
    async with misbehaving(hangs) as server, asker({"scorecards": [server.address]}, HASTY) as caller:
        began = monotonic()
        with pytest.raises(Unavailable, match=r"did not answer within 0\.3 s"):
            await caller.call("scorecards")
        assert monotonic() - began >= 0.29
    assert server.requests == 1


async def test_nobody_there_is_the_same_as_away():
    """A closed port."""
    nobody = await unused_address()
    async with asker({"scorecards": [nobody]}, who="analysis") as caller:
        with pytest.raises(Unavailable, match=r"unavailable: analysis at 127\S+ is away: nobody listens there$"):
            await caller.call("scorecards")
    async with (
        answering_process({"scorecards": no_cards}) as healthy,
        asker({"scorecards": [nobody, healthy]}) as caller,
    ):
        assert await caller.call("scorecards") == []


async def test_a_connection_that_broke_is_tried_again():
    """One process alone that is away for a moment costs no question."""
    good = says("200 OK", msgspec.msgpack.encode([]), PACKED)

    async def breaks_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await (dies_at_once if server.requests == 1 else good)(reader, writer)

    async with misbehaving(breaks_once) as server, asker({"scorecards": [server.address]}) as caller:
        assert await caller.call("scorecards") == []
    assert server.requests == 2


async def test_refusals_and_faults_are_never_asked_again():
    """They would be the same once more; a fault is told with the id under which the other log has it."""
    asked = []

    async def refuses() -> None:
        asked.append("refused")
        raise Refused("not today")

    async def fails() -> None:
        asked.append("failed")
        raise KeyError("surprise")

    answers = {"scorecards": refuses, "strategy_kinds": fails}
    async with (
        answering_process(answers) as one,
        answering_process(answers) as other,
        asker({name: [one, other] for name in answers}) as caller,
    ):
        with pytest.raises(Refused, match=r"^not today$"):
            await caller.call("scorecards")
        with pytest.raises(Unavailable, match=r"its log has it under request id [0-9a-f]{6}-[0-9a-f]+$"):
            await caller.call("strategy_kinds")
    assert asked == ["refused", "failed"]


async def test_one_that_cannot_answer_now_sends_to_the_next():
    """Where the account is not open, another process may have it; when none has, the reason is given at once."""
    asked = []

    async def closed() -> None:
        asked.append("closed")
        raise Unavailable("trading", "the account is not open in this process")

    async with answering_process({"scorecards": closed}) as one, answering_process({"scorecards": no_cards}) as other:
        async with asker({"scorecards": [one, other]}) as caller:
            assert await caller.call("scorecards") == []
        asked.clear()
        async with asker({"scorecards": [one]}) as caller:
            with pytest.raises(Unavailable, match=r"^trading is unavailable: the account is not open") as raised:
                await caller.call("scorecards")
    assert raised.value.service == "trading"
    assert asked == ["closed"]


async def test_a_reason_given_outlives_those_who_gave_none():
    """Beside a dead process the one that lives says why."""

    async def closed() -> None:
        raise Unavailable("trading", "the account is not open in this process")

    nobody = await unused_address()
    async with answering_process({"scorecards": closed}) as one, asker({"scorecards": [one, nobody]}) as caller:
        with pytest.raises(Unavailable, match="the account is not open"):
            await caller.call("scorecards")


async def test_a_wrong_token_is_said():
    """Not as a refusal to whoever asked: it is our own setting."""
    wrong = CallSettings(seconds=60.0, token="x" * 16)
    async with (
        answering_process({"scorecards": no_cards}) as address,
        asker({"scorecards": [address]}, wrong) as caller,
    ):
        with pytest.raises(Unavailable, match="refused our token: set the same one in every process"):
            await caller.call("scorecards")


async def test_an_answer_too_large_and_a_question_too_large_end_there():
    """The one is no answer, the other a refusal."""
    frugal = CallSettings(seconds=60.0, token=TOKEN, answer_limit_bytes=4096)
    async with (
        misbehaving(says("200 OK", b"x" * 5000, PACKED)) as server,
        asker({"scorecards": [server.address]}, frugal) as caller,
    ):
        with pytest.raises(Unavailable, match="more than 4096 bytes"):
            await caller.call("scorecards")

    async def why(order_id: str) -> None:
        raise Refused(order_id)

    async with (
        answering_process({"why": why}, question_limit_bytes=1024) as address,
        asker({"why": [address]}) as caller,
    ):
        with pytest.raises(Refused, match="larger than the process at 127"):
            await caller.call("why", order_id="n" * 2000)
        with pytest.raises(Refused, match=r"^nf1$"):
            await caller.call("why", order_id="nf1")


async def test_after_failures_an_address_is_left_alone_and_then_tried_once():
    """The breaker opens, nobody asks; after its time one answer closes it again; the metric shows each state."""
    clock, good = SecondsClock(), says("200 OK", msgspec.msgpack.encode([]), PACKED)

    def shown(server: str) -> list[str]:
        labels = [{"service": server, "state": state} for state in ("closed", "open", "half_open")]
        return [each["state"] for each in labels if REGISTRY.get_sample_value("circuit_breaker_state", each) == 1]

    async with misbehaving(dies_at_once) as server:
        name = server.address.removeprefix("http://")
        async with asker({"scorecards": [server.address]}, BREAKING, seconds=clock) as caller:
            for _ in range(3):
                with pytest.raises(Unavailable):
                    await caller.call("scorecards")
            assert (server.requests, shown(name)) == (1, ["open"])
            server.does = good
            clock.now += 9.9
            with pytest.raises(Unavailable, match="is left alone for a while"):
                await caller.call("scorecards")
            assert server.requests == 1
            clock.now += 0.1
            assert await caller.call("scorecards") == []
            assert (server.requests, shown(name)) == (2, ["closed"])


async def test_one_that_hangs_costs_those_beside_it_one_wait():
    """The rest of that question's time is the other's; then the breaker is open, and only the other is asked."""
    settings = CallSettings(seconds=5.0, token=TOKEN, failures=1)
    async with misbehaving(hangs) as server, answering_process({"scorecards": no_cards}) as healthy:
        async with asker({"scorecards": [server.address, healthy]}, settings, seconds=SecondsClock()) as caller:
            assert [await caller.call("scorecards") for _ in range(20)] == [[]] * 20
        assert server.requests == 1


async def test_whoever_gives_up_leaves_the_trial_to_the_next():
    """A cancelled question says nothing about the address."""
    clock = SecondsClock()
    async with (
        misbehaving(dies_at_once) as server,
        asker({"scorecards": [server.address]}, BREAKING, seconds=clock) as caller,
    ):
        with pytest.raises(Unavailable):
            await caller.call("scorecards")
        server.does = hangs
        clock.now += 10
        trial = asyncio.create_task(caller.call("scorecards"))
        await until(lambda: server.requests == 2)
        trial.cancel()
        with pytest.raises(asyncio.CancelledError):
            await trial
        server.does = says("200 OK", msgspec.msgpack.encode([]), PACKED)
        assert await caller.call("scorecards") == []


async def test_processes_take_turns():
    """None is asked everything."""
    asked: list[int] = []

    def cards(number: int) -> Any:
        async def answer() -> list[Any]:
            asked.append(number)
            return []

        return answer

    async with (
        answering_process({"scorecards": cards(1)}) as one,
        answering_process({"scorecards": cards(2)}) as two,
        asker({"scorecards": [one, two]}) as caller,
    ):
        for _ in range(6):
            await caller.call("scorecards")
    assert asked == [1, 2, 1, 2, 1, 2]


async def test_what_is_no_question_is_refused_and_not_sent():
    """Nobody is bothered with it."""
    async with misbehaving(hangs) as server, asker({"analyze": [server.address]}) as caller:
        with pytest.raises(Refused, match="the question cannot be asked"):
            await caller.call("analyze", symbol=5)
    assert server.requests == 0


async def test_before_it_is_open_nobody_is_asked():
    """It says so."""
    caller = HttpCaller({"scorecards": ["http://127.0.0.1:1"]}, QUESTIONS)
    with pytest.raises(Unavailable, match="not open"):
        await caller.call("scorecards")
    await caller.close()


def test_a_question_without_types_is_an_error_at_the_start():
    """Naming it."""
    with pytest.raises(Misconfigured, match="no types are declared for the questions guess"):
        HttpCaller({"guess": ["http://127.0.0.1:1"]}, QUESTIONS)


@pytest.mark.parametrize(
    ("address", "advice"),
    [
        ("analysis:8100", "write http://host:port"),
        ("ftp://analysis:8100", "write http://host:port"),
        ("http://analysis", "write http://host:port"),
        ("http://analysis:port", "write http://host:port"),
        ("http://[::1:8100", "write http://host:port"),
        ("http://127.0.0.1:8100/call", "write http://host:port"),
        ("http://me:secret@127.0.0.1:8100", "more than host and port"),
        ("http://analysis:8100", "use https, or set internal.allow_plain_http"),
    ],
)
def test_an_address_that_cannot_be_is_refused_at_the_start(address: str, advice: str):
    """With what to write; a password in it is not repeated."""
    with pytest.raises(Misconfigured, match=advice) as raised:
        HttpCaller({"scorecards": [address]}, QUESTIONS)
    assert "secret" not in str(raised.value)


def test_names_of_a_network_of_ones_own_may_be_allowed():
    """As a compose file gives them."""
    caller = HttpCaller({"scorecards": ["http://analysis:8100"]}, QUESTIONS, CallSettings(allow_plain_http=True))
    assert caller is not None


@pytest.mark.parametrize(
    "token", ["short", "with a space in the middle", "ümlaut-ümlaut-ümlaut", "line\nline\nline\nline"]
)
def test_a_token_that_cannot_be_shown_is_refused(token: str):
    """Without repeating it."""
    with pytest.raises(ValueError, match="use 16 or more letters") as raised:
        CallSettings.model_validate({"token": token})
    assert raised.value.errors()[0]["loc"] == ("token",)
