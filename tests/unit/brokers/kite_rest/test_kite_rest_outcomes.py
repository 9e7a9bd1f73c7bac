"""What the adapter says of every way in which a call can end, and that it never sends anything twice."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from decimal import Decimal

import pytest

from niftyflow.brokers.account_book import Conversion
from niftyflow.brokers.errors import (
    InputRefused,
    NotSent,
    OrderRejected,
    OutcomeUnknown,
    PermissionRefused,
    RateLimited,
    SessionDead,
)
from niftyflow.brokers.kite.broker import KiteBroker
from niftyflow.brokers.kite.order_replies import OrderReply, order_of
from niftyflow.brokers.kite.session import KiteSession
from niftyflow.brokers.order_book import GttLeg, GttRequest, OrderChange, Terms
from niftyflow.model import (
    DecodeError,
    InstrumentKey,
    NiftyflowError,
    Product,
    Refused,
    Retryable,
    Side,
    Unavailable,
    Unknown,
)
from support.kite_rest import (
    SECRET,
    TOKEN,
    Answer,
    OpenGate,
    ScriptedKite,
    account_at,
    failure,
    intent,
    scripted_kite,
)

LEG = GttLeg(side=Side.SELL, quantity=1, product=Product.CNC, price=Decimal(99), trigger=Decimal(100))
TRIGGER = GttRequest(instrument=InstrumentKey("NSE:INFY"), last_price=Decimal(110), legs=(LEG,))
CONVERSION = Conversion(
    instrument=InstrumentKey("NSE:INFY"), side=Side.BUY, quantity=1, is_overnight=False, held_as=Product.MIS,
    hold_as=Product.CNC,
)  # fmt: skip

STANDING = order_of(
    OrderReply(order_id="1", status="OPEN", exchange="NSE", tradingsymbol="INFY", transaction_type=Side.BUY, quantity=1,
               order_type="LIMIT", product="CNC")
)  # fmt: skip

Change = Callable[[KiteBroker], Awaitable[object]]
CHANGES: dict[str, Change] = {
    "place": lambda broker: broker.place(intent()),
    "modify": lambda broker: broker.modify(OrderChange(broker_order_id="1", quantity=5)),
    "cancel": lambda broker: broker.cancel(STANDING),
    "place_gtt": lambda broker: broker.place_gtt(TRIGGER),
    "modify_gtt": lambda broker: broker.modify_gtt("7", TRIGGER),
    "cancel_gtt": lambda broker: broker.cancel_gtt("7"),
    "convert": lambda broker: broker.convert(CONVERSION),
}
every_change = pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())

LOST: dict[str, Answer] = {
    "cut": Answer(is_cut=True),
    "late": Answer(delay_seconds=60.0),
    "500 without words": Answer(status=500, body=b"", content_type="text/html"),
    "502 of a proxy": Answer(status=502, body=b"<html>bad gateway</html>", content_type="text/html"),
    "503": failure("NetworkException", "OMS is not reachable", 503),
    "504": Answer(status=504, body=b"upstream timed out", content_type="text/plain"),
    "data": failure("DataException", "OMS answered nonsense", 502),
    "general": failure("GeneralException", "Something unexpected happened", 500),
    "a new type": failure("LunarException", "?", 400),
    "a success without an id": Answer(body=b'{"status":"success","data":{}}'),
    "a success that is no JSON": Answer(body=b"ok", content_type="text/plain"),
    "a redirect": Answer(status=302, headers={"Location": "/elsewhere"}),
    "a success that is no text": Answer(
        body=b'{"status":"success","data":{"order_id":"\xff","trigger_id":"\xff"}}', content_type="application/json"
    ),
    "half an answer": Answer(body=b'{"status":"success","da'),
}


async def failed(work: Awaitable[object]) -> NiftyflowError:
    """Return the error with which a call ends."""
    with pytest.raises(NiftyflowError) as caught:
        await work
    return caught.value


def changes_of(kite: ScriptedKite) -> list[str]:
    """Return the methods of the requests that could change something."""
    return [arrived.method for arrived in kite.arrived if arrived.method != "GET"]


@every_change
@pytest.mark.parametrize("lost", LOST.values(), ids=LOST.keys())
async def test_a_lost_answer_is_an_unknown_outcome_and_nothing_is_sent_again(change: Change, lost: Answer) -> None:
    """Whatever keeps the answer from us, one request was made, and only the book can tell."""
    async with scripted_kite() as kite, account_at(kite, order_timeout_seconds=0.5) as broker:
        kite.otherwise = lost
        error = await failed(change(broker))
    assert isinstance(error, OutcomeUnknown)
    assert isinstance(error, Unknown)
    assert not isinstance(error, Refused | Retryable)
    assert len(changes_of(kite)) == 1


@every_change
async def test_a_request_that_did_not_leave_is_not_sent(change: Change) -> None:
    """Nobody listens: no connection, so surely nothing was taken."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        nobody = ScriptedKite()
        nobody.root = f"http://127.0.0.1:{free.getsockname()[1]}"
        async with account_at(nobody) as broker:
            error = await failed(change(broker))
    assert isinstance(error, NotSent)
    assert isinstance(error, Retryable)


