/** The frame around every page: header, navigation, and the session that opens and closes the live lines. */

import { useQuery } from "@tanstack/react-query";
import { Link, Navigate, Outlet, useRouterState } from "@tanstack/react-router";
import { Suspense, useEffect } from "react";

import { ApiError, queries } from "../api";
import {
  ChartIcon,
  Failed,
  Loading,
  MarketIcon,
  OrdersIcon,
  PositionsIcon,
  SignalIcon,
  StrategiesIcon,
  SystemIcon,
} from "../components";
import { startFeed } from "../live";
import { Banners } from "./Banners";
import { Header } from "./Header";
import classes from "./Shell.module.css";

const PAGES = [
  { to: "/", label: "Market", Icon: MarketIcon },
  { to: "/chart", label: "Chart", Icon: ChartIcon },
  { to: "/signals", label: "Signals", Icon: SignalIcon },
  { to: "/orders", label: "Orders", Icon: OrdersIcon },
  { to: "/positions", label: "Positions", Icon: PositionsIcon },
  { to: "/strategies", label: "Strategies", Icon: StrategiesIcon },
  { to: "/system", label: "System", Icon: SystemIcon },
] as const;

export function Shell() {
  const session = useQuery(queries.session());
  const here = useRouterState({ select: (state) => state.location.href });
  const account = session.data?.account;
  useEffect(() => (account === undefined ? undefined : startFeed(account)), [account]);

  const error = session.error;
  // While the login page loads this frame is still there: asking again would never end.
  if (error instanceof ApiError && error.isUnauthorised && here.startsWith("/login"))
    return <Loading what="Opening" />;
  if (error instanceof ApiError && error.isUnauthorised)
    return <Navigate to="/login" search={here === "/" ? {} : { next: here }} replace />;
  if (session.data === undefined)
    return (
      <div className={classes.starting}>
        {error === null ? (
          <Loading what={session.failureReason === null ? "Opening" : "Waiting for the server"} />
        ) : (
          <Failed error={error} onRetry={() => void session.refetch()} />
        )}
      </div>
    );
  return (
    <div className={classes.shell}>
      <a className={classes.skip} href="#main">
        Skip to the page
      </a>
      <header className={classes.head}>
        <Header session={session.data} />
        <Banners />
      </header>
      <nav className={classes.rail} aria-label="Pages">
        {PAGES.map(({ to, label, Icon }) => (
          <Link key={to} to={to} className={classes.link} activeOptions={{ exact: to === "/" }}>
            <Icon />
            {label}
          </Link>
        ))}
      </nav>
      <main id="main" className={classes.main} tabIndex={-1}>
        <Suspense fallback={<Loading />}>
          <Outlet />
        </Suspense>
      </main>
    </div>
  );
}
