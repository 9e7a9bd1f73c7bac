"""An order while the exchange works on it: its terms, how much is done, and where it stands in the queue.

The only changing record of the package. It decides nothing.
"""

from __future__ import annotations

import msgspec

from niftyflow.brokers.matching.messages import NewOrder, OrderStatus, OrderView, Refusal, Variety
from niftyflow.model import Side

AT_ANY_PRICE = -(10**15)
"""Key of a market order in a call auction: better than every price, on both sides."""


class Working(msgspec.Struct, kw_only=True, eq=False):
    """An order and its state. `key` orders prices of its side best first: the price to sell, minus it to buy.

    `shown` is what others see of it; `ahead_at` is where its turn comes in what passes its level.
    """

    order: NewOrder
    number: int
    lot: int
    is_buy: bool
    status: OrderStatus
    placed_at: int
    updated_at: int
    key: int = 0
    shown: int = 0
    ahead_at: int = 0
    filled: int = 0
    filled_value: int = 0
    cancelled: int = 0
    is_resting: bool = False
    is_triggered: bool = False
    version: int = 0
    valid_until: int = 0
    exchange_order_id: str = ""
    exchange_at: int = 0
    refusal: Refusal | None = None
    reason: str = ""

    @classmethod
    def of(cls, order: NewOrder, number: int, lot: int, at: int) -> Working:
        """Return an order that has just come."""
        is_amo = order.variety is Variety.AMO
        return cls(
            order=order,
            number=number,
            lot=lot,
            is_buy=order.side is Side.BUY,
            status=OrderStatus.AMO_RECEIVED if is_amo else OrderStatus.RECEIVED,
            placed_at=at,
            updated_at=at,
        )

    @property
    def remaining(self) -> int:
        """Quantity that is neither filled nor cancelled."""
        return self.order.quantity - self.filled - self.cancelled

    @property
    def peak(self) -> int:
        """Quantity that is shown at once: all, the disclosed quantity, or an iceberg's leg."""
        order = self.order
        if order.variety is Variety.ICEBERG:
            return leg_of(order, self.lot)
        return order.disclosed_quantity or order.quantity

    @property
    def average_price(self) -> int:
        """Average price of the fills, rounded half up to 1/10,000 rupee; 0 without one."""
        return (2 * self.filled_value + self.filled) // (2 * self.filled) if self.filled else 0

    def show(self) -> None:
        """Show the next part of what remains."""
        self.shown = min(self.peak, self.remaining)

    def view(self) -> OrderView:
        """Return the order as others may see it."""
        return OrderView(
            order=self.order,
            status=self.status,
            placed_at=self.placed_at,
            updated_at=self.updated_at,
            exchange_order_id=self.exchange_order_id,
            exchange_at=self.exchange_at,
            filled=self.filled,
            filled_value=self.filled_value,
            average_price=self.average_price,
            pending=0 if self.status.is_final else self.remaining,
            cancelled=self.cancelled,
            is_triggered=self.is_triggered,
            refusal=self.refusal,
            reason=self.reason,
        )


def leg_of(order: NewOrder, lot: int) -> int:
    """Return the quantity of an iceberg's legs, rounded up to the lot; the last one is what remains."""
    legs = max(order.legs, 1)
    return -(-order.quantity // (legs * lot)) * lot
