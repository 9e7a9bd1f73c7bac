/** Lines under the header for what nobody may overlook: the line is down, trading is stopped. */

import { Button } from "@mantine/core";

import { clockTime } from "../format";
import { hasten, useAccount, useClock, useConnection, useTicking } from "../live";
import classes from "./Shell.module.css";

export function Banners() {
  const { phase } = useConnection();
  const kill = useAccount()?.portfolio.kill_switch;
  return (
    <>
      {phase === "waiting" && <LineDown />}
      {kill?.is_on === true && (
        <div className={classes.banner} data-tone="bad" role="alert">
          Trading is stopped by the kill switch{kill.reason === "" ? "." : `: ${kill.reason}.`}
          {kill.is_closing && ` ${kill.exits_due} positions are being closed.`}
        </div>
      )}
    </>
  );
}

function LineDown() {
  const { retryAt, reason } = useConnection();
  const clock = useClock()?.clock;
  const now = useTicking(500);
  const wait = retryAt === null ? 0 : Math.ceil((retryAt - now) / 1000);
  return (
    <div className={classes.banner} role="alert">
      <span>
        The connection to the server is lost{reason === "" ? "" : ` (${reason.replace(/\.$/, "")})`}. What you
        see is as of {clockTime(clock?.time)}.
      </span>
      <span aria-hidden="true">{wait > 0 ? `Trying again in ${wait} s` : "Trying again…"}</span>
      <Button variant="default" size="compact-xs" onClick={hasten}>
        Try now
      </Button>
    </div>
  );
}
