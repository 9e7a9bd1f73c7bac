/** Why an order was placed, as a chain to be read from the ticks down to the fills. */

import { useQuery } from "@tanstack/react-query";

import { queries } from "../../api";
import { Empty, Failed, Loading, Moment } from "../../components";
import { checkName, checkValue } from "./states";
import { type Explanation, type Step, stepsOf } from "./why";
import classes from "./Why.module.css";

export function WhyChain({ id, onOpen }: { id: string; onOpen: (id: string) => void }) {
  const why = useQuery({ ...queries.why(id), staleTime: 60_000 });
  if (why.data === undefined)
    return why.error === null ? (
      <Loading what="Walking back to the ticks" />
    ) : (
      <Failed error={why.error} onRetry={() => void why.refetch()} />
    );
  const steps = stepsOf(why.data as unknown as Explanation);
  if (steps.length === 0) return <Empty>Nothing is known of where this order came from.</Empty>;
  return (
    <ol className={classes.chain} aria-label="From the ticks to the fills">
      {steps.map((step) => (
        <StepItem key={step.key} step={step} onOpen={onOpen} />
      ))}
    </ol>
  );
}

function StepItem({ step, onOpen }: { step: Step; onOpen: (id: string) => void }) {
  const { order } = step;
  return (
    <li className={classes.step} data-kind={step.kind} data-tone={step.tone}>
      <div className={classes.head}>
        <h4>{step.title}</h4>
        {step.at !== null && (
          <span className="dim">
            <Moment value={step.at} />
          </span>
        )}
      </div>
      <p>{step.summary}</p>
      {(step.prices?.length ?? 0) > 1 && <Trades prices={step.prices ?? []} />}
      {step.facts.length > 0 && (
        <dl className={classes.facts}>
          {step.facts.map(([name, value]) => (
            <div key={name}>
              <dt>{name}</dt>
              <dd className="num">{value}</dd>
            </div>
          ))}
        </dl>
      )}
      {step.checks?.map(({ name, value, limit }) => (
        <p key={name} className="down">
          ✕ {checkName(name)}: {checkValue(value)}, limit {checkValue(limit)}
        </p>
      ))}
      {step.notes.map((note) => (
        <p key={note} className={classes.note}>
          {note}
        </p>
      ))}
      {order !== undefined && (
        <button type="button" className={classes.jump} onClick={() => onOpen(order)}>
          Open this order
        </button>
      )}
    </li>
  );
}

const [WIDTH, HEIGHT] = [240, 36];

/** The trades of the minute as one line; what it says stands in the text beside it. */
function Trades({ prices }: { prices: readonly number[] }) {
  const [low, high] = [Math.min(...prices), Math.max(...prices)];
  const points = prices.map((price, at) => {
    const x = (at / (prices.length - 1)) * WIDTH;
    const y = high === low ? HEIGHT / 2 : HEIGHT - ((price - low) / (high - low)) * HEIGHT;
    return `${x.toFixed(1)},${y.toFixed(1)}`;
  });
  return (
    <svg
      className={classes.trades}
      viewBox={`-2 -2 ${WIDTH + 4} ${HEIGHT + 4}`}
      aria-hidden="true"
      preserveAspectRatio="none"
    >
      <polyline points={points.join(" ")} />
    </svg>
  );
}
