/** The account in numbers. */

import type { ReactNode } from "react";

import type { Portfolio } from "../../api";
import { Failed, Money, Panel } from "../../components";
import { numberOf, percent, quantity, UNKNOWN } from "../../format";
import classes from "./Positions.module.css";

function share(part: string | null, whole: string): string {
  const [some, all] = [numberOf(part), numberOf(whole)];
  return some === null || all === null || all === 0
    ? UNKNOWN
    : percent((some / all) * 100, { isSigned: false, decimals: 1 });
}

export function PortfolioCards({ portfolio, error }: { portfolio: Portfolio | undefined; error: unknown }) {
  if (portfolio === undefined && error !== null) return <Failed error={error} />;
  return (
    <div className={classes.cards}>
      <Card name="Profit today" isMain>
        <Money value={portfolio?.profit_today} isSigned />
      </Card>
      <Card name="Unrealised">
        <Money value={portfolio?.unrealised} isSigned />
      </Card>
      <Card name="Realised">
        <Money value={portfolio?.realised} isSigned />
      </Card>
      <Card name="Charges">
        <Money value={portfolio?.charges} />
      </Card>
      <Card
        name="Exposure"
        note={portfolio && `${share(portfolio.gross_exposure, portfolio.capital)} of capital`}
      >
        <Money value={portfolio?.gross_exposure} decimals={0} />
      </Card>
      <Card name="Capital" note={portfolio && `account ${portfolio.account}`}>
        <Money value={portfolio?.capital} decimals={0} />
      </Card>
      <Card name="Orders today" note={portfolio && `${quantity(portfolio.working_orders)} working`}>
        <span className="num">{quantity(portfolio?.orders_today)}</span>
      </Card>
    </div>
  );
}

interface CardProps {
  name: string;
  note?: string | undefined;
  isMain?: boolean;
  children: ReactNode;
}

function Card({ name, note, isMain = false, children }: CardProps) {
  return (
    <Panel>
      <div className={classes.card} data-main={isMain}>
        <span>{name}</span>
        <strong>{children}</strong>
        <span>{note}</span>
      </div>
    </Panel>
  );
}