async def test_a_connection_kept_and_cut_under_an_order_is_not_used_to_send_it_again() -> None:
    """A change on a connection that was good before and is cut now leaves once, though HTTP would allow it twice."""
    async with scripted_kite() as kite, account_at(kite) as broker:
        kite.on("PUT", "/orders/regular/1", Answer(body=b'{"status":"success","data":{"order_id":"1"}}'))
        await CHANGES["modify"](broker)
        kite.on("PUT", "/orders/regular/1", Answer(is_cut=True))
        error = await failed(CHANGES["modify"](broker))
    assert isinstance(error, OutcomeUnknown)
    assert changes_of(kite) == ["PUT", "PUT"]


@every_change
@pytest.mark.parametrize(
    ("error_type", "status", "kind"),
    [
        ("TokenException", 403, SessionDead),
        ("TokenException", 200, SessionDead),
        ("InputException", 400, InputRefused),
        ("InputException", 500, InputRefused),
        ("OrderException", 500, OrderRejected),
        ("OrderException", 400, OrderRejected),
        ("MarginException", 400, OrderRejected),
        ("HoldingException", 400, OrderRejected),
        ("PermissionException", 403, PermissionRefused),
        ("UserException", 403, PermissionRefused),
        ("TwoFAException", 403, PermissionRefused),
        ("NetworkException", 429, RateLimited),
        ("", 429, RateLimited),
    ],
)
async def test_a_broker_that_says_no_is_told_by_its_type_and_not_by_the_status(
    change: Change, error_type: str, status: int, kind: type[NiftyflowError]
) -> None:
    """The official clients disagree on statuses; only 429 speaks for itself."""
    async with scripted_kite() as kite, account_at(kite) as broker:
        kite.otherwise = failure(error_type, "No, because of reasons.", status)
        error = await failed(change(broker))
    assert type(error) is kind
    assert "No, because of reasons." in str(error)
    assert len(changes_of(kite)) == 1


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (Answer(is_cut=True), Unavailable),
        (Answer(delay_seconds=60.0), Unavailable),
        (Answer(status=502, body=b"<html>", content_type="text/html"), Unavailable),
        (failure("NetworkException", "down", 503), Unavailable),
        (failure("DataException", "nonsense", 502), Unavailable),
        (failure("GeneralException", "?", 500), Unavailable),
        (failure("OrderException", "no such order", 500), InputRefused),
        (failure("InputException", "no such order", 400), InputRefused),
        (failure("TokenException", "Incorrect `api_key` or `access_token`.", 403), SessionDead),
        (failure("PermissionException", "Insufficient permission", 403), PermissionRefused),
        (failure("NetworkException", "Too many requests", 429), RateLimited),
        (Answer(body=b'{"status":"success","data":[{"order_id":5}]}'), DecodeError),
        (Answer(body=b"\xff\xfe"), DecodeError),
        (Answer(body=b"[" * 100_000), DecodeError),
    ],
)
async def test_a_question_that_fails_changed_nothing_and_says_why(answer: Answer, kind: type[NiftyflowError]) -> None:
    """A question's lost answer is never an unknown outcome."""
    async with scripted_kite() as kite, account_at(kite, question_timeout_seconds=0.5) as broker:
        kite.on("GET", "/orders/5", answer)
        error = await failed(broker.order_history("5"))
    assert type(error) is kind


async def test_a_429_slows_the_gate_for_as_long_as_the_broker_says() -> None:
    """Retry-After in seconds counts; without it, the settings' second does."""
    gate = OpenGate()
    async with scripted_kite() as kite, account_at(kite, gate) as broker:
        kite.otherwise = failure("NetworkException", "Too many requests", 429)
        first = await failed(broker.place(intent()))
        kite.otherwise.headers["Retry-After"] = "7"
        second = await failed(broker.place(intent()))
        kite.otherwise.headers["Retry-After"] = "Wed, 21 Oct 2015 07:28:00 GMT"
        await failed(broker.profile())
    assert isinstance(first, RateLimited)
    assert isinstance(second, RateLimited)
    assert (first.seconds, second.seconds) == (1.0, 7.0)
    assert gate.told == [("orders", 1.0), ("orders", 7.0), ("other", 1.0)]


class ShutGate(OpenGate):
    """A gate that lets nothing through."""

    async def take(self, kind: str, *, is_urgent: bool = False) -> None:  # noqa: ARG002 - the port's
        """Refuse."""
        raise Refused(f"the day's limit of {kind} is used up")


async def test_what_the_gate_refuses_does_not_leave() -> None:
    """The gate's own error comes out, and no request was made."""
    async with scripted_kite() as kite, account_at(kite, ShutGate()) as broker:
        error = await failed(broker.place(intent()))
        await asyncio.sleep(0)
    assert str(error) == "the day's limit of orders is used up"
    assert kite.arrived == []


