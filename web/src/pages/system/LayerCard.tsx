/** One layer in numbers: its state, what comes in and goes out, how far behind it is, how long its work takes. */

import type { Layer, System } from "../../api";
import { StateBadge } from "../../components";
import { quantity, UNKNOWN, words } from "../../format";
import { latencyText, rateText } from "./rates";
import classes from "./System.module.css";

const MUCH_LAG = 1000;

export const layerName = ({ name }: Layer): string => (name === "ai" ? "AI" : words(name));

export function LayerCard({ layer, edges }: { layer: Layer; edges: System["edges"] }) {
  const { rates, lag } = layer;
  // A layer that reads no topic cannot be behind, and one that writes none gives nothing that is counted.
  const reads = edges.some(({ to }) => to === layer.name);
  const gives = rates.out > 0 || edges.some(({ from }) => from === layer.name);
  return (
    <>
      <span className={classes.cardHead}>
        <span className={classes.number} aria-hidden={layer.layer === 0}>
          {layer.layer === 0 ? "₹" : layer.layer}
        </span>
        <span className={classes.name}>{layerName(layer)}</span>
      </span>
      <span className={classes.title}>
        {layer.state === "running" ? layer.title : <StateBadge state={layer.state} />}
      </span>
      <span className={classes.figures}>
        <Figure name="In" value={rateText(rates.in)} />
        <Figure name="Out" value={gives ? rateText(rates.out) : UNKNOWN} />
        <Figure name="Lag" value={reads ? quantity(lag) : UNKNOWN} isBad={lag > MUCH_LAG} />
        <Figure name="Takes" value={latencyText(layer.latency_ms)} />
        <Figure name="Restarts" value={quantity(layer.restarts)} isBad={layer.restarts > 0} />
      </span>
    </>
  );
}

function Figure({ name, value, isBad = false }: { name: string; value: string; isBad?: boolean }) {
  return (
    <span className={classes.figure} data-bad={isBad}>
      <span>{name}</span>
      <span className="num">{value}</span>
    </span>
  );
}
