"""What a process tells others over real HTTP: health, metrics and answers; and what it keeps to itself."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from structlog.testing import capture_logs

from niftyflow.kit.call_settings import CallSettings, InternalSettings
from niftyflow.kit.caller import Answer, LocalCaller
from niftyflow.kit.health import Health
from niftyflow.kit.readiness import Dependencies
from niftyflow.model import Misconfigured, Refused, Retryable, Unavailable
from niftyflow.runtime.internal_http import internal_http
from niftyflow.runtime.questions import QUESTIONS
from support.callers import TOKEN, answering_process, asker

BEARER = {"Authorization": f"Bearer {TOKEN}"}
PROCESS = """
import asyncio, sys
from niftyflow.kit.call_settings import InternalSettings
from niftyflow.kit.caller import LocalCaller
from niftyflow.kit.health import Health
from niftyflow.kit.log import configure
from niftyflow.runtime.internal_http import internal_http
from niftyflow.runtime.questions import QUESTIONS

async def cards():
    print("asked", flush=True)
    await asyncio.sleep(300)

async def serve():
    settings = InternalSettings(port=0, token=sys.argv[1])
    async with internal_http(settings, Health(), QUESTIONS) as internal:
        internal.opens({}, LocalCaller({"scorecards": cards}))
        print(internal.address, flush=True)
        await asyncio.sleep(300)

configure(json=False, level="warning")
asyncio.run(serve())
"""


@asynccontextmanager
async def process(
    answers: dict[str, Answer] | None = None, health: Health | None = None, dependencies: Dependencies | None = None,
    **settings: Any,
) -> AsyncIterator[httpx.AsyncClient]:  # fmt: skip
    """Serve a process; gives a client of it."""
    chosen = InternalSettings(**({"port": 0, "token": TOKEN} | settings))
    async with (
        internal_http(chosen, health or Health(), QUESTIONS) as internal,
        httpx.AsyncClient(base_url=internal.address, timeout=60) as client,
    ):
        internal.opens(dependencies or {}, LocalCaller(answers))
        yield client


async def nothing() -> list[Any]:
    """Answer with nothing."""
    return []


async def test_it_lives_without_a_token_and_a_look():
    """Nothing is asked."""

    async def away() -> None:
        raise Retryable("gone")

    async with process(dependencies={"book": away}) as client:
        answer = await client.get("/health/live")
    assert (answer.status_code, answer.json()) == (200, {"status": "success", "data": {"is_live": True}})


async def test_ready_says_how_each_worker_and_dependency_is():
    """The same body as the gateway's; 503 with reasons when one is not well."""
    health, answers = Health(), {"book": True}
    health.worker("processing").runs()

    async def book() -> None:
        if not answers["book"]:
            raise Retryable("the book is locked")

    async with process(health=health, dependencies={"book": book}) as client:
        well = await client.get("/health/ready", headers=BEARER)
    assert well.json()["data"] == {
        "is_ready": True,
        "workers": [{"name": "processing", "state": "running", "reason": ""}],
        "dependencies": [{"name": "book", "state": "running", "reason": ""}],
    }
    answers["book"] = False
    health.worker("processing").waits("the bus is away")
    async with process(health=health, dependencies={"book": book}) as client:
        ill = await client.get("/health/ready", headers=BEARER)
    error = ill.json()["error"]
    assert (ill.status_code, ill.headers["retry-after"], error["code"]) == (503, "1", "unavailable")
    assert error["message"] == "not ready: processing, book"
    assert error["details"]["workers"][0]["reason"] == "the bus is away"
    assert error["details"]["dependencies"][0]["reason"] == "the book is locked"


async def test_a_prober_without_the_token_learns_one_bit():
    """Whether it is ready, and nothing of why."""
    health = Health()
    health.worker("processing").waits("postgres at 10.0.0.7 is away")
    async with process(health=health) as client:
        answer = await client.get("/health/ready")
        assert (answer.status_code, answer.json()["error"]["details"]) == (503, {"is_ready": False})
        assert "10.0.0.7" not in answer.text
        assert "processing" not in answer.text
    health.worker("processing").runs()
    async with process(health=health) as client:
        answer = await client.get("/health/ready")
        assert (answer.status_code, answer.json()["data"]) == (200, {"is_ready": True})


async def test_dependencies_are_asked_once_however_many_look():
    """A prober that hastens does not become a load on the database."""
    asked = []

    async def book() -> None:
        asked.append(1)
        await asyncio.sleep(0.01)

    async with process(dependencies={"book": book}) as client:
        answers = await asyncio.gather(*(client.get("/health/ready") for _ in range(20)))
    assert {each.status_code for each in answers} == {200}
    assert len(asked) < 20


async def test_metrics_are_for_those_with_the_token():
    """They name what was answered, and never what others chose to ask."""
    async with process({"scorecards": nothing}) as client:
        packed = msgspec.msgpack.encode({})
        assert (await client.post("/call/scorecards", content=packed, headers=BEARER)).status_code == 200
        assert (await client.post("/call/made-up-name", content=packed, headers=BEARER)).status_code == 503
        assert (await client.get("/metrics")).status_code == 401
        text = (await client.get("/metrics", headers=BEARER)).text
    assert 'http_requests_total{route="/call/scorecards",status="200"}' in text
    assert 'http_requests_total{route="none",status="503"}' in text
    assert "made-up-name" not in text


