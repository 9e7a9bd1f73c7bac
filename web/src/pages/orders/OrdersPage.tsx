/** Orders of the account: what was asked for and what became of it, with a ticket for a new one. */

import { Button, Drawer, Select, SegmentedControl } from "@mantine/core";
import { useDisclosure, useMediaQuery } from "@mantine/hooks";
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { useEffect, useState } from "react";

import { type OrderState, queries } from "../../api";
import { CloseIcon, Page, Panel, PlusIcon, SymbolSearch } from "../../components";
import { words } from "../../format";
import { OrderDrawer } from "./OrderDrawer";
import { OrdersTable } from "./OrdersTable";
import { OrderTicket } from "./OrderTicket";
import classes from "./Orders.module.css";
import { STATES } from "./states";

const FIRST_LIMIT = 100;
const MOST = 1000;

interface Filter {
  isWorking: boolean;
  state: OrderState | null;
  symbol: string | null;
  strategy: string | null;
}

const NO_FILTER: Filter = { isWorking: false, state: null, symbol: null, strategy: null };

export function OrdersPage() {
  const search = useSearch({ from: "/desk/orders" });
  const navigate = useNavigate();
  const [filter, setFilter] = useState(NO_FILTER);
  const [limit, setLimit] = useState(FIRST_LIMIT);
  const isNarrow = useMediaQuery("(max-width: 70em)", false, { getInitialValueInEffect: false });
  const [isAsked, ticket] = useDisclosure(search.symbol !== undefined);
  const session = useQuery(queries.session());
  const mayTrade = session.data?.scopes.includes("trade") ?? false;
  const { open } = ticket;
  useEffect(() => {
    if (search.symbol !== undefined) open();
  }, [search.symbol, open]);

  const state = filter.isWorking ? "working" : filter.state;
  const orders = useQuery({
    ...queries.orders({
      limit,
      ...(state === null ? {} : { state }),
      ...(filter.symbol === null ? {} : { symbol: filter.symbol }),
      ...(filter.strategy === null ? {} : { strategy: filter.strategy }),
    }),
    placeholderData: keepPreviousData,
  });
  const show = (order?: string): void => {
    // Symbol and side stay, so that the ticket keeps what was typed.
    const { symbol, side } = search;
    const kept = { ...(symbol === undefined ? {} : { symbol }), ...(side === undefined ? {} : { side }) };
    void navigate({ to: "/orders", search: order === undefined ? kept : { ...kept, order } });
  };
  const form = (
    <OrderTicket
      key={`${search.symbol ?? ""} ${search.side ?? ""}`}
      symbol={search.symbol}
      side={search.side}
      mayTrade={mayTrade}
      onPlaced={ticket.close}
    />
  );
  return (
    <Page
      title="Orders"
      isFilling={!isNarrow}
      tools={
        <>
          <Filters filter={filter} onChange={setFilter} />
          {isNarrow && (
            <Button leftSection={<PlusIcon size={16} />} onClick={ticket.open} disabled={!mayTrade}>
              New order
            </Button>
          )}
        </>
      }
    >
      <div className={classes.page}>
        <Panel isFlush className={classes.tablePanel}>
          <OrdersTable
            orders={orders.data}
            error={orders.error}
            onRetry={() => void orders.refetch()}
            isFiltered={filter !== NO_FILTER}
            selected={search.order}
            mayTrade={mayTrade}
            onOpen={show}
          />
          {orders.data !== undefined && orders.data.length >= limit && limit < MOST && (
            <div className={classes.more}>
              <span className="dim">The newest {limit} are shown.</span>
              <Button
                variant="default"
                loading={orders.isPlaceholderData}
                onClick={() => setLimit(limit + 200)}
              >
                Show more
              </Button>
            </div>
          )}
        </Panel>
        {!isNarrow && (
          <Panel title="New order" className={classes.ticketPanel}>
            {form}
          </Panel>
        )}
      </div>
      {isNarrow && (
        <Drawer opened={isAsked} onClose={ticket.close} title="New order" position="bottom" size="auto">
          {form}
        </Drawer>
      )}
      <OrderDrawer id={search.order} mayTrade={mayTrade} onOpen={show} onClose={() => show()} />
    </Page>
  );
}

function Filters({ filter, onChange }: { filter: Filter; onChange: (filter: Filter) => void }) {
  const strategies = useQuery(queries.strategies());
  const names = [...new Set(["manual", ...(strategies.data ?? []).map(({ name }) => name)])];
  return (
    <>
      <SegmentedControl
        aria-label="Which orders"
        data={[
          { value: "all", label: "All" },
          { value: "working", label: "Working" },
        ]}
        value={filter.isWorking ? "working" : "all"}
        onChange={(which) => onChange({ ...filter, isWorking: which === "working", state: null })}
      />
      <Select
        aria-label="State"
        placeholder="Any state"
        w={128}
        clearable
        data={STATES.map((state) => ({ value: state, label: words(state) }))}
        value={filter.state}
        onChange={(state) => onChange({ ...filter, isWorking: false, state: state as OrderState | null })}
      />
      <SymbolSearch
        label="Instrument of the orders"
        placeholder="Any symbol"
        value={filter.symbol}
        onChange={(symbol) => onChange({ ...filter, symbol })}
        width={140}
      />
      <Select
        aria-label="Strategy"
        placeholder="Any strategy"
        w={164}
        clearable
        data={names}
        value={filter.strategy}
        onChange={(strategy) => onChange({ ...filter, strategy })}
      />
      {filter !== NO_FILTER && (
        <Button variant="subtle" leftSection={<CloseIcon size={14} />} onClick={() => onChange(NO_FILTER)}>
          All orders
        </Button>
      )}
    </>
  );
}
