"""A stranger's first minutes: `niftyflow demo` in a real browser, on a desk and on a phone, and after a restart."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from support.demos import Demo, a_demo

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

DESK = {"width": 1440, "height": 900}
PHONE = {"width": 390, "height": 844}
SOON, LATER = 60_000, 180_000
"""Milliseconds; a loaded machine is slow."""


@contextmanager
def looking(browser: Browser, size: dict[str, int], state: object = None) -> Iterator[Page]:
    """Open a page, and see at its end that nothing went wrong in it."""
    context = browser.new_context(viewport=size, storage_state=state)
    context.set_default_timeout(SOON)
    page = context.new_page()
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    yield page
    context.close()
    assert wrong == []


def sign_in(page: Page, demo: Demo) -> None:
    """Follow the one-time link."""
    page.goto(demo.link)
    expect(page.get_by_role("banner").get_by_role("status")).to_contain_text("Live", timeout=SOON)


def go(page: Page, name: str) -> None:
    """Choose a page in the navigation."""
    page.get_by_role("navigation").get_by_role("link", name=name, exact=True).click()
    expect(page.get_by_role("heading", name=name, level=1)).to_be_visible(timeout=SOON)


def see_ticks_move(page: Page) -> None:
    """Wait until the last price of some share has changed."""
    rows = page.get_by_role("table").get_by_role("row")
    expect(rows.nth(10)).to_be_visible(timeout=SOON)
    before = rows.all_inner_texts()
    page.wait_for_function(
        "before => [...document.querySelectorAll('tr')].some((row, i) => before[i] && row.innerText !== before[i])",
        arg=before,
        timeout=SOON,
    )


def see_a_candle_close(page: Page, demo: Demo) -> None:
    """Wait until the stored candles of a share have grown."""
    page.wait_for_function(
        """async () => {
            const answer = await fetch('/api/v1/candles?symbol=RELIANCE&limit=5000');
            const count = (await answer.json()).data.time.length;
            window.first ??= count;
            return count > window.first;
        }""",
        timeout=LATER,
        polling=1000,
    )


def place_and_cancel(page: Page) -> None:
    """Place a limit order far from the market, and take it back."""
    go(page, "Orders")
    ticket = page.locator("form").filter(has=page.get_by_label("Instrument", exact=True))
    if not ticket.is_visible():
        page.get_by_role("button", name="New order").first.click()
    ticket.get_by_label("Instrument", exact=True).fill("WIPRO")
    page.get_by_role("option", name=re.compile("WIPRO")).first.click()
    ticket.get_by_text("Limit", exact=True).click()
    last = page.evaluate("async () => (await (await fetch('/api/v1/prices?symbols=WIPRO')).json()).data[0].ltp")
    ticket.get_by_label("Quantity").fill("3")
    ticket.get_by_label("Price").fill(f"{round(last * 0.9 / 0.05) * 0.05:.2f}")
    ticket.get_by_role("button", name=re.compile("^Buy 3")).click()
    cancel = page.get_by_role("button", name="Cancel the order in WIPRO")
    expect(cancel).to_be_visible(timeout=SOON)
    cancel.click()
    see_it_cancelled(page)


def see_it_cancelled(page: Page) -> None:
    """See the order that was placed and taken back."""
    row = page.get_by_role("row").filter(has_text="WIPRO").filter(has_text=re.compile("0/3"))
    expect(row).to_contain_text("Cancelled", timeout=SOON)


def test_a_stranger_at_a_desk(browser: Browser, tmp_path: Path) -> None:
    """Ticks, a candle, a signal, a fill, an order, a strategy, the kill switch; Ctrl-C, and everything still there."""
    with a_demo(tmp_path, "--speed", "60") as demo, looking(browser, DESK) as page:
        sign_in(page, demo)
        see_ticks_move(page)
        see_a_candle_close(page, demo)
        go(page, "Signals")
        expect(page.get_by_role("table", name="Signals").get_by_role("row").nth(1)).to_be_visible(timeout=LATER)
        go(page, "Orders")
        expect(page.get_by_role("row").filter(has_text="Filled").first).to_be_visible(timeout=LATER)
        place_and_cancel(page)
        go(page, "Strategies")
        page.get_by_role("button", name=re.compile("^Stop ema")).first.click()
        page.get_by_role("dialog").get_by_role("button", name=re.compile("Stop")).click()
        expect(page.get_by_text("Stopped").first).to_be_visible(timeout=SOON)
        page.get_by_role("button", name="Kill switch").click()
        page.get_by_role("dialog").get_by_role("button", name="Stop all trading").click()
        expect(page.get_by_role("button", name="Trading stopped")).to_be_visible(timeout=SOON)
        go(page, "System")
        for layer in ("Ingestion", "Processing", "Analysis", "Aggregation", "Signals", "Trading", "Gateway"):
            expect(page.get_by_text(layer).first).to_be_visible(timeout=SOON)
        assert demo.interrupt() < 5
        assert demo.process.returncode == 0
        expect(page.get_by_role("banner").get_by_role("status")).to_contain_text("Reconnecting", timeout=SOON)
    with a_demo(tmp_path, "--speed", "10") as demo, looking(browser, DESK) as page:
        sign_in(page, demo)
        expect(page.get_by_role("button", name="Trading stopped")).to_be_visible(timeout=SOON)
        go(page, "Orders")
        see_it_cancelled(page)
        go(page, "Strategies")
        expect(page.get_by_text("Stopped").first).to_be_visible(timeout=SOON)


def test_a_stranger_with_a_phone(browser: Browser, tmp_path: Path) -> None:
    """The same page at a phone's width: nothing scrolls sideways, prices move, an order is placed and cancelled."""
    with a_demo(tmp_path, "--speed", "30") as demo, looking(browser, PHONE) as page:
        sign_in(page, demo)
        see_ticks_move(page)
        for name in ("Market", "Signals", "Orders", "Positions", "Strategies", "System"):
            go(page, name)
            page.wait_for_timeout(500)
            assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"], name
        place_and_cancel(page)


