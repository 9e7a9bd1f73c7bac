/** The whole market: cards of its view, and all instruments live as a table or as a heat map. */

import { SegmentedControl, Switch, TextInput } from "@mantine/core";
import { useDebouncedValue, useLocalStorage } from "@mantine/hooks";
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useMemo, useState } from "react";

import { queries } from "../../api";
import { CloseIcon, DataTable, Failed, Loading, Page, Panel, SearchIcon } from "../../components";
import { minuteTime } from "../../format";
import { useMarketView, usePrices, useScorecards } from "../../live";
import { COLUMNS } from "./columns";
import { type Grouping, HeatMap } from "./HeatMap";
import classes from "./MarketPage.module.css";
import { type MarketRow, marketRows } from "./rows";
import { ViewCards } from "./ViewCards";

const SHOWN_AT_MOST = 500;

type Form = "table" | "map";

function useRows(filter: string): { rows: MarketRow[] | undefined; error: Error | null; retry: () => void } {
  const instruments = useQuery(queries.instruments({ limit: SHOWN_AT_MOST }));
  const symbols = useMemo(() => (instruments.data ?? []).map(({ symbol }) => symbol), [instruments.data]);
  const quotes = useQuery({ ...queries.quotes(symbols), placeholderData: keepPreviousData });
  const prices = usePrices();
  const scorecards = useScorecards();
  const rows = useMemo(() => {
    if (instruments.data === undefined) return undefined;
    const wanted = filter.trim().toLowerCase();
    const matching = instruments.data.filter(
      ({ symbol, name }) => wanted === "" || `${symbol} ${name}`.toLowerCase().includes(wanted),
    );
    const byQuote = new Map((quotes.data ?? []).map((quote) => [quote.symbol, quote]));
    return marketRows(matching, { prices, scorecards, quotes: byQuote });
  }, [instruments.data, quotes.data, prices, scorecards, filter]);
  return { rows, error: instruments.error, retry: () => void instruments.refetch() };
}

export function MarketPage() {
  const view = useMarketView();
  const [typed, setTyped] = useState("");
  const [filter] = useDebouncedValue(typed, 150);
  const [form, setForm] = useLocalStorage<Form>({ key: "niftyflow-market-form", defaultValue: "table" });
  const [grouping, setGrouping] = useState<Grouping>("none");
  const [isSized, setSized] = useState(true);
  const { rows, error, retry } = useRows(filter);
  const tools = (
    <>
      {form === "map" && (
        <>
          <Switch
            label="Group by advice"
            checked={grouping === "recommendation"}
            onChange={(event) => setGrouping(event.currentTarget.checked ? "recommendation" : "none")}
          />
          <Switch
            label="Size by traded value"
            checked={isSized}
            onChange={(event) => setSized(event.currentTarget.checked)}
          />
        </>
      )}
      <TextInput
        aria-label="Filter by symbol or name"
        placeholder="Symbol or name"
        value={typed}
        onChange={(event) => setTyped(event.currentTarget.value)}
        leftSection={<SearchIcon size={14} />}
        rightSection={
          typed === "" ? null : (
            <button
              type="button"
              aria-label="Clear the filter"
              className={classes.clear}
              onClick={() => setTyped("")}
            >
              <CloseIcon size={14} />
            </button>
          )
        }
        w={190}
      />
      <SegmentedControl
        aria-label="Form of the market"
        value={form}
        onChange={(value) => setForm(value === "map" ? "map" : "table")}
        data={[
          { value: "table", label: "Table" },
          { value: "map", label: "Heat map" },
        ]}
      />
    </>
  );
  return (
    <Page
      title="Market"
      isFilling
      note={view === null ? undefined : `${view.universe}, minute ${minuteTime(view.timestamp)} IST`}
      tools={tools}
    >
      <ViewCards view={view} />
      <Panel isFlush className={classes.body}>
        {form === "table" ? (
          <DataTable
            label="All instruments"
            columns={COLUMNS}
            rows={rows}
            rowKey={(row) => row.symbol}
            firstSort={{ column: "symbol", isDescending: false }}
            error={error}
            onRetry={retry}
            emptyText={filter === "" ? "No instrument is watched yet." : `Nothing is called “${filter}”.`}
          />
        ) : rows === undefined ? (
          error === null ? (
            <Loading />
          ) : (
            <Failed error={error} onRetry={retry} />
          )
        ) : (
          <HeatMap rows={rows} grouping={grouping} isSized={isSized} />
        )}
      </Panel>
    </Page>
  );
}
