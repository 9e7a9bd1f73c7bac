/** The strategies of the account: how each stands, what it was told, and what it has earned. */

import { Button } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";

import { queries, type Strategy } from "../../api";
import { Empty, Failed, Loading, Page, Panel, PlusIcon } from "../../components";
import { type Begin, StartStrategy } from "./StartStrategy";
import { StopStrategy } from "./StopStrategy";
import classes from "./Strategies.module.css";
import { StrategyCard } from "./StrategyCard";

const RANK: Readonly<Record<Strategy["status"], number>> = { failed: 0, running: 1, stopped: 2 };

export function StrategiesPage() {
  const strategies = useQuery(queries.strategies());
  const mayTrade = useQuery(queries.session()).data?.scopes.includes("trade") ?? false;
  const [begin, setBegin] = useState<Begin>(null);
  const [stopping, setStopping] = useState<Strategy | null>(null);
  const found = strategies.data;
  const running = found?.filter(({ status }) => status === "running").length;
  const start = (
    <Button leftSection={<PlusIcon size={16} />} onClick={() => setBegin("new")} disabled={!mayTrade}>
      Start a strategy
    </Button>
  );
  return (
    <Page title="Strategies" note={running === undefined ? undefined : `${running} running`} tools={start}>
      {found === undefined && (
        <Panel>
          {strategies.error === null ? (
            <Loading />
          ) : (
            <Failed error={strategies.error} onRetry={() => void strategies.refetch()} />
          )}
        </Panel>
      )}
      {found?.length === 0 && (
        <Panel>
          <Empty>No strategy yet. One that is started trades the paper account by its own rule.</Empty>
        </Panel>
      )}
      <div className={classes.cards}>
        {[...(found ?? [])]
          .sort((one, other) => RANK[one.status] - RANK[other.status] || one.name.localeCompare(other.name))
          .map((strategy) => (
            <StrategyCard
              key={strategy.name}
              strategy={strategy}
              mayTrade={mayTrade}
              onStop={() => setStopping(strategy)}
              onStart={() => setBegin(strategy)}
            />
          ))}
      </div>
      <StartStrategy
        begin={begin}
        taken={(found ?? []).map(({ name }) => name)}
        onClose={() => setBegin(null)}
      />
      <StopStrategy strategy={stopping} onClose={() => setStopping(null)} />
    </Page>
  );
}
