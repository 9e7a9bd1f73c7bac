"""Writes gathered: what comes side by side goes out as one, in order; an error reaches all whose item was in it."""

from __future__ import annotations

import asyncio

import pytest

from niftyflow.kit.gathering import Gathering
from niftyflow.model import Unavailable
from support.waiting import until


class Book:
    """Keeps what was written in each write; waits for its gate, and fails as often as told."""

    def __init__(self) -> None:
        self.writes: list[list[int]] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.away = 0
        self.under_way = 0

    async def write(self, items: list[int]) -> None:
        """Write, or fail."""
        self.under_way += 1
        assert self.under_way == 1
        try:
            await self.gate.wait()
        finally:
            self.under_way -= 1
        if self.away:
            self.away -= 1
            raise Unavailable("book", "the test says so")
        self.writes.append(items)


async def test_what_is_handed_in_side_by_side_is_one_write():
    """Fifty callers of one moment share a transaction, in the order in which they came."""
    book = Book()
    gathering = Gathering(book.write)
    await asyncio.gather(*(gathering.add(number) for number in range(50)))
    assert book.writes == [list(range(50))]


async def test_what_comes_during_a_write_goes_with_the_next():
    """Never two writes at once, and nobody waits for more than the write before and his own."""
    book = Book()
    book.gate.clear()
    gathering = Gathering(book.write)
    first = asyncio.create_task(gathering.add(1))
    await until(lambda: book.under_way == 1)
    others = [asyncio.create_task(gathering.add(number)) for number in (2, 3)]
    await asyncio.sleep(0)
    book.gate.set()
    await asyncio.gather(first, *others)
    assert book.writes == [[1], [2, 3]]


async def test_a_write_that_fails_fails_for_all_of_it_and_may_be_tried_again():
    """Each is told, none is forgotten in it, and the next write begins afresh."""
    book = Book()
    book.away = 1
    gathering = Gathering(book.write)
    told = await asyncio.gather(*(gathering.add(number) for number in (1, 2)), return_exceptions=True)
    assert [type(each) for each in told] == [Unavailable, Unavailable]
    await gathering.add(1)
    assert book.writes == [[1]]


async def test_a_caller_who_leaves_does_not_take_the_write_with_him():
    """The others' items are written, and his as well."""
    book = Book()
    book.gate.clear()
    gathering = Gathering(book.write)
    leaving, staying = (asyncio.create_task(gathering.add(number)) for number in (1, 2))
    await until(lambda: book.under_way == 1)
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    book.gate.set()
    await staying
    assert book.writes == [[1, 2]]


async def test_an_error_after_everybody_left_troubles_nobody():
    """It is looked at, and the next write works."""
    book = Book()
    book.gate.clear()
    book.away = 1
    gathering = Gathering(book.write)
    leaving = asyncio.create_task(gathering.add(1))
    await until(lambda: book.under_way == 1)
    leaving.cancel()
    await asyncio.gather(leaving, return_exceptions=True)
    book.gate.set()
    await until(lambda: book.away == 0)
    await gathering.add(2)
    assert book.writes == [[2]]
