"""What the how-to page says a stranger shall type, typed."""

from __future__ import annotations

import asyncio
import re
import shlex
import sys
from pathlib import Path

from niftyflow.brokers.simulator.accounts import demo_account, parse_account
from niftyflow.brokers.simulator.faults import FaultName, parse_fault
from support.simulated_broker import PATIENCE_SECONDS
from support.simulator import sim_process

PAGE = (Path(__file__).parents[3] / "docs" / "how-to" / "simulator.md").read_text()


async def test_the_bot_of_the_page_logs_in_and_places_its_order():
    """Its text as it stands, but for the port."""
    (program,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    (command,) = re.findall(r"\$ niftyflow sim (.*)", PAGE)
    async with sim_process(*shlex.split(command)) as (url, sim):
        assert sim.stdout is not None
        account = demo_account()
        printed = f"account {account.user_id}: api_key {account.api_key}, api_secret {account.api_secret}"
        assert (await asyncio.wait_for(sim.stdout.readline(), PATIENCE_SECONDS)).decode().strip() == printed
        assert printed in PAGE
        text = re.sub(r"^   ", "", program, flags=re.MULTILINE)
        text = text.replace("http://127.0.0.1:8765", url.replace("ws://", "http://"))
        bot = await asyncio.create_subprocess_exec(sys.executable, "-c", text, stdout=asyncio.subprocess.PIPE)
        output, _ = await asyncio.wait_for(bot.communicate(), PATIENCE_SECONDS)
        assert bot.returncode == 0
        assert output.decode().strip() in {"VALIDATION PENDING", "OPEN", "COMPLETE"}


def test_the_accounts_and_faults_of_the_page_can_be_given_and_its_table_is_whole():
    """Every option in its commands is understood, and every fault has its line."""
    accounts = [parse_account(text) for text in re.findall(r"--account (\S+)", PAGE)]
    assert [each.user_id for each in accounts] == ["AB1234", "CD5678"]
    faults = re.findall(r"--fault (\S+)", PAGE) + re.findall(r'"fault": "(\S+)"', PAGE)
    assert [parse_fault(text).name for text in faults] == ["error-after-order", "slow-answers"]
    table = [line.split("|")[1] for line in PAGE.splitlines() if line.startswith("| `")]
    assert {name for cell in table for name in re.findall(r"`([\w-]+)`", cell)} == set(FaultName)
