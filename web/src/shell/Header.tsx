/** What is always visible: the data's clock and phase, how old the data is, the line, today's profit, and the brakes. */

import { ActionIcon, Menu, Tooltip, useComputedColorScheme, useMantineColorScheme } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Link, useNavigate } from "@tanstack/react-router";

import { api, queries, type Session } from "../api";
import { Age, LeaveIcon, Money, MoonIcon, MoreIcon, StateBadge, SunIcon, tellFailed } from "../components";
import { clockTime, shortDay, UNKNOWN } from "../format";
import { useAccount, useClock, useConnection, useTicking } from "../live";
import { KillSwitchButton } from "./KillSwitchButton";
import { Logo } from "./Logo";
import classes from "./Shell.module.css";
import { SpeedControl } from "./SpeedControl";

const STALE_SECONDS = 5;
const LINES = {
  connecting: "Connecting",
  live: "Live",
  waiting: "Reconnecting",
  stopped: "Stopped",
} as const;

export function Header({ session }: { session: Session }) {
  return (
    <div className={classes.bar}>
      <Link to="/" className={classes.home} aria-label="niftyflow, to the market">
        <Logo />
      </Link>
      <dl className={classes.facts}>
        <DataClock />
        <DataAge />
        <Line />
        <ProfitToday />
      </dl>
      <div className={classes.actions}>
        {session.is_demo && <SpeedControl />}
        <KillSwitchButton mayTrade={session.scopes.includes("trade")} />
        <ThemeToggle />
        <Account session={session} />
      </div>
    </div>
  );
}

function DataClock() {
  const heard = useClock();
  const clock = heard?.clock;
  return (
    <div className={classes.fact}>
      <dt>
        <span className={classes.day}>Data time, </span>IST
      </dt>
      <dd className={classes.clock}>
        <time className="num">{clockTime(clock?.time)}</time>
        <span className={`${classes.day ?? ""} dim`}>{clock === undefined ? "" : shortDay(clock.time)}</span>
        {clock !== undefined && <PhaseBadge phase={clock.phase} isOpen={clock.is_open} />}
      </dd>
    </div>
  );
}

function PhaseBadge({ phase, isOpen }: { phase: string | null; isOpen: boolean }) {
  if (phase === "continuous" || (phase === null && isOpen)) return <StateBadge state="open" tone="good" />;
  return <StateBadge state={phase ?? "closed"} />;
}

/** The age the server told, and in the data's own time what has passed here since. */
function DataAge() {
  const heard = useClock();
  const now = useTicking(1000);
  const told = heard?.clock.data_age_seconds ?? null;
  let age = told;
  if (heard !== null && told !== null) {
    const since = Math.max(0, (now - heard.heardAt) / 1000 - 1.5);
    age = told + (heard.clock.is_paused ? 0 : since * heard.clock.speed);
  }
  const isClosed = heard?.clock.is_open === false;
  const staleAfter = isClosed ? Infinity : STALE_SECONDS * Math.max(1, heard?.clock.speed ?? 1);
  return (
    <div className={classes.fact}>
      <dt>Data age</dt>
      <dd>{age === null ? UNKNOWN : <Age seconds={age} staleAfter={staleAfter} />}</dd>
    </div>
  );
}

function Line() {
  const { phase } = useConnection();
  return (
    <div className={classes.fact}>
      <dt>Connection</dt>
      <dd>
        <span className={classes.dot} data-phase={phase} aria-hidden="true" />
        <span role="status">{LINES[phase]}</span>
      </dd>
    </div>
  );
}

function ProfitToday() {
  const portfolio = useAccount()?.portfolio;
  return (
    <div className={classes.fact}>
      <dt>P&amp;L today</dt>
      <dd>
        <Money value={portfolio?.profit_today} isSigned />
      </dd>
    </div>
  );
}

function ThemeToggle() {
  const { setColorScheme } = useMantineColorScheme();
  const isDark = useComputedColorScheme("light", { getInitialValueInEffect: false }) === "dark";
  const label = isDark ? "Light colours" : "Dark colours";
  return (
    <Tooltip label={label}>
      <ActionIcon aria-label={label} color="gray" onClick={() => setColorScheme(isDark ? "light" : "dark")}>
        {isDark ? <SunIcon /> : <MoonIcon />}
      </ActionIcon>
    </Tooltip>
  );
}

function Account({ session }: { session: Session }) {
  const client = useQueryClient();
  const navigate = useNavigate();
  const phase = useQuery(queries.session()).fetchStatus;
  const leave = useMutation({
    mutationFn: api.closeSession,
    onSuccess: async () => {
      await navigate({ to: "/login" });
      client.clear();
    },
    onError: (error) => tellFailed("Not logged out", error),
  });
  return (
    <Menu position="bottom-end" shadow="md">
      <Menu.Target>
        <ActionIcon aria-label="Account" color="gray" loading={phase === "fetching" && leave.isPending}>
          <MoreIcon />
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Label>
          {session.name} · {session.account}
        </Menu.Label>
        <Menu.Item component="a" href="/docs" target="_blank" rel="noreferrer">
          API reference
        </Menu.Item>
        <Menu.Item leftSection={<LeaveIcon size={16} />} onClick={() => leave.mutate()}>
          Log out
        </Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}
