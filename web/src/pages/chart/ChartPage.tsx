/** One instrument: candles with indicators, signals and own fills, and beside them what the scorecard says of it. */

import { Button, Checkbox, Popover, SegmentedControl, Stack } from "@mantine/core";
import { useLocalStorage } from "@mantine/hooks";
import { useQuery } from "@tanstack/react-query";
import { Link, Navigate, useNavigate, useParams } from "@tanstack/react-router";
import { useEffect, useRef } from "react";

import { type Interval, queries } from "../../api";
import { Change, Empty, Failed, Loading, Panel, PriceText, SymbolSearch } from "../../components";
import { compact, dayTime, decimal, direction, fullSymbol, percent, price, shortSymbol } from "../../format";
import { usePrice } from "../../live";
import { AnalysisPanel } from "./AnalysisPanel";
import { INTERVALS } from "./bars";
import classes from "./ChartPage.module.css";
import { FIRST_STUDIES, STUDIES } from "./studies";
import { type ChartState, useChart } from "./useChart";

const LAST_SYMBOL = "niftyflow-chart-symbol";

/** `/chart` alone: the instrument looked at last, else the first there is. */
export function AnyChartPage() {
  const [last] = useLocalStorage<string | null>({
    key: LAST_SYMBOL,
    defaultValue: null,
    getInitialValueInEffect: false,
  });
  const first = useQuery({ ...queries.instruments({ limit: 1 }), enabled: last === null });
  const symbol = last ?? first.data?.[0]?.symbol;
  if (symbol !== undefined) return <Navigate to="/chart/$symbol" params={{ symbol }} replace />;
  if (first.error !== null) return <Failed error={first.error} onRetry={() => void first.refetch()} />;
  return first.data === undefined ? <Loading /> : <Empty>There is no instrument to show yet.</Empty>;
}

export function ChartPage() {
  const symbol = fullSymbol(useParams({ from: "/desk/chart/$symbol" }).symbol);
  const [interval, setInterval] = useLocalStorage<Interval>({
    key: "niftyflow-chart-interval",
    defaultValue: "1m",
    getInitialValueInEffect: false,
  });
  const [chosen, setChosen] = useLocalStorage<string[]>({
    key: "niftyflow-chart-studies",
    defaultValue: [...FIRST_STUDIES],
    getInitialValueInEffect: false,
  });
  const [, setLast] = useLocalStorage<string | null>({ key: LAST_SYMBOL, defaultValue: null });
  useEffect(() => {
    document.title = `${shortSymbol(symbol)} · niftyflow`;
    setLast(symbol);
  }, [symbol, setLast]);
  return (
    <div className={classes.page}>
      <Tools
        symbol={symbol}
        interval={interval}
        onInterval={setInterval}
        chosen={chosen}
        onChosen={setChosen}
      />
      <Candles symbol={symbol} interval={interval} chosen={chosen} />
      <AnalysisPanel symbol={symbol} className={classes.side} />
    </div>
  );
}

interface ToolsProps {
  symbol: string;
  interval: Interval;
  onInterval: (interval: Interval) => void;
  chosen: string[];
  onChosen: (chosen: string[]) => void;
}

function Tools({ symbol, interval, onInterval, chosen, onChosen }: ToolsProps) {
  const navigate = useNavigate();
  const name = useQuery(queries.instruments({ query: shortSymbol(symbol), limit: 20 })).data?.find(
    (instrument) => instrument.symbol === symbol,
  )?.name;
  return (
    <div className={classes.tools}>
      <h1 className="only-read-aloud">Chart of {symbol}</h1>
      <SymbolSearch
        value={symbol}
        onChange={(next) => void navigate({ to: "/chart/$symbol", params: { symbol: next } })}
      />
      <LastPrice symbol={symbol} name={name} />
      <SegmentedControl
        aria-label="Length of a candle"
        value={interval}
        onChange={(next) => onInterval(INTERVALS.find((one) => one === next) ?? "1m")}
        data={[...INTERVALS]}
      />
      <StudyChoice interval={interval} chosen={chosen} onChosen={onChosen} />
      <div className={classes.trade}>
        <TradeLink symbol={symbol} side="BUY" label="Buy" />
        <TradeLink symbol={symbol} side="SELL" label="Sell" />
      </div>
    </div>
  );
}

