/** The layers one below the other, joined by lines on which dots run: the picture for narrow screens. */

import type { Layer, System } from "../../api";
import { LayerCard, layerName } from "./LayerCard";
import { level, ordered } from "./layout";
import { rateText } from "./rates";
import classes from "./System.module.css";

const CALLS: Readonly<Record<string, string>> = { storage: "given to keep", presentation: "told by socket" };

export function LayerList({ system, isStill }: { system: System; isStill: boolean }) {
  const layers = ordered(system.layers);
  return (
    <ol className={classes.list} aria-label="Layers">
      {layers.map((layer, at) => (
        <li key={layer.name}>
          {at > 0 && <Joint system={system} layer={layer} isStill={isStill} />}
          <div
            className={classes.card}
            data-state={layer.state}
            data-still={isStill}
            aria-label={`${layerName(layer)}: ${layer.state}`}
            role="group"
          >
            <LayerCard layer={layer} edges={system.edges} />
            {layer.reason !== "" && <span className={classes.reason}>{layer.reason}</span>}
          </div>
        </li>
      ))}
    </ol>
  );
}

/** What comes to a layer, on the line that leads to it. */
function Joint({ system, layer, isStill }: { system: System; layer: Layer; isStill: boolean }) {
  const edges = system.edges.filter(({ to }) => to === layer.name);
  const topics = [...new Map(edges.map(({ topic, rate }) => [topic, rate]))].sort(
    (one, other) => other[1] - one[1],
  );
  const rate = topics.length === 0 ? layer.rates.in : topics.reduce((sum, [, each]) => sum + each, 0);
  const busy = level(rate);
  const shown = topics.slice(0, 2).map(([topic, each]) => `${topic} ${rateText(each)}`);
  const more = topics.length > 2 ? `, ${topics.length - 2} more` : "";
  return (
    <div className={classes.joint}>
      <svg width="16" height="34" aria-hidden="true">
        <g className={classes.flow} data-call={topics.length === 0}>
          <path className={classes.wire} d="M8 0 V34" />
          {busy > 0 && <path className={classes.dots} d="M8 0 V34" data-level={busy} data-still={isStill} />}
        </g>
      </svg>
      <span className="num">
        {topics.length === 0 ? (CALLS[layer.name] ?? "asked") : `${shown.join(", ")}${more}`}
      </span>
    </div>
  );
}