async def test_an_answer_without_an_end_is_cut_off() -> None:
    """A server that sends more than any answer of Kite's does not fill our memory."""
    async with scripted_kite() as kite, account_at(kite, largest_answer_bytes=1024) as broker:
        kite.otherwise = Answer(body=b" " * 2000 + b'{"status":"success","data":{"order_id":"1"}}')
        asked = await failed(broker.profile())
        placed = await failed(broker.place(intent()))
    assert type(asked) is Unavailable
    assert type(placed) is OutcomeUnknown


async def test_an_account_that_is_not_open_asks_nothing() -> None:
    """Before `open` and after `close` there are no connections to use."""
    async with scripted_kite() as kite, account_at(kite) as broker:
        await broker.close()
        error = await failed(broker.profile())
    assert isinstance(error, Refused)


async def test_calls_are_counted_as_the_broker_counts_them() -> None:
    """Placing and changing are orders; quotes and history have classes of their own; the rest is the rest."""
    gate = OpenGate()
    async with scripted_kite() as kite, account_at(kite, gate) as broker:
        kite.otherwise = failure("InputException", "no", 400)
        for work in (CHANGES["place"], CHANGES["modify"], CHANGES["convert"], CHANGES["place_gtt"]):
            await failed(work(broker))
        await failed(broker.quotes([InstrumentKey("NSE:INFY")]))
        await failed(broker.holdings())
    assert [kind for kind in gate.taken if kind != "other"] == ["orders", "orders", "quotes"]
    assert gate.taken.count("other") >= 3


async def test_what_takes_risk_away_goes_first() -> None:
    """A cancel, and an order that closes, are urgent; a new order is not."""
    gate = OpenGate()
    async with scripted_kite() as kite, account_at(kite, gate) as broker:
        kite.otherwise = failure("InputException", "no", 400)
        await failed(CHANGES["cancel"](broker))
        await failed(broker.place(intent(), Terms(is_urgent=True)))
        await failed(CHANGES["cancel_gtt"](broker))
        await failed(CHANGES["place"](broker))
    assert (gate.urgent, gate.taken.count("orders")) == (["orders", "orders", "other"], 1)


async def test_without_a_session_nothing_is_sent() -> None:
    """Nobody has logged in: the error says how to."""
    async with scripted_kite() as kite, account_at(kite, session=KiteSession) as broker:
        error = await failed(broker.place(intent()))
    assert isinstance(error, SessionDead)
    assert "niftyflow login kite" in str(error)
    assert kite.arrived == []


@pytest.mark.parametrize(
    ("words", "meaning"),
    [
        ("Insufficient funds. Required margin is 95417.84 but available margin is 74251.80.", "the money is not there"),
        ("Quantity should be a multiple of lot size 75", "off the lot"),
        ("Order quantity exceeds the freeze quantity of 1800", "freeze limit"),
        ("Tick size for this script is 0.05", "off the tick"),
        ("Your order price is lower than the current lower circuit limit of 70.65.", "outside the band"),
        ("Market orders without market protection are not allowed", "needs its protection"),
        ("The IP address 1.2.3.4 is not allowed to place orders", "not registered"),
        ("Order cannot be cancelled as it is being processed", "not in a state"),
        ("Trigger price for stoploss buy orders should be above the last price", "trigger does not fit"),
        ("Words nobody has seen", "was refused"),
    ],
)
async def test_a_refusal_says_the_brokers_words_ours_and_what_to_do(words: str, meaning: str) -> None:
    """Three parts, each there for a program too."""
    async with scripted_kite() as kite, account_at(kite) as broker:
        kite.otherwise = failure("OrderException", words, 400)
        error = await failed(broker.place(intent()))
    assert isinstance(error, OrderRejected)
    assert error.words == words
    assert meaning in error.meaning
    assert len(error.advice) > 10
    assert str(error) == f'kite said "{words}": {error.meaning}; {error.advice}'


async def test_no_error_holds_a_secret_even_when_the_broker_sends_it_back() -> None:
    """A proxy that shows the request's headers in its error page does not put the token into our log."""
    told = []
    async with scripted_kite() as kite, account_at(kite, order_timeout_seconds=0.5) as broker:
        for answer in (
            Answer(status=502, body=f"token x:{TOKEN}".encode(), content_type="text/html"),
            failure("InputException", f"{TOKEN} is odd", 400),
            Answer(is_cut=True),
            Answer(delay_seconds=60.0),
        ):
            kite.otherwise = answer
            error: BaseException | None = await failed(broker.place(intent()))
            while error is not None:
                told.append(f"{error!r} {error}")
                error = error.__cause__
        told.append(f"{broker.session.now!r} {broker._settings!r} {broker._rest!r}")
    assert len(told) >= 5
    assert not [text for text in told if TOKEN in text or SECRET in text]