@pytest.mark.parametrize(
    "shown", [None, "", "Bearer", "Bearer wrong-wrong-wrong-wrong", f"Basic {TOKEN}", TOKEN, f"Bearer {TOKEN}x"]
)
async def test_without_the_right_token_nothing_is_answered(shown: str | None):
    """It says what to send."""
    headers = {} if shown is None else {"Authorization": shown}
    async with process({"scorecards": nothing}) as client:
        for answer in (
            await client.post("/call/scorecards", headers=headers),
            await client.get("/metrics", headers=headers),
        ):
            assert (answer.status_code, answer.json()["error"]["code"]) == (401, "unauthenticated")
            assert "internal.token" in answer.json()["error"]["message"]
            assert TOKEN not in answer.text


async def test_without_any_token_only_this_machine_asks():
    """And no page that a browser here has open, whatever name its owner gave this machine."""
    packed = msgspec.msgpack.encode({})
    async with process({"scorecards": nothing}, token="") as client:
        assert (await client.post("/call/scorecards", content=packed)).status_code == 200
        for host in ("evil.example", "evil.example:8100", "127.0.0.1.evil.example", ""):
            answer = await client.post("/call/scorecards", content=packed, headers={"Host": host})
            assert answer.status_code == 401, host
        assert (
            await client.post("/call/scorecards", content=packed, headers={"Host": "localhost:1"})
        ).status_code == 200


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
async def test_others_are_let_in_with_a_token_alone(host: str):
    """It refuses to start, and says what to do; with a token it listens."""
    with pytest.raises(Misconfigured, match="NIFTYFLOW_INTERNAL__TOKEN"):
        async with process(host=host, token=""):
            pass
    async with process({"scorecards": nothing}, host=host) as client:
        port = client.base_url.port
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60) as here:
            assert (await here.get("/health/live")).status_code == 200


async def test_a_question_without_types_stops_the_start():
    """Naming it."""
    with pytest.raises(Misconfigured, match="no types are declared for the questions guess"):
        async with process({"guess": nothing}):
            pass


async def test_requests_that_cannot_be_are_said_to_be_so():
    """Each with its own status and words."""

    async def why(order_id: str) -> None:
        raise Refused(f"no order {order_id}")

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(3):
            yield b"x" * 600

    async with process({"why": why}, question_limit_bytes=1024) as client:
        post = client.post
        cases = [
            (await client.get("/call/why", headers=BEARER), 405, "use POST"),
            (await post("/health/live"), 405, "use GET"),
            (await client.get("/else", headers=BEARER), 404, "there is only"),
            (await post("/call/why", content=b"x" * 1025, headers=BEARER), 413, "at most 1024 bytes"),
            (await post("/call/why", content=pieces(), headers=BEARER), 413, "at most 1024 bytes"),
            (await post("/call/why", content=b"\xff", headers=BEARER), 422, "not what the question takes"),
            (await post("/call/why", content=b"", headers=BEARER), 422, "not what the question takes"),
            (await post("/call/why", content=msgspec.msgpack.encode({"x": 1}), headers=BEARER), 422, "field"),
        ]
        for answer, status, words in cases:
            assert answer.status_code == status
            assert words in answer.json()["error"]["message"]
            assert answer.headers["x-request-id"] == answer.json()["error"]["request_id"]
        assert (await client.get("/health/live")).status_code == 200


async def test_a_question_that_does_not_come_is_not_waited_for():
    """A client that sends half of it and stops gets its connection closed with a reason."""
    async with process({"scorecards": nothing}, read_seconds=0.1) as client:
        reader, writer = await asyncio.open_connection("127.0.0.1", client.base_url.port)
        head = (
            f"POST /call/scorecards HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\nContent-Length: 9\r\n\r\n{{"
        )
        writer.write(head.encode())
        answer = await asyncio.wait_for(reader.read(), 60)
        writer.close()
    assert answer.startswith(b"HTTP/1.1 504 ")
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["error"]["message"] == "the question did not come within 0.1 s"


async def test_who_waits_less_is_told_in_time_and_the_work_ends():
    """The other end gives up before the asker does, and says so."""
    ended = asyncio.Event()

    async def cards() -> None:
        try:
            await asyncio.sleep(300)
        finally:
            ended.set()

    hasty = CallSettings(seconds=0.5, token=TOKEN)
    async with answering_process({"scorecards": cards}) as address, asker({"scorecards": [address]}, hasty) as caller:
        with pytest.raises(Unavailable):
            await caller.call("scorecards")
        await asyncio.wait_for(ended.wait(), 60)
    async with process({"scorecards": cards}) as client:
        packed, seconds = msgspec.msgpack.encode({}), BEARER | {"X-Niftyflow-Seconds": "0.05"}
        answer = await client.post("/call/scorecards", content=packed, headers=seconds)
    assert answer.status_code == 503
    assert b"no answer within 0.05 s" in answer.content


