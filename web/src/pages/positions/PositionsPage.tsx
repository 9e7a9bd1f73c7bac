/** What the account holds and what it has earned, live. */

import { Button, Collapse } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { useQuery } from "@tanstack/react-query";
import { useCallback, useMemo, useState } from "react";

import { type Position, queries } from "../../api";
import { Page, Panel } from "../../components";
import { useAccount } from "../../live";
import { PortfolioCards } from "./PortfolioCards";
import classes from "./Positions.module.css";
import { FlatTable, OpenTable } from "./PositionTables";
import { SquareOff, type Target } from "./SquareOff";
import { isOpen } from "./totals";

export function PositionsPage() {
  const live = useAccount();
  const positions = useQuery({ ...queries.positions(), enabled: live === null });
  const portfolio = useQuery({ ...queries.portfolio(), enabled: live === null });
  const mayTrade = useQuery(queries.session()).data?.scopes.includes("trade") ?? false;
  const [target, setTarget] = useState<Target | null>(null);
  const squareOff = useCallback((one: Position) => setTarget({ positions: [one], one }), []);
  const [areFlatShown, flat] = useDisclosure();
  const all: readonly Position[] | undefined = live?.positions ?? positions.data;
  const open = useMemo(() => all?.filter(isOpen), [all]);
  const closed = useMemo(() => all?.filter((position) => !isOpen(position)) ?? [], [all]);
  return (
    <Page
      title="Positions"
      note={open === undefined ? undefined : `${open.length} open`}
      tools={
        mayTrade &&
        (open?.length ?? 0) > 0 && (
          <Button color="red" variant="outline" onClick={() => setTarget({ positions: open ?? [] })}>
            Square off all
          </Button>
        )
      }
    >
      <PortfolioCards portfolio={live?.portfolio ?? portfolio.data} error={portfolio.error} />
      <Panel isFlush className={classes.panel}>
        <OpenTable
          positions={open}
          error={positions.error}
          onRetry={() => void positions.refetch()}
          onSquareOff={mayTrade ? squareOff : null}
        />
      </Panel>
      {closed.length > 0 && (
        <Panel isFlush className={classes.panel}>
          <button
            type="button"
            className={classes.fold}
            onClick={flat.toggle}
            aria-expanded={areFlatShown}
            aria-controls="flat-positions"
          >
            <span aria-hidden="true">{areFlatShown ? "▾" : "▸"}</span> Closed positions
            <span className="dim">{closed.length}</span>
          </button>
          <Collapse in={areFlatShown} id="flat-positions">
            <FlatTable positions={closed} />
          </Collapse>
        </Panel>
      )}
      <SquareOff target={target} onClose={() => setTarget(null)} />
    </Page>
  );
}
