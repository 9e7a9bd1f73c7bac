/** One order in full: what happened to it, what it cost, what the risk gate said, and why it was placed at all. */

import { Button, Drawer, Group, Tabs } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";

import { type Order, type OrderDetail, type OrderEvent, queries } from "../../api";
import { Failed, Loading, Money, Moment, StateBadge } from "../../components";
import { price, quantity, shortSymbol, words } from "../../format";
import { named, useCancel } from "./actions";
import { ChangeOrder } from "./ChangeOrder";
import { Checks } from "./Checks";
import classes from "./Orders.module.css";
import { averageOf, isWorking, waitsFor } from "./states";
import { WhyChain } from "./WhyChain";

interface OrderDrawerProps {
  id: string | undefined;
  mayTrade: boolean;
  onOpen: (id: string) => void;
  onClose: () => void;
}

export function OrderDrawer({ id, mayTrade, onOpen, onClose }: OrderDrawerProps) {
  return (
    <Drawer opened={id !== undefined} onClose={onClose} title="Order">
      {id !== undefined && <Content key={id} id={id} mayTrade={mayTrade} onOpen={onOpen} />}
    </Drawer>
  );
}

function Content({ id, mayTrade, onOpen }: { id: string; mayTrade: boolean; onOpen: (id: string) => void }) {
  const found = useQuery(queries.order(id));
  if (found.data === undefined)
    return found.error === null ? (
      <Loading />
    ) : (
      <Failed error={found.error} onRetry={() => void found.refetch()} />
    );
  const { order } = found.data;
  return (
    <div className={classes.drawer}>
      <div className={classes.orderHead}>
        <h3>{named(order)}</h3>
        <StateBadge state={order.state} />
      </div>
      {order.reason !== null && order.reason !== "" && <p className={classes.reason}>{order.reason}</p>}
      {mayTrade && isWorking(order) && <Actions order={order} />}
      <Tabs defaultValue="story" keepMounted={false}>
        <Tabs.List>
          <Tabs.Tab value="story">What happened</Tabs.Tab>
          <Tabs.Tab value="why">Why</Tabs.Tab>
          <Tabs.Tab value="risk">Risk checks</Tabs.Tab>
        </Tabs.List>
        <Tabs.Panel value="story" pt="md">
          <Story detail={found.data} />
        </Tabs.Panel>
        <Tabs.Panel value="why" pt="md">
          <WhyChain id={id} onOpen={onOpen} />
        </Tabs.Panel>
        <Tabs.Panel value="risk" pt="md">
          <Checks verdict={order.risk.verdict} checks={order.risk.checks} />
        </Tabs.Panel>
      </Tabs>
    </div>
  );
}

function Actions({ order }: { order: Order }) {
  const cancel = useCancel(order);
  const [isChanging, change] = useDisclosure();
  return (
    <>
      <Group gap="xs">
        <Button variant="default" loading={cancel.isPending} onClick={() => cancel.mutate()}>
          Cancel order
        </Button>
        <Button variant="default" onClick={change.toggle} aria-expanded={isChanging}>
          Change order
        </Button>
      </Group>
      {isChanging && <ChangeOrder order={order} onEnd={change.close} />}
    </>
  );
}

function Story({ detail }: { detail: OrderDetail }) {
  const { order, events, fills } = detail;
  return (
    <>
      <dl className={classes.facts}>
        <Fact name="Symbol">
          <Link to="/chart/$symbol" params={{ symbol: order.symbol }}>
            {shortSymbol(order.symbol)}
          </Link>
        </Fact>
        <Fact name="Strategy">{order.strategy}</Fact>
        <Fact name="Type">
          {order.order_type} {waitsFor(order)}
        </Fact>
        <Fact name="Product, validity">
          {order.product}, {order.validity}
        </Fact>
        <Fact name="Filled">
          <span className="num">
            {quantity(order.filled)} of {quantity(order.quantity)}
          </span>
        </Fact>
        <Fact name="Average">
          <span className="num">{price(averageOf(order))}</span>
        </Fact>
        <Fact name="Decided, IST">
          <Moment value={order.decided_at} withDay />
        </Fact>
        <Fact name="Id">
          <code>{order.client_order_id}</code>
        </Fact>
      </dl>
      <h4>States</h4>
      <ol className={classes.timeline}>
        {events.map((event, at) => (
          <li key={event.sequence}>
            <Moment value={event.at} />
            <StateBadge state={event.state} />
            <span>
              {event.filled > 0 && (
                <span className="num">
                  {quantity(event.filled)} of {quantity(event.quantity)}{" "}
                </span>
              )}
              {isRepriced(event, events[at - 1]) && <span className="num">at {price(event.price)} </span>}
              <span className="dim">{event.reason}</span>
            </span>
          </li>
        ))}
      </ol>
      <h4>Fills</h4>
      {fills.length === 0 && <p className="dim">Nothing has filled.</p>}
      {fills.map((fill) => (
        <FillLines key={fill.fill_id} fill={fill} />
      ))}
    </>
  );
}

function isRepriced(event: OrderEvent, before: OrderEvent | undefined): boolean {
  return event.price !== null && before !== undefined && event.price !== before.price;
}

function FillLines({ fill }: { fill: OrderDetail["fills"][number] }) {
  const charges = Object.entries(fill.charges);
  const total = charges.reduce((sum, [, amount]) => sum + Number(amount), 0);
  return (
    <table className={classes.fill}>
      <caption className="only-read-aloud">Fill {fill.fill_id} with its charges</caption>
      <tbody>
        <tr>
          <th scope="row">
            <Moment value={fill.at} /> · {quantity(fill.quantity)} at {price(fill.price)}
          </th>
          <td>
            <Money value={fill.quantity * Number(fill.price)} />
          </td>
        </tr>
        {charges.map(([name, amount]) => (
          <tr key={name} className="dim">
            <th scope="row">{name.length <= 4 ? name.toUpperCase() : words(name)}</th>
            <td>
              <Money value={amount} decimals={4} />
            </td>
          </tr>
        ))}
        <tr>
          <th scope="row">Charges</th>
          <td>
            <Money value={total} />
          </td>
        </tr>
      </tbody>
    </table>
  );
}

function Fact({ name, children }: { name: string; children: React.ReactNode }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}