async def test_a_fault_is_in_the_log_and_only_its_id_leaves():
    """Whoever asks finds the traceback by the id."""

    async def cards() -> None:
        raise KeyError("the password is hunter2")

    async def not_what_it_should_be() -> object:
        return object()

    answers = {"scorecards": cards, "strategy_kinds": not_what_it_should_be}
    async with answering_process(answers) as address, asker({name: [address] for name in answers}) as caller:
        for name in answers:
            with capture_logs() as logs, pytest.raises(Unavailable, match="under request id ") as raised:
                await caller.call(name)
            (told,) = [each for each in logs if each["event"] == "question_failed"]
            assert (told["question"], told["exc_info"]) == (name, True)
            assert "hunter2" not in str(raised.value)


async def test_more_questions_than_it_takes_at_once_are_sent_away():
    """Those under way go on."""
    begun, going_on = asyncio.Event(), asyncio.Event()

    async def cards() -> list[Any]:
        begun.set()
        await going_on.wait()
        return []

    async with process({"scorecards": cards}, questions_at_once=1) as client:
        packed = msgspec.msgpack.encode({})
        first = asyncio.create_task(client.post("/call/scorecards", content=packed, headers=BEARER))
        await asyncio.wait_for(begun.wait(), 60)
        second = await client.post("/call/scorecards", content=packed, headers=BEARER)
        assert (second.status_code, second.headers["retry-after"]) == (503, "1")
        assert "1 questions are under way" in second.json()["error"]["message"]
        going_on.set()
        assert (await first).status_code == 200
        assert (await client.post("/call/scorecards", content=packed, headers=BEARER)).status_code == 200


async def test_a_process_killed_while_it_answers_is_replaced_by_another():
    """Killed for good, in mid-answer; alone it would have been unavailable, beside another one nobody notices."""
    command = [sys.executable, "-c", PROCESS, TOKEN]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as killed:  # noqa: ASYNC220 - it begins at once
        assert killed.stdout is not None
        try:
            address = (await asyncio.to_thread(killed.stdout.readline)).strip()
            async with (
                answering_process({"scorecards": nothing}) as other,
                asker({"scorecards": [address, other]}) as caller,
                asker({"scorecards": [address]}) as alone,
            ):
                asking = [asyncio.create_task(each.call("scorecards")) for each in (caller, alone)]
                for _ in asking:
                    assert await asyncio.to_thread(killed.stdout.readline) == "asked\n"
                killed.send_signal(signal.SIGKILL)
                assert await asking[0] == []
                with pytest.raises(Unavailable, match="is away"):
                    await asking[1]
                assert [await caller.call("scorecards") for _ in range(4)] == [[]] * 4
        finally:
            killed.kill()


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """A certificate of this machine, signed by itself, and its key."""
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
               "-subj", "/CN=niftyflow", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2",
               "-keyout", str(key), "-out", str(certificate)]  # fmt: skip
    try:
        subprocess.run(command, check=True, capture_output=True, timeout=60)
    except FileNotFoundError:
        pytest.skip("openssl is not installed, which makes the certificate")
    return certificate, key


async def test_https_between_processes_that_share_an_authority(certificate: tuple[Path, Path]):
    """Whoever does not know the authority asks nothing."""
    file, key = certificate
    trusting = CallSettings(seconds=60.0, token=TOKEN, authority_file=file)
    async with answering_process({"scorecards": nothing}, certificate_file=file, key_file=key) as address:
        assert address.startswith("https://")
        async with asker({"scorecards": [address]}, trusting) as caller:
            assert await caller.call("scorecards") == []
        async with asker({"scorecards": [address]}) as caller:
            with pytest.raises(Unavailable, match="cannot be trusted"):
                await caller.call("scorecards")


async def test_a_process_is_told_of_by_the_name_in_its_certificate():
    """Its address is else that of the machine itself, for which no certificate of a cluster is."""
    for name, address in (("trading.example", "http://trading.example:"), ("", "http://127.0.0.1:")):
        settings = InternalSettings(port=0, host="0.0.0.0", token=TOKEN, name=name)
        async with internal_http(settings, Health(), QUESTIONS) as internal:
            assert internal.address.startswith(address)


async def test_certificates_that_cannot_be_read_stop_the_start(certificate: tuple[Path, Path], tmp_path: Path):
    """One without the other, or a file that is none."""
    file, _ = certificate
    with pytest.raises(Misconfigured, match="set both"):
        async with process(certificate_file=file):
            pass
    with pytest.raises(Misconfigured, match="cannot be read as a PEM certificate"):
        async with process(certificate_file=file, key_file=tmp_path / "none.pem"):
            pass
    lost = CallSettings(authority_file=tmp_path / "none.pem")
    with pytest.raises(Misconfigured, match="cannot be read as PEM certificates"):
        async with asker({"scorecards": ["https://127.0.0.1:1"]}, lost):
            pass
