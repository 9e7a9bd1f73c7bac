"""The official JavaScript client, unmodified but for its root, against the simulated broker; fetched from npm."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from support.simulated_broker import ACCOUNT, PATIENCE_SECONDS, SECRET, request_token, root_of, serving
from tools.web import Node, find_node

CLIENT = "kiteconnect@5.3.0"
PROGRAM = Path(__file__).parents[2] / "support" / "kite_trading_client.cjs"


@pytest.fixture(scope="module")
def node() -> Node:
    """Return this machine's Node, or skip."""
    found = find_node()
    if found is None:
        pytest.skip("no Node of a supported version is on this machine")
    return found


@pytest.fixture(scope="module")
def folder(node: Node, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the client into a folder of its own, or skip with npm's words."""
    place = tmp_path_factory.mktemp("kiteconnect-js")
    (place / "package.json").write_text('{"private": true}')
    command = [*node.npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", CLIENT]
    try:
        done = subprocess.run(command, cwd=place, capture_output=True, text=True, timeout=180, check=False)
    except subprocess.TimeoutExpired:
        pytest.skip(f"npm did not install {CLIENT} within 180 s")
    if done.returncode:
        said = next((line for line in done.stderr.splitlines() if "error" in line.lower()), "npm failed")
        pytest.skip(f"{CLIENT} cannot be fetched from npm: {said.strip()[:160]}")
    shutil.copy(PROGRAM, place / PROGRAM.name)
    return place


async def test_it_logs_in_reads_trades_and_streams(node: Node, folder: Path):
    """Login, profile, instruments, quote, candles; orders that fill, change and end; ticks and order updates."""
    async with serving(speed=20) as server:
        instrument = server.playback.source.instruments[0]
        arguments = [
            root_of(server), server.url, ACCOUNT.api_key, SECRET, await request_token(server), instrument.symbol,
            instrument.token,
        ]  # fmt: skip
        process = await asyncio.create_subprocess_exec(
            node.node, PROGRAM.name, *arguments, cwd=folder, env=dict(os.environ),
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        output, errors = await asyncio.wait_for(process.communicate(), 2 * PATIENCE_SECONDS)
        assert process.returncode == 0, errors.decode()
        told = json.loads(output)
        assert told["profile"]["user_id"] == "AB1234"
        assert told["instruments"] == 4
        assert told["quote"]["instrument_token"] == told["tick"]["instrument_token"] == int(instrument.token)
        assert told["candles"] >= 1
        assert (told["complete"]["filled_quantity"], told["complete"]["tag"]) == (10, "js")
        assert (told["cancelled"]["quantity"], told["cancelled"]["cancelled_quantity"]) == (6, 6)
        assert {"OPEN", "UPDATE", "CANCELLED", "COMPLETE"} >= {each["status"] for each in told["updates"]}
        assert {each["status"] for each in told["updates"]} >= {"CANCELLED", "COMPLETE"}
        assert sum(each["quantity"] for each in told["trades"]) == 10
        assert told["positions"][0]["quantity"] == 10
        assert told["margins"]["utilised"]["span"] > 0
        assert told["refused"]["error_type"] == "InputException"
