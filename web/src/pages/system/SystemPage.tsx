/** The nine layers and what flows between them, as it is now: for whoever wants to see that the machine runs. */

import { useElementSize } from "@mantine/hooks";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";

import { queries, type System } from "../../api";
import { Failed, Loading, Moment, Page, Panel, StateBadge } from "../../components";
import { duration, megabytes, words } from "../../format";
import { useConnection, useSystem } from "../../live";
import { LayerDetail } from "./LayerDetail";
import { LayerList } from "./LayerList";
import { NARROWEST } from "./layout";
import { SystemPicture } from "./SystemPicture";
import classes from "./System.module.css";
import { StoresTable, TopicsTable } from "./Tables";
import { rateText } from "./rates";
import { troubled, verdictOf } from "./verdict";

export function SystemPage() {
  const live = useSystem();
  const { phase } = useConnection();
  const asked = useQuery({ ...queries.system(), enabled: live === null });
  const system = live ?? asked.data;
  if (system === undefined)
    return (
      <Page title="System">
        <Panel>
          {asked.error === null ? (
            <Loading what="Looking at the layers" />
          ) : (
            <Failed error={asked.error} onRetry={() => void asked.refetch()} />
          )}
        </Panel>
      </Page>
    );
  return <Whole system={system} isStale={phase !== "live"} />;
}

function Whole({ system, isStale }: { system: System; isStale: boolean }) {
  const { ref, width } = useElementSize();
  const [chosen, setChosen] = useState<string | null>(null);
  const toggle = (name: string): void => setChosen(chosen === name ? null : name);
  const layer = system.layers.find(({ name }) => name === chosen) ?? null;
  return (
    <Page title="System" note="From a tick to an order, live">
      <Summary system={system} isStale={isStale} />
      <Panel className={classes.panel}>
        <div ref={ref} className={classes.stage}>
          {width >= NARROWEST && (
            <SystemPicture system={system} width={width} isStill={isStale} chosen={chosen} onChoose={toggle}>
              <LayerDetail system={system} layer={layer} />
            </SystemPicture>
          )}
          {width > 0 && width < NARROWEST && <LayerList system={system} isStill={isStale} />}
        </div>
      </Panel>
      <div className={classes.tables}>
        <Panel title="Topics" isFlush>
          <TopicsTable system={system} />
        </Panel>
        <Panel title="Stores" isFlush>
          <StoresTable system={system} />
        </Panel>
      </div>
    </Page>
  );
}

function Summary({ system, isStale }: { system: System; isStale: boolean }) {
  const { mood, text } = verdictOf(system);
  const ill = troubled(system.layers).filter(({ reason }) => reason !== "");
  const taken = system.layers[0]?.rates.in;
  const dead = system.topics.reduce((sum, topic) => sum + topic.dead_letters, 0);
  return (
    <Panel>
      <div className={classes.summary}>
        <div className={classes.verdict} data-mood={isStale ? "warn" : mood} role="status">
          <span className={classes.lamp} aria-hidden="true" />
          <div>
            <strong>{isStale ? `Not connected. When last seen: ${text.toLowerCase()}` : text}</strong>
            {ill.map(({ name, state, reason }) => (
              <p key={name}>
                <StateBadge state={state} /> {words(name)}: {reason}
              </p>
            ))}
          </div>
        </div>
        <dl className={classes.facts}>
          <Fact name="Taken in" value={rateText(taken)} />
          <Fact name="Dead letters" value={String(dead)} />
          <Fact name="Memory" value={megabytes(system.memory_bytes)} />
          <Fact name="Up for" value={duration(system.uptime_seconds)} />
          <div>
            <dt>As of, IST</dt>
            <dd>
              <Moment value={system.time} />
            </dd>
          </div>
        </dl>
      </div>
    </Panel>
  );
}

function Fact({ name, value }: { name: string; value: string }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd className="num">{value}</dd>
    </div>
  );
}
