/** What one layer reads and gives, and to whom; without one, how the picture is read. */

import type { Layer, System } from "../../api";
import { words } from "../../format";
import { layerName } from "./LayerCard";
import { rateText } from "./rates";
import classes from "./System.module.css";

export function LayerDetail({ system, layer }: { system: System; layer: Layer | null }) {
  if (layer === null)
    return (
      <p className={classes.hint}>
        Each dot on a line is a record on its way: the more and the faster, the more a second. A dotted line
        is a question and its answer. Press a layer to see what it reads and gives.
      </p>
    );
  const reads = system.edges.filter(({ to }) => to === layer.name);
  const gives = system.edges.filter(({ from }) => from === layer.name);
  return (
    <div className={classes.detail} aria-live="polite">
      <h3>
        {layerName(layer)} <span className="dim">{layer.title.toLowerCase()}</span>
      </h3>
      {layer.state !== "running" && (
        <p>
          {words(layer.state)}
          {layer.reason === "" ? "" : `: ${layer.reason}`}
        </p>
      )}
      <div className={classes.ways}>
        <Way title="Reads" edges={reads} otherOf={({ from }) => `from ${from}`} none={noneRead(layer.name)} />
        <Way title="Gives" edges={gives} otherOf={({ to }) => `to ${to}`} none={noneGiven(layer.name)} />
      </div>
    </div>
  );
}

function noneRead(name: string): string {
  if (name === "ingestion") return "Ticks of the broker, or of the demo's market";
  if (name === "storage") return "What the other layers give it to keep";
  if (name === "ai") return "Candles that analysis asks about";
  return "What the gateway tells by socket";
}

function noneGiven(name: string): string {
  if (name === "storage") return "What is kept, to whoever asks";
  if (name === "ai") return "Predictions, to analysis";
  return "Pages, to a browser";
}

type Edge = System["edges"][number];

function Way(props: {
  title: string;
  edges: readonly Edge[];
  otherOf: (edge: Edge) => string;
  none: string;
}) {
  const byTopic = new Map<string, Edge[]>();
  for (const edge of props.edges) byTopic.set(edge.topic, [...(byTopic.get(edge.topic) ?? []), edge]);
  return (
    <div>
      <h4>{props.title}</h4>
      {byTopic.size === 0 && <p className="dim">{props.none}</p>}
      <ul>
        {[...byTopic].map(([topic, edges]) => (
          <li key={topic}>
            <code>{topic}</code> <span className="num">{rateText(edges[0]?.rate)}</span>{" "}
            <span className="dim">{edges.map(props.otherOf).join(", ")}</span>
          </li>
        ))}
      </ul>
    </div>
  );
}
