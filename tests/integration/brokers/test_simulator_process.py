"""`niftyflow sim` as a process of its own, heard by the official KiteTicker and by our decoder."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import pytest
import typer

from niftyflow.brokers.kite.wire import decode_packets
from niftyflow.cli.sim import sim
from niftyflow.model import Refused
from support.simulator import PATIENCE_SECONDS, Wire, desk, sim_process

CLIENT = Path(__file__).parents[2] / "support" / "kite_ticker_client.py"


def ours(frame: bytes) -> list[dict[str, Any]]:
    """Return a frame as our decoder reads it, in the official client's words."""
    decoded = decode_packets([frame])
    money = {name: decoded.rupees(name) for name in ("ltp", "average", "open", "high", "low", "close")}
    ticks = []
    for row, packet in enumerate(decoded.packets):
        length = int(packet["length"])
        tick: dict[str, Any] = {
            "tradable": int(packet["token"]) & 0xFF != 9,
            "mode": {8: "ltp", 28: "quote", 44: "quote"}.get(length, "full"),
            "instrument_token": int(packet["token"]), "last_price": float(money["ltp"][row]),
        }  # fmt: skip
        if length > 8:
            tick["ohlc"] = {name: float(money[name][row]) for name in ("open", "high", "low", "close")}
            close = tick["ohlc"]["close"]
            tick["change"] = (tick["last_price"] - close) * 100 / close if close else 0
        if length in (32, 184):
            tick["exchange_timestamp"] = int(packet["timestamp"])
        if length >= 44:
            tick |= {
                "last_traded_quantity": int(packet["last_quantity"]), "volume_traded": int(packet["volume"]),
                "average_traded_price": float(money["average"][row]),
                "total_buy_quantity": int(packet["buy_quantity"]), "total_sell_quantity": int(packet["sell_quantity"]),
            }  # fmt: skip
        if length == 184:
            levels = [
                {"quantity": int(each["quantity"]), "price": int(each["price"]) / 100, "orders": int(each["orders"])}
                for each in packet["depth"]
            ]
            tick |= {
                "last_trade_time": int(packet["traded_at"]), "oi": int(packet["oi"]),
                "oi_day_high": int(packet["oi_high"]), "oi_day_low": int(packet["oi_low"]),
                "depth": {"buy": levels[:5], "sell": levels[5:]},
            }  # fmt: skip
        ticks.append(tick)
    return ticks


async def test_the_official_client_decodes_what_our_decoder_decodes():
    """Unmodified but for its root: full mode, an index, one token in ltp mode, quote mode before that."""
    async with sim_process("--synthetic", "--symbols", "12", "--speed", "20", "--start-at", "11:00", "--wait") as (
        url,
        _,
    ):
        async with Wire.connect(url) as wire, wire.http.get(url.replace("ws://", "http://") + "/instruments") as answer:
            tokens = [line.split(",")[0] for line in (await answer.text()).splitlines()[1:]]
        client = await asyncio.create_subprocess_exec(
            sys.executable, str(CLIENT), url, "60", *tokens, stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        output, _ = await asyncio.wait_for(client.communicate(), 60)
        client._transport.close()
    *frames, count = output.decode().splitlines()
    assert int(count) >= 60 <= len(frames)
    seen = set()
    for line in frames:
        heard = json.loads(line)
        assert heard["ticks"] == ours(bytes.fromhex(heard["frame"]))
        seen |= {(each["mode"], each["tradable"]) for each in heard["ticks"]}
    assert {("full", True), ("full", False), ("quote", True), ("ltp", True)} <= seen


async def test_the_first_line_is_the_address_and_a_signal_stops_it_cleanly():
    """Exit status 0, and clients are told."""
    async with sim_process("--symbols", "3", "--speed", "max") as (url, process), Wire.connect(url) as wire:
        assert url.startswith("ws://127.0.0.1:")
        process.terminate()
        while await wire.hear():
            pass
        assert wire.socket.close_code == 1001
        assert await asyncio.wait_for(process.wait(), PATIENCE_SECONDS) == 0


async def test_a_file_is_played_from_its_process(tmp_path):
    """Candles labelled by their end, beginning where asked, to the end at unlimited speed."""
    path = tmp_path / "INFY.csv"
    rows = [
        f"2026-01-05 09:{16 + each}:00,{100 + each},{101 + each},{99 + each},{100 + each},{each}" for each in range(10)
    ]
    path.write_text("\n".join(["datetime,open,high,low,close,volume", *rows]))
    arguments = (str(path), "--ts-label", "end", "--speed", "max", "--start-at", "09:20", "--date", "2026-01-05")
    async with sim_process(*arguments) as (url, _), Wire.connect(url) as wire:
        status = (await desk(url, "/sim/status", post=False))["data"]
        assert status["time_ist"] == "2026-01-05T09:20:00+05:30"
        assert status["source"] == "INFY-2026-01-05"
        async with wire.http.get(url.replace("ws://", "http://") + "/instruments") as answer:
            token = int((await answer.text()).splitlines()[1].split(",")[0])
        await wire.full([token])
        await wire.until("end")
        assert int(decode_packets(wire.frames).packets["volume"].max()) == 45


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--date", "2026-01-04"), "no trading day"),
        (("nowhere.csv",), "is not there"),
        (("nowhere.csv", "--synthetic"), "not both"),
        (("--speed", "0.01"), "0.1"),
    ],
)
def test_what_cannot_be_played_is_refused_before_anything_starts(arguments, says):
    """The error is ours, one line that says what to do; the command line maps it to its exit status."""
    app = typer.Typer()
    app.command()(sim)
    with pytest.raises(Refused, match=says) as refusal:
        app([*arguments, "--port", "0"], standalone_mode=False)
    assert len(str(refusal.value).splitlines()) == 1
