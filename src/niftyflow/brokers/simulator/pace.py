"""How fast exchange time runs against real time: a speed, or none at all, and pause. Pure arithmetic, no clock."""

from __future__ import annotations

import math

from niftyflow.model import InvalidValue

SLOWEST = 0.1
UNLIMITED = math.inf


class Pace:
    """The line that maps seconds of a steady clock to exchange time."""

    def __init__(self, speed: float) -> None:
        """Run at `speed` times real time; `math.inf` is as fast as readers can take it.

        Raises:
            InvalidValue: the speed is below 0.1.
        """
        self.speed = checked(speed)
        self.is_paused = False
        self._wall = 0.0
        self._position = 0

    @property
    def is_unlimited(self) -> bool:
        """Whether no clock limits the playback."""
        return math.isinf(self.speed)

    def anchor(self, wall: float, position: int) -> None:
        """Say that exchange time is `position` (ms UTC) at `wall` (seconds of the steady clock)."""
        self._wall, self._position = wall, position

    def due(self, wall: float) -> int:
        """Return the exchange time that is due at `wall`: at a limited speed only."""
        if self.is_paused:
            return self._position
        return self._position + int((wall - self._wall) * 1000 * self.speed)


def checked(speed: float) -> float:
    """Return a speed that can be played.

    Raises:
        InvalidValue: it is below 0.1, or no number.
    """
    if not speed >= SLOWEST:
        raise InvalidValue("speed", speed, "play at 0.1 times real time or faster")
    return speed


def parse_speed(text: str) -> float:
    """Read `60`, `60x`, or `max` (also `unlimited`, and 0).

    Raises:
        InvalidValue: it is none of these, or below 0.1.
    """
    plain = text.strip().lower()
    if plain in {"max", "unlimited", "inf", "0"}:
        return UNLIMITED
    try:
        return checked(float(plain.removesuffix("x")))
    except ValueError:
        raise InvalidValue("speed", text, "write a number such as 60, or max") from None
