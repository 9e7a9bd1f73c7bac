"""Carries out what happens beside calls: the market's steps, order updates to sockets and postbacks, socket faults.

Sits between the server, which has the sockets, and the front, which has the broker. Decides nothing about orders.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from niftyflow.brokers.kite.login_rules import checksum_of
from niftyflow.brokers.kite.reading import time_text
from niftyflow.brokers.simulator.broker import Update
from niftyflow.brokers.simulator.clients import Client, Clients
from niftyflow.brokers.simulator.faults import FaultName
from niftyflow.brokers.simulator.order_book import update_row
from niftyflow.brokers.simulator.playback import Playback, Step
from niftyflow.brokers.simulator.postbacks import Postbacks
from niftyflow.brokers.simulator.rest import Front, steady_ms
from niftyflow.brokers.simulator.socket_faults import SPOILERS, Spoiler, is_spoilable
from niftyflow.kit.log import get_logger

log = get_logger(__name__)


class BrokerService:
    """What one front needs done."""

    def __init__(self, playback: Playback, clients: Clients, front: Front) -> None:
        self._playback = playback
        self._clients = clients
        self._front = front
        self._is_halted = False
        self.postbacks = Postbacks({each.user_id: each.postback_url for each in front.accounts})
        front.after_call = self.tell

    def market(self, step: Step) -> None:
        """Show the exchange a step of the market, once somebody trades on it; `step` has just been played."""
        broker = self._front.broker
        if broker.is_awake:
            end = int(step.events["arrival"][-1]) if len(step.events) else broker.now
            broker.step(step.events, max(end, int(step.marks[-1]) if len(step.marks) else 0))
            if self._playback.position > broker.now:
                broker.step(step.events[:0], self._playback.position)
            self.tell()

    def jumped(self) -> None:
        """The session's time was moved by the desk: forward the market has moved, back is a new beginning."""
        broker, position = self._front.broker, self._playback.position
        if not broker.is_awake:
            return
        if position < broker.now:
            log.warning("accounts_begin_anew", reason="the session was moved back")
            broker.begin(position)
        broker.wake(self._playback.everything(), position)
        self.tell()

    def tell(self) -> None:
        """Send the order updates that wait."""
        updates, self._front.broker.updates = self._front.broker.updates, []
        for update in updates:
            self._tell(update)

    def _tell(self, update: Update) -> None:
        user = update.record.order.account
        shift = self._front.shift(user)
        if self._clients.has_any_of(user):
            row = update_row(update.record, update.step, update.status, "", shift)
            self._clients.write_to(user, msgspec.json.encode({"type": "order", "data": row}))
        if self.postbacks.wants(user, update.status):
            secret = self._front.broker.account_of(user).api_secret
            order_id, at = update.record.order.order_id, time_text(update.step.at + shift)
            checksum = checksum_of(order_id, at, secret)
            self.postbacks.post(user, update_row(update.record, update.step, update.status, checksum, shift))

    def carry_out_faults(self) -> None:
        """Do to sockets, sessions and the exchange what the faults in force ask for, and undo what is over."""
        faults, now = self._front.faults, steady_ms()
        dying = faults.take(FaultName.TOKEN_EXPIRY, now, None)
        if dying is not None:
            ended = self._front.sessions.expire(dying.spec.account or None)
            log.warning("tokens_expired", sessions=ended)
        cut = faults.take(FaultName.CUT, now, None)
        self._halt(is_halted=faults.in_force(FaultName.EXCHANGE_HALT, now) is not None)
        for client in self._clients:
            if cut is not None and cut.spec.account in ("", client.account):
                client.transport.abort()
                continue
            self._spoil(client, now)

    def _spoil(self, client: Client, now: int) -> None:
        faults = self._front.faults
        is_half_open = faults.in_force(FaultName.HALF_OPEN, now, client.account) is not None
        if is_half_open != client.is_half_open:
            client.is_half_open = is_half_open
            (client.transport.pause_reading if is_half_open else client.transport.resume_reading)()
        client.is_silent = is_half_open or faults.in_force(FaultName.SILENT_SOCKET, now, client.account) is not None
        client.is_without_ticks = self._is_halted
        client.spoil = next(
            (
                self._counted(name, spoiler, client.account)
                for name, spoiler in SPOILERS.items()
                if faults.in_force(name, now, client.account) is not None
            ),
            None,
        )

    def _counted(self, name: FaultName, spoiler: Spoiler, account: str) -> Spoiler:
        """Return a spoiler that counts each step with ticks as a use of its fault, and stops when that is used up."""

        def spoil(told: Sequence[bytes], held: list[bytes]) -> list[bytes]:
            if not any(is_spoilable(each) for each in told):
                return list(told)
            if self._front.faults.take(name, steady_ms(), account) is not None:
                return spoiler(told, held)
            waiting = held[:]
            held.clear()
            return [*waiting, *told]

        return spoil

    def _halt(self, *, is_halted: bool) -> None:
        if is_halted == self._is_halted:
            return
        self._is_halted = is_halted
        broker = self._front.broker
        log.warning("exchange_halted" if is_halted else "exchange_resumed")
        if is_halted:
            broker.halt()
        else:
            broker.resume()
        self.tell()

    def status(self) -> dict[str, Any]:
        """Return how the broker stands, for the desk."""
        return {
            "accounts": len(self._front.accounts),
            "arrived": self._front.arrivals.arrived,
            "orders": sum(1 for _ in self._front.broker.orders),
            "postbacks_sent": self.postbacks.sent,
            "postbacks_lost": self.postbacks.lost,
        }