function TradeLink({ symbol, side, label }: { symbol: string; side: "BUY" | "SELL"; label: string }) {
  return (
    <Button
      variant="default"
      renderRoot={(props: object) => <Link to="/orders" search={{ symbol, side }} {...props} />}
    >
      {label}
    </Button>
  );
}

function LastPrice({ symbol, name }: { symbol: string; name: string | undefined }) {
  const live = usePrice(symbol);
  return (
    <div className={classes.last}>
      <span>
        <strong>
          <PriceText value={live?.ltp} />
        </strong>{" "}
        <Change value={live?.change_percent} />
      </span>
      <span className={classes.name}>
        {name === undefined || name === shortSymbol(symbol) ? symbol : name}
      </span>
    </div>
  );
}

function StudyChoice({ interval, chosen, onChosen }: Pick<ToolsProps, "interval" | "chosen" | "onChosen">) {
  return (
    <Popover position="bottom-start" shadow="md" trapFocus>
      <Popover.Target>
        <Button variant="default">Indicators ({chosen.length})</Button>
      </Popover.Target>
      <Popover.Dropdown>
        <Checkbox.Group value={chosen} onChange={onChosen} aria-label="Indicators on the chart">
          <Stack gap="xs">
            {STUDIES.map(({ id, label, notFor }) => (
              <Checkbox key={id} value={id} label={label} disabled={notFor?.includes(interval) === true} />
            ))}
          </Stack>
        </Checkbox.Group>
      </Popover.Dropdown>
    </Popover>
  );
}

function Candles({
  symbol,
  interval,
  chosen,
}: {
  symbol: string;
  interval: Interval;
  chosen: readonly string[];
}) {
  const room = useRef<HTMLDivElement>(null);
  const chart = useChart(room, symbol, interval, chosen);
  return (
    <Panel isFlush className={classes.chart}>
      <Legend chart={chart} chosen={chosen} />
      <div
        ref={room}
        className={classes.room}
        role="group"
        aria-label={`Candles of ${symbol}, ${interval}. The numbers of the newest one stand above.`}
      />
      {chart.bars.length === 0 && (
        <div className={classes.over}>
          {chart.isLoading && <Loading what="Loading candles" />}
          {!chart.isLoading && chart.error !== null && <Failed error={chart.error} onRetry={chart.retry} />}
          {!chart.isLoading && chart.error === null && (
            <Empty>No candle of this instrument is stored yet.</Empty>
          )}
        </div>
      )}
    </Panel>
  );
}

function Legend({ chart, chosen }: { chart: ChartState; chosen: readonly string[] }) {
  const { shown, before } = chart;
  if (shown === undefined) return null;
  const change = before === undefined ? null : shown.close - before.close;
  const share =
    before === undefined || before.close === 0 || change === null ? null : (change / before.close) * 100;
  return (
    <div className={classes.legend}>
      <span className="num">{dayTime(shown.time).slice(0, -3)}</span>
      <Figure term="Open" value={price(shown.open)} />
      <Figure term="High" value={price(shown.high)} />
      <Figure term="Low" value={price(shown.low)} />
      <Figure term="Close" value={price(shown.close)} />
      <span className={`num ${direction(change)}`}>
        {decimal(change, 2, true)} ({percent(share)})
      </span>
      <Figure term="Volume" value={compact(shown.volume)} />
      <span className={classes.key}>
        {STUDIES.filter(({ id }) => chosen.includes(id)).map(({ id, label }) => (
          <span key={id} data-study={id}>
            {label}
          </span>
        ))}
        <span data-study="signal">▲▼ signal</span>
        <span>● own fill</span>
      </span>
    </div>
  );
}

function Figure({ term, value }: { term: string; value: string }) {
  return (
    <span>
      <span className="dim">{term}</span> <span className="num">{value}</span>
    </span>
  );
}
