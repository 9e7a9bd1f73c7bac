"""Others doing the same work in the same run: plain Python, and NautilusTrader's bar aggregation.

Each peer gets its input in the form it likes best, made before the clock starts, and its output is looked at: a peer
that drops ticks is no peer.
"""

from __future__ import annotations

import json
import os
import struct
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measure import Measurement, best_of
from benchmarks.workload import Trades

PEER_PYTHON = "BENCH_PEERS_PYTHON"
"""Names the interpreter of the environment that holds the peers' packages; `make bench` sets it."""
NAUTILUS_SCRIPT = Path(__file__).with_name("nautilus_peer.py")
MINUTE_MS = 60_000
COUNT = struct.Struct(">H")
FULL_PACKET = struct.Struct(">Iiiiiiiiiiiiiiii")
"""The first 64 bytes of a full-mode packet: token, last price, last quantity … exchange time."""
Closed = list[tuple[int, int, float, float, float, float, int]]
"""Closed candles: instrument, minute's start in ms UTC, open, high, low, close, volume."""


def fold_plain_python(instruments: list[int], times: list[int], prices: list[float], volumes: list[int]) -> Closed:
    """Fold trades into one-minute candles with a dict and a loop, as one writes it first."""
    closed: Closed = []
    candles: dict[int, list[Any]] = {}
    for instrument, at, price, day_volume in zip(instruments, times, prices, volumes, strict=True):
        minute = at - at % MINUTE_MS
        candle = candles.get(instrument)
        if candle is not None and candle[0] == minute:
            if price > candle[2]:
                candle[2] = price
            elif price < candle[3]:
                candle[3] = price
            candle[4] = price
            candle[5] = max(candle[5], day_volume)
        else:
            base = 0
            if candle is not None:
                base = candle[5]
                closed.append((instrument, *candle[:5], base - candle[6]))
            candles[instrument] = [minute, price, price, price, price, day_volume, base]
    closed.extend((instrument, *candle[:5], candle[5] - candle[6]) for instrument, candle in candles.items())
    return closed


def fold_frames_plain_python(frames: list[bytes]) -> Closed:
    """Decode Kite frames packet by packet with `struct`, as the official client does, and fold them."""
    instruments, times, prices, volumes = [], [], [], []
    for frame in frames:
        (count,) = COUNT.unpack_from(frame, 0)
        at = 2
        for _ in range(count):
            (length,) = COUNT.unpack_from(frame, at)
            packet = FULL_PACKET.unpack_from(frame, at + 2)
            instruments.append(packet[0])
            prices.append(packet[1] / 100)
            volumes.append(packet[4])
            times.append(packet[11] * 1000)
            at += 2 + length
    return fold_plain_python(instruments, times, prices, volumes)


def plain_python_fold(trades: Trades) -> Measurement:
    """Measure the plain fold on lists of Python numbers, in ticks a second."""
    columns = (trades.instrument.tolist(), trades.traded_at.tolist(), trades.price.tolist(), trades.day_volume.tolist())
    seconds, closed = best_of(lambda: fold_plain_python(*columns))
    return _rate("plain Python: fold", trades, seconds, closed)


def plain_python_frames(trades: Trades, frames: list[bytes]) -> Measurement:
    """Measure the plain decoder and fold on Kite frames, in ticks a second."""
    seconds, closed = best_of(lambda: fold_frames_plain_python(frames))
    return _rate("plain Python: frames to candles", trades, seconds, closed)


def nautilus_bars(trades: Trades) -> Measurement:
    """Measure NautilusTrader's TimeBarAggregator on ready-made trade ticks, in its own environment and process."""
    label = "NautilusTrader: bar aggregation"
    python = os.environ.get(PEER_PYTHON, "")
    if not Path(python).is_file():
        return Measurement(label, None, "ticks/s", is_peer=True, note="not installed: make bench installs it")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "trades.npz"
        np.savez(
            file,
            instruments=trades.instruments,
            instrument=trades.instrument,
            traded_at=trades.traded_at,
            price=trades.price,
            quantity=trades.quantity,
        )
        done = subprocess.run(
            [python, str(NAUTILUS_SCRIPT), str(file)], check=False, capture_output=True, text=True, timeout=300
        )
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no output"])[-1]
        return Measurement(label, None, "ticks/s", is_peer=True, note=f"not installed: {reason}")
    said = json.loads(done.stdout.splitlines()[-1])
    _same_volume(label, said["volume"], trades)
    return Measurement(
        label,
        len(trades) / said["seconds"],
        "ticks/s",
        is_peer=True,
        note=f"version {said['version']}, trade ticks made beforehand",
        details={"candles": said["candles"]},
    )


def _rate(label: str, trades: Trades, seconds: float, closed: Closed) -> Measurement:
    _same_volume(label, sum(candle[-1] for candle in closed), trades)
    return Measurement(label, len(trades) / seconds, "ticks/s", is_peer=True, details={"candles": len(closed)})


def _same_volume(label: str, volume: int, trades: Trades) -> None:
    expected = int(trades.quantity.sum())
    if volume != expected:
        raise AssertionError(f"{label} folded a volume of {volume}, and {expected} was traded: it did other work")
