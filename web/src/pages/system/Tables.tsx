/** The topics between the layers and the stores below them, in numbers. */

import type { System } from "../../api";
import { type Column, DataTable, StateBadge } from "../../components";
import { quantity, words } from "../../format";
import { rateText } from "./rates";

type Topic = System["topics"][number] & { from: string; to: string };
type Store = System["stores"][number];

const TOPICS: readonly Column<Topic>[] = [
  { id: "topic", header: "Topic", cell: (row) => <code>{row.topic}</code>, sortBy: (row) => row.topic },
  { id: "from", header: "From", cell: (row) => row.from, isExtra: true },
  {
    id: "to",
    header: "To",
    cell: (row) => <span className="dim">{row.to}</span>,
    isExtra: true,
    isWide: true,
  },
  {
    id: "records",
    header: "Records",
    align: "right",
    cell: (row) => <span className="num">{quantity(row.records)}</span>,
    sortBy: (row) => row.records,
  },
  {
    id: "rate",
    header: "Rate",
    align: "right",
    cell: (row) => <span className="num">{rateText(row.rate)}</span>,
    sortBy: (row) => row.rate,
    meaning: "Over the last ten seconds",
  },
  {
    id: "dead",
    header: "Dead letters",
    align: "right",
    cell: (row) =>
      row.dead_letters === 0 ? (
        <span className="dim">0</span>
      ) : (
        <StateBadge state="dead" tone="bad" label={`${quantity(row.dead_letters)} wait`} />
      ),
    sortBy: (row) => row.dead_letters,
    meaning: "Records that could not be taken; `niftyflow dlq` shows them",
  },
];

export function TopicsTable({ system }: { system: System }) {
  const names = (topic: string, end: "from" | "to"): string =>
    [...new Set(system.edges.filter((edge) => edge.topic === topic).map((edge) => edge[end]))].join(", ");
  const rows = system.topics.map((each) => ({
    ...each,
    from: names(each.topic, "from") || "–",
    to: names(each.topic, "to") || "–",
  }));
  return <DataTable label="Topics" columns={TOPICS} rows={rows} rowKey={(row) => row.topic} />;
}

const STORE_WORDS: Readonly<Record<string, string>> = {
  market: "Candles, signals, predictions",
  book: "Orders, fills, positions",
  hot: "What is newest, for a moment",
  bus: "Logs of the topics",
};

const STORES: readonly Column<Store>[] = [
  { id: "name", header: "Store", cell: (row) => words(row.name), sortBy: (row) => row.name },
  {
    id: "holds",
    header: "Holds",
    cell: (row) => <span className="dim">{STORE_WORDS[row.name] ?? "–"}</span>,
    isExtra: true,
  },
  { id: "state", header: "State", cell: (row) => <StateBadge state={row.state} /> },
  { id: "detail", header: "Size", align: "right", cell: (row) => <span className="num">{row.detail}</span> },
];

export function StoresTable({ system }: { system: System }) {
  return (
    <DataTable
      label="Stores"
      columns={STORES}
      rows={system.stores}
      rowKey={(row) => row.name}
      emptyText="No store was asked yet."
    />
  );
}