def test_a_link_lets_one_browser_in_once(browser: Browser, tmp_path: Path) -> None:
    """A second browser with the same link is asked to log in."""
    with a_demo(tmp_path) as demo:
        with looking(browser, DESK) as page:
            sign_in(page, demo)
        with looking(browser, DESK) as page:
            page.goto(demo.link)
            expect(page.get_by_label("Or paste an API key")).to_be_visible(timeout=SOON)


def test_a_page_outlives_its_server(browser: Browser, tmp_path: Path) -> None:
    """Killed and started again on the same port: the page says so, comes back by itself, and the chart has no hole."""
    with looking(browser, DESK) as page:
        with a_demo(tmp_path, "--speed", "20") as demo:
            sign_in(page, demo)
            page.goto(f"{demo.address}/chart/NSE:RELIANCE")
            expect(page.get_by_role("banner").get_by_role("status")).to_contain_text("Live", timeout=SOON)
            see_a_candle_close(page, demo)
            port = demo.address.rpartition(":")[2]
            demo.kill()
        expect(page.get_by_role("banner").get_by_role("status")).to_contain_text("Reconnecting", timeout=SOON)
        with a_demo(tmp_path, "--speed", "20", "--port", port) as demo:
            expect(page.get_by_role("banner").get_by_role("status")).to_contain_text("Live", timeout=LATER)
            see_a_candle_close(page, demo)
            times = page.evaluate(
                "async () => (await (await fetch('/api/v1/candles?symbol=RELIANCE&limit=200')).json()).data.time"
            )
            today = [time for time in times if times[-1] - time < 6 * 3_600_000]
            assert {later - time for time, later in pairwise(today)} == {60_000}
