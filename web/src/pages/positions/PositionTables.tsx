/** The tables of open and of closed positions. */

import { Button } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { useMemo } from "react";

import type { Position } from "../../api";
import { Change, type Column, DataTable, Moment, Money, PriceText } from "../../components";
import { numberOf, price, quantity, shortSymbol } from "../../format";
import { usePrice } from "../../live";
import { exposureOf, keyOf, returnOf, totalsOf } from "./totals";

const SYMBOL: Column<Position> = {
  id: "symbol",
  header: "Symbol",
  cell: ({ symbol }) => (
    <Link to="/chart/$symbol" params={{ symbol }}>
      {shortSymbol(symbol)}
    </Link>
  ),
  sortBy: ({ symbol }) => symbol,
};

const STRATEGY: Column<Position> = {
  id: "strategy",
  header: "Strategy",
  cell: ({ strategy }) => strategy,
  sortBy: ({ strategy }) => strategy,
  isExtra: true,
};

const PRODUCT: Column<Position> = {
  id: "product",
  header: "Product",
  cell: ({ product }) => product,
  isExtra: true,
};

function money(id: string, header: string, of: (row: Position) => string | null, isSigned = true) {
  const column: Column<Position> = {
    id,
    header,
    align: "right",
    cell: (row) => <Money value={of(row)} isSigned={isSigned} />,
    sortBy: (row) => numberOf(of(row)),
    isExtra: true,
  };
  return column;
}

const REALISED = money("realised", "Realised", ({ realised }) => realised);
const CHARGES = money("charges", "Charges", ({ charges }) => charges, false);
const NET: Column<Position> = { ...money("net", "Net", ({ net }) => net), meaning: "After charges" };

const OPEN: readonly Column<Position>[] = [
  SYMBOL,
  STRATEGY,
  PRODUCT,
  {
    id: "quantity",
    header: "Quantity",
    align: "right",
    cell: ({ net_quantity: units }) => (
      <span className="num">
        <span className="dim">{units > 0 ? "long" : "short"}</span> {quantity(Math.abs(units))}
      </span>
    ),
    sortBy: (row) => row.net_quantity,
  },
  {
    id: "average",
    header: "Average",
    align: "right",
    cell: (row) => <span className="num">{price(row.average_price)}</span>,
    isExtra: true,
  },
  {
    id: "last",
    header: "Last",
    align: "right",
    cell: (row) => <LastPrice position={row} />,
    isExtra: true,
  },
  {
    id: "exposure",
    header: "Value",
    align: "right",
    cell: (row) => <Money value={exposureOf(row)} decimals={0} />,
    sortBy: exposureOf,
    isExtra: true,
  },
  { ...money("unrealised", "Unrealised", ({ unrealised }) => unrealised), isExtra: false },
  {
    id: "return",
    header: "Return",
    align: "right",
    cell: (row) => <Change value={returnOf(row)} />,
    sortBy: returnOf,
    isExtra: true,
  },
  REALISED,
  CHARGES,
  NET,
];

const FLAT: readonly Column<Position>[] = [
  SYMBOL,
  STRATEGY,
  PRODUCT,
  { ...REALISED, isExtra: false },
  CHARGES,
  { ...NET, isExtra: false },
  {
    id: "at",
    header: "Last trade, IST",
    align: "right",
    cell: (row) => <Moment value={row.updated_at} />,
    sortBy: (row) => row.updated_at,
    isExtra: true,
  },
];

function LastPrice({ position }: { position: Position }) {
  const live = usePrice(position.symbol);
  return <PriceText value={live?.ltp ?? numberOf(position.last_price)} />;
}

interface OpenTableProps {
  positions: readonly Position[] | undefined;
  error: unknown;
  onRetry: () => void;
  /** Null when the session may not trade. */
  onSquareOff: ((position: Position) => void) | null;
}

export function OpenTable({ positions, error, onRetry, onSquareOff }: OpenTableProps) {
  const columns = useMemo(
    () =>
      onSquareOff === null
        ? OPEN
        : [
            ...OPEN,
            {
              id: "action",
              header: "",
              align: "right" as const,
              cell: (row: Position) => (
                <Button
                  variant="default"
                  size="compact-xs"
                  onClick={() => onSquareOff(row)}
                  aria-label={`Square off ${shortSymbol(row.symbol)} of ${row.strategy}`}
                >
                  Square off
                </Button>
              ),
            },
          ],
    [onSquareOff],
  );
  return (
    <DataTable
      label="Open positions"
      columns={columns}
      rows={positions}
      rowKey={keyOf}
      firstSort={{ column: "symbol", isDescending: false }}
      error={error}
      onRetry={onRetry}
      emptyText="No open position. One appears with the first fill of an order."
      footer={<TotalRow positions={positions ?? []} columns={columns} />}
    />
  );
}

function TotalRow({
  positions,
  columns,
}: {
  positions: readonly Position[];
  columns: readonly Column<Position>[];
}) {
  const totals = totalsOf(positions);
  const cells: Readonly<Record<string, React.ReactNode>> = {
    symbol: "Total",
    exposure: <Money value={totals.exposure} decimals={0} />,
    unrealised: <Money value={totals.unrealised} isSigned />,
    realised: <Money value={totals.realised} isSigned />,
    charges: <Money value={totals.charges} />,
    net: <Money value={totals.net} isSigned />,
  };
  return (
    <tr>
      {columns.map(({ id, align, isExtra }) => (
        <td key={id} data-align={align} data-phone={isExtra !== true}>
          {cells[id]}
        </td>
      ))}
    </tr>
  );
}

export function FlatTable({ positions }: { positions: readonly Position[] }) {
  return (
    <DataTable
      label="Closed positions"
      columns={FLAT}
      rows={positions}
      rowKey={keyOf}
      firstSort={{ column: "net", isDescending: true }}
      footer={<TotalRow positions={positions} columns={FLAT} />}
    />
  );
}
