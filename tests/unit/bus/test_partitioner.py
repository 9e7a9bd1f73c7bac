"""Keys are spread as the Java client spreads them."""

import pytest

from niftyflow.bus.partitioner import murmur2, partition_for


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"21", -973932308),
        (b"foobar", -790332482),
        (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        (b"abc", 479470107),
    ],
)
def test_the_hash_is_that_of_java(data: bytes, expected: int):
    """The vectors of Apache Kafka's own `UtilsTest`."""
    assert murmur2(data) == expected % 2**32


def test_a_partition_is_the_positive_hash_modulo_the_number():
    """The sign bit is cleared, as Java's `toPositive` does."""
    assert partition_for("21", 50) == (-973932308 & 0x7FFFFFFF) % 50
    assert {partition_for(f"NSE:S{number}", 3) for number in range(50)} == {0, 1, 2}
