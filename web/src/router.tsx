/** The pages and their addresses. Each page is a file of its own that is loaded when it is first opened. */

import {
  createRootRoute,
  createRoute,
  createRouter,
  lazyRouteComponent,
  Link,
  Outlet,
} from "@tanstack/react-router";

import { Empty, Failed, Loading } from "./components";
import { Shell } from "./shell/Shell";

const text = (value: unknown): string | undefined =>
  typeof value === "string" && value !== "" ? value : undefined;

const root = createRootRoute({
  component: Outlet,
  notFoundComponent: () => <Empty action={<Link to="/">To the market</Link>}>There is no such page.</Empty>,
});

const login = createRoute({
  getParentRoute: () => root,
  path: "/login",
  component: lazyRouteComponent(() => import("./pages/login/LoginPage"), "LoginPage"),
  validateSearch: (search: Record<string, unknown>): { next?: string } => {
    const next = text(search.next);
    return next?.startsWith("/") === true && !next.startsWith("//") ? { next } : {};
  },
});

const desk = createRoute({ getParentRoute: () => root, id: "desk", component: Shell });

const market = createRoute({
  getParentRoute: () => desk,
  path: "/",
  component: lazyRouteComponent(() => import("./pages/market/MarketPage"), "MarketPage"),
});

const anyChart = createRoute({
  getParentRoute: () => desk,
  path: "/chart",
  component: lazyRouteComponent(() => import("./pages/chart/ChartPage"), "AnyChartPage"),
});

const chart = createRoute({
  getParentRoute: () => desk,
  path: "/chart/$symbol",
  component: lazyRouteComponent(() => import("./pages/chart/ChartPage"), "ChartPage"),
});

const signals = createRoute({
  getParentRoute: () => desk,
  path: "/signals",
  component: lazyRouteComponent(() => import("./pages/signals/SignalsPage"), "SignalsPage"),
});

const orders = createRoute({
  getParentRoute: () => desk,
  path: "/orders",
  component: lazyRouteComponent(() => import("./pages/orders/OrdersPage"), "OrdersPage"),
  // `order` opens the drawer of an order; the rest fills the ticket.
  validateSearch: (
    search: Record<string, unknown>,
  ): { order?: string; symbol?: string; side?: "BUY" | "SELL" } => {
    const [order, symbol, side] = [text(search.order), text(search.symbol), search.side];
    return {
      ...(order === undefined ? {} : { order }),
      ...(symbol === undefined ? {} : { symbol }),
      ...(side === "BUY" || side === "SELL" ? { side } : {}),
    };
  },
});

const positions = createRoute({
  getParentRoute: () => desk,
  path: "/positions",
  component: lazyRouteComponent(() => import("./pages/positions/PositionsPage"), "PositionsPage"),
});

const strategies = createRoute({
  getParentRoute: () => desk,
  path: "/strategies",
  component: lazyRouteComponent(() => import("./pages/strategies/StrategiesPage"), "StrategiesPage"),
});

const system = createRoute({
  getParentRoute: () => desk,
  path: "/system",
  component: lazyRouteComponent(() => import("./pages/system/SystemPage"), "SystemPage"),
});

const pages = desk.addChildren([market, anyChart, chart, signals, orders, positions, strategies, system]);

export const router = createRouter({
  routeTree: root.addChildren([login, pages]),
  defaultPreload: "intent",
  defaultPendingComponent: Loading,
  defaultErrorComponent: ({ error, reset }) => <Failed error={error} onRetry={reset} />,
});

declare module "@tanstack/react-router" {
  interface Register {
    router: typeof router;
  }
}
