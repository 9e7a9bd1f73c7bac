/** One signal in full: the conditions that held, what it saw, and what became of it. */

import { Drawer } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";

import { queries, type Signal } from "../../api";
import { Failed, Loading, Moment, StateBadge } from "../../components";
import { clockTime, decimal, price, quantity, reasonText, shortSymbol, words } from "../../format";
import { Left } from "./Left";
import classes from "./Signals.module.css";
import { Strength } from "./SignalsPage";
import { rewardForRisk } from "./validity";

export function SignalDrawer({ signal, onClose }: { signal: Signal | null; onClose: () => void }) {
  return (
    <Drawer opened={signal !== null} onClose={onClose} title="Signal">
      {signal !== null && <Content signal={signal} />}
    </Drawer>
  );
}

function Content({ signal }: { signal: Signal }) {
  return (
    <div className={classes.drawer}>
      <div className={classes.head}>
        <h3>{shortSymbol(signal.symbol)}</h3>
        <Strength signal={signal} />
        <Left until={signal.valid_until} />
      </div>
      <dl className={classes.facts}>
        <Fact name="Rule">{signal.strategy}</Fact>
        <Fact name="Given, IST">
          <Moment value={signal.timestamp} withDay />
        </Fact>
        <Fact name="Valid until">{clockTime(signal.valid_until)}</Fact>
        <Fact name="Price">{price(signal.price)}</Fact>
        <Fact name="Stop">{price(signal.stop)}</Fact>
        <Fact name="Target">{price(signal.target)}</Fact>
        <Fact name="Gain for each rupee risked">{decimal(rewardForRisk(signal), 2)}</Fact>
        <Fact name="Chart">
          <Link to="/chart/$symbol" params={{ symbol: signal.symbol }}>
            {shortSymbol(signal.symbol)}
          </Link>
        </Fact>
      </dl>
      <h4>Conditions that held</h4>
      <ul className={classes.conditions}>
        {signal.reason.map((reason) => (
          <li key={reason.rule}>
            <span aria-hidden="true">✓</span>
            <span>
              {reasonText(reason)}
              <code>{reason.rule}</code>
            </span>
          </li>
        ))}
      </ul>
      <h4>What it saw</h4>
      <dl className={classes.facts}>
        {Object.entries(signal.saw).map(([what, seen]) => (
          <Fact key={what} name={words(what)}>
            <code>{typeof seen === "string" || typeof seen === "number" ? seen : JSON.stringify(seen)}</code>
          </Fact>
        ))}
      </dl>
      <h4>What became of it</h4>
      <Orders signal={signal} />
    </div>
  );
}

function Orders({ signal }: { signal: Signal }) {
  const orders = useQuery(queries.orders({ symbol: signal.symbol, limit: 1000 }));
  if (orders.data === undefined)
    return orders.error === null ? (
      <Loading what="Looking for orders" />
    ) : (
      <Failed error={orders.error} onRetry={() => void orders.refetch()} />
    );
  const own = orders.data.filter(({ signal_id: id }) => id === signal.id);
  if (own.length === 0)
    return <p className="dim">No order names it: no strategy that follows this rule acted on it.</p>;
  return (
    <ul className={classes.orders}>
      {own.map((order) => (
        <li key={order.client_order_id}>
          <Link to="/orders" search={{ order: order.client_order_id }}>
            {order.side === "BUY" ? "Buy" : "Sell"} {quantity(order.quantity)}
          </Link>
          <span className="num">
            {order.average_price === null ? "" : `at ${price(order.average_price)}`}
          </span>
          <span className="dim">{order.strategy}</span>
          <Moment value={order.decided_at} />
          <StateBadge state={order.state} />
          {order.reason !== null && order.reason !== "" && <p className="dim">{order.reason}</p>}
        </li>
      ))}
    </ul>
  );
}

function Fact({ name, children }: { name: string; children: ReactNode }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd className="num">{children}</dd>
    </div>
  );
}
