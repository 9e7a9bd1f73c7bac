/** The table of orders, newest first. */

import { Button } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { useMemo } from "react";

import type { Order } from "../../api";
import { type Column, DataTable, Moment, StateBadge } from "../../components";
import { price, quantity, shortSymbol } from "../../format";
import { useCancel } from "./actions";
import { averageOf, isWorking, waitsFor } from "./states";

const COLUMNS: readonly Column<Order>[] = [
  {
    id: "time",
    header: "Time, IST",
    cell: (order) => <Moment value={order.decided_at} />,
    sortBy: (order) => order.decided_at,
  },
  {
    id: "symbol",
    header: "Symbol",
    cell: (order) => (
      <Link
        to="/chart/$symbol"
        params={{ symbol: order.symbol }}
        onClick={(event) => event.stopPropagation()}
      >
        {shortSymbol(order.symbol)}
      </Link>
    ),
    sortBy: (order) => order.symbol,
  },
  {
    id: "strategy",
    header: "Strategy",
    cell: (order) => order.strategy,
    sortBy: (order) => order.strategy,
    isExtra: true,
  },
  { id: "side", header: "Side", cell: (order) => order.side, sortBy: (order) => order.side },
  {
    id: "quantity",
    header: "Filled",
    align: "right",
    cell: (order) => (
      <span className="num">
        {quantity(order.filled)}
        <span className="dim">/{quantity(order.quantity)}</span>
      </span>
    ),
    sortBy: (order) => order.quantity,
  },
  {
    id: "type",
    header: "Type",
    cell: (order) => (
      <>
        {order.order_type} <span className="dim">{order.product}</span>
      </>
    ),
    sortBy: (order) => order.order_type,
    isExtra: true,
  },
  {
    id: "price",
    header: "Price",
    align: "right",
    cell: (order) => {
      const text = waitsFor(order);
      return text === "" ? <span className="dim">market</span> : <span className="num">{text}</span>;
    },
    isExtra: true,
  },
  {
    id: "average",
    header: "Average",
    align: "right",
    cell: (order) => <span className="num">{price(averageOf(order))}</span>,
    sortBy: averageOf,
    isExtra: true,
  },
  {
    id: "state",
    header: "State",
    cell: (order) => <StateBadge state={order.state} />,
    sortBy: (order) => order.state,
  },
  {
    id: "reason",
    header: "Reason",
    cell: (order) => <span className="dim">{order.reason}</span>,
    isExtra: true,
    isWide: true,
  },
];

interface OrdersTableProps {
  orders: readonly Order[] | undefined;
  error: unknown;
  onRetry: () => void;
  isFiltered: boolean;
  selected: string | undefined;
  mayTrade: boolean;
  onOpen: (id: string) => void;
}

export function OrdersTable(props: OrdersTableProps) {
  const { orders, mayTrade } = props;
  const columns = useMemo(() => {
    const hasAction = mayTrade && (orders ?? []).some(isWorking);
    return hasAction ? COLUMNS.toSpliced(-1, 0, ACTION) : COLUMNS;
  }, [orders, mayTrade]);
  return (
    <DataTable
      label="Orders"
      columns={columns}
      rows={orders}
      rowKey={(order) => order.client_order_id}
      selectedKey={props.selected}
      onOpen={(order) => props.onOpen(order.client_order_id)}
      error={props.error}
      onRetry={props.onRetry}
      emptyText={
        props.isFiltered
          ? "No order fits these filters."
          : "No order yet. A strategy places one when its rule holds; the ticket places one by hand."
      }
    />
  );
}

const ACTION: Column<Order> = {
  id: "action",
  header: "",
  align: "right",
  cell: (order) => (isWorking(order) ? <CancelButton order={order} /> : null),
};

function CancelButton({ order }: { order: Order }) {
  const cancel = useCancel(order);
  return (
    <Button
      variant="default"
      size="compact-xs"
      loading={cancel.isPending}
      aria-label={`Cancel the order in ${shortSymbol(order.symbol)}`}
      onClick={(event) => {
        event.stopPropagation();
        cancel.mutate();
      }}
    >
      Cancel
    </Button>
  );
}
