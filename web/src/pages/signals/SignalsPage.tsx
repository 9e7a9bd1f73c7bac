/** Signals as they come: what a rule concluded, why, and until when it holds. */

import { Button, Select } from "@mantine/core";
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useMemo, useState } from "react";

import { queries, type Signal } from "../../api";
import { CloseIcon, type Column, DataTable, Page, Panel, SymbolSearch } from "../../components";
import { dayTime, decimal, minuteTime, price, reasonText, shortSymbol } from "../../format";
import { useSignals } from "../../live";
import { Left } from "./Left";
import { SignalDrawer } from "./SignalDrawer";
import classes from "./Signals.module.css";
import { joined, type SignalFilter } from "./validity";

const LIMIT = 200;
const NO_FILTER: SignalFilter = { symbol: null, strategy: null };

export function SignalsPage() {
  const [filter, setFilter] = useState(NO_FILTER);
  const [chosen, setChosen] = useState<Signal | null>(null);
  const live = useSignals();
  const stored = useQuery({
    ...queries.signals({
      limit: LIMIT,
      ...(filter.symbol === null ? {} : { symbol: filter.symbol }),
      ...(filter.strategy === null ? {} : { strategy: filter.strategy }),
    }),
    placeholderData: keepPreviousData,
  });
  const rows = useMemo(
    () => (stored.data === undefined ? undefined : joined(stored.data, live, filter)),
    [stored.data, live, filter],
  );
  const rules = useMemo(
    () => [...new Set([...(stored.data ?? []), ...live].map(({ strategy }) => strategy))].sort(),
    [stored.data, live],
  );
  return (
    <Page
      title="Signals"
      note={rows === undefined ? undefined : `${rows.length === LIMIT ? "newest " : ""}${rows.length}`}
      isFilling
      tools={
        <>
          <SymbolSearch
            label="Instrument of the signals"
            placeholder="Any symbol"
            value={filter.symbol}
            onChange={(symbol) => setFilter({ ...filter, symbol })}
            width={150}
          />
          <Select
            aria-label="Rule"
            placeholder="Any rule"
            w={160}
            clearable
            data={rules}
            value={filter.strategy}
            onChange={(strategy) => setFilter({ ...filter, strategy })}
          />
          {filter !== NO_FILTER && (
            <Button
              variant="subtle"
              leftSection={<CloseIcon size={14} />}
              onClick={() => setFilter(NO_FILTER)}
            >
              All signals
            </Button>
          )}
        </>
      }
    >
      <Panel isFlush className={classes.panel}>
        <DataTable
          label="Signals"
          columns={COLUMNS}
          rows={rows}
          rowKey={(signal) => signal.id}
          selectedKey={chosen?.id}
          onOpen={setChosen}
          error={stored.error}
          onRetry={() => void stored.refetch()}
          emptyText={
            filter === NO_FILTER
              ? "No signal yet. A rule gives one when all of its conditions hold at the end of a minute."
              : "No signal fits these filters."
          }
        />
      </Panel>
      <SignalDrawer signal={chosen} onClose={() => setChosen(null)} />
    </Page>
  );
}

const COLUMNS: readonly Column<Signal>[] = [
  {
    id: "time",
    header: "IST",
    cell: ({ timestamp }) => (
      <span className="num" title={`${dayTime(timestamp)} IST`}>
        {minuteTime(timestamp)}
      </span>
    ),
    sortBy: (signal) => Date.parse(signal.timestamp),
  },
  {
    id: "symbol",
    header: "Symbol",
    cell: (signal) => (
      <Link
        to="/chart/$symbol"
        params={{ symbol: signal.symbol }}
        onClick={(event) => event.stopPropagation()}
      >
        {shortSymbol(signal.symbol)}
      </Link>
    ),
    sortBy: (signal) => signal.symbol,
  },
  {
    id: "action",
    header: "Action",
    cell: (signal) => <Strength signal={signal} />,
    sortBy: (signal) => (signal.action === "BUY" ? signal.strength : -signal.strength),
    meaning: "What the rule concluded, and how strongly, from 0 to 1",
  },
  {
    id: "price",
    header: "Price",
    align: "right",
    cell: (signal) => <span className="num">{price(signal.price)}</span>,
    isExtra: true,
  },
  {
    id: "stop",
    header: "Stop",
    align: "right",
    cell: (signal) => <span className="num">{price(signal.stop)}</span>,
    isExtra: true,
  },
  {
    id: "target",
    header: "Target",
    align: "right",
    cell: (signal) => <span className="num">{price(signal.target)}</span>,
    isExtra: true,
  },
  {
    id: "left",
    header: "Holds",
    cell: (signal) => <Left until={signal.valid_until} />,
    sortBy: (signal) => Date.parse(signal.valid_until),
    meaning: "What is left of it, in the data's own time",
  },
  {
    id: "rule",
    header: "Rule",
    cell: (signal) => signal.strategy,
    sortBy: (signal) => signal.strategy,
    isExtra: true,
  },
  {
    id: "reason",
    header: "Because",
    cell: (signal) => (
      <span className={classes.reasons}>
        {signal.reason.map((reason) => (
          <span key={reason.rule}>{reasonText(reason)}</span>
        ))}
      </span>
    ),
    isExtra: true,
    isWide: true,
  },
];

export function Strength({ signal }: { signal: Pick<Signal, "action" | "strength"> }) {
  const isBuy = signal.action === "BUY";
  return (
    <span className={classes.strength}>
      <span className={isBuy ? "up" : "down"}>
        {isBuy ? "▲" : "▼"} {signal.action}
      </span>
      <span className={classes.bar} aria-hidden="true">
        <span
          data-way={isBuy ? "up" : "down"}
          style={{ width: `${Math.min(1, Math.max(0, signal.strength)) * 100}%` }}
        />
      </span>
      <span className="num">{decimal(signal.strength, 2)}</span>
    </span>
  );
}
