"""The ring of recent bodies: by reference, one unbroken run, bounded."""

import pytest

from niftyflow.bus.embedded_recent import Recent, batch_from, size_of
from support.buses import letter, ticks, watermark


def test_bodies_come_back_by_reference_from_a_position():
    """From the first kept on, cut only where the position lies inside a body."""
    ring = Recent(10**6, 60)
    one, two = ticks(10), ticks(5, 10)
    ring.add(0, one)
    ring.add(10, two)
    assert [batch.body for batch in ring.read("t", 0, 100)] == [one, two]
    assert ring.read("t", 0, 100)[0].body is one
    (cut,) = ring.read("t", 12, 100)
    assert (cut.offset, cut.end, cut.body.sequence.tolist()) == (12, 15, [12, 13, 14])
    assert len(ring.read("t", 0, 3)) == 1


@pytest.mark.parametrize("position", [0, 4, 25])
def test_a_position_outside_the_ring_is_not_answered(position: int):
    """Older than the ring, or at its end: the file must say."""
    ring = Recent(10**6, 60)
    ring.add(5, ticks(20))
    assert ring.read("t", position, 100) is None


def test_a_hole_begins_a_new_run():
    """When another process wrote between, what was kept before it goes."""
    ring = Recent(10**6, 60)
    ring.add(0, ticks(10))
    ring.add(20, ticks(10))
    assert ring.read("t", 0, 100) is None
    assert ring.read("t", 20, 100)[0].end == 30


def test_the_ring_is_bounded_in_bytes_and_in_age():
    """The oldest leave first; a body larger than the ring is not kept."""
    size = size_of(ticks(10))
    ring = Recent(size * 2, 60)
    for number in range(4):
        ring.add(number * 10, ticks(10))
    assert ring.size == size * 2
    assert ring.read("t", 19, 100) is None
    assert ring.read("t", 20, 100) is not None
    ring = Recent(10**6, -1)
    ring.add(0, ticks(10))
    assert (ring.read("t", 0, 100), ring.size) == (None, 0)


def test_a_stored_body_is_cut_at_the_position():
    """Plain records are sliced, a watermark never is."""
    assert batch_from("t", 5, (letter(1), letter(2)), 6).body == (letter(2),)
    assert batch_from("t", 5, watermark(1), 5).body == watermark(1)
    assert size_of((letter(1), letter(2))) == 2 * size_of(watermark(1))
