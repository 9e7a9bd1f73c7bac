/** What the risk gate asked of an order, check by check. */

import type { Check } from "../../api";
import { StateBadge } from "../../components";
import { checkName, checkValue } from "./states";
import classes from "./Orders.module.css";

export function Checks({ verdict, checks }: { verdict: string; checks: readonly Check[] }) {
  const passed = checks.filter(({ is_passed }) => is_passed).length;
  return (
    <>
      <p className={classes.verdict}>
        <StateBadge
          state={verdict}
          tone={verdict === "pass" ? "good" : "bad"}
          label={verdict === "pass" ? "Passed" : "Refused"}
        />{" "}
        {passed} of {checks.length} checks passed.
      </p>
      <table className={classes.checks}>
        <caption className="only-read-aloud">Risk checks</caption>
        <thead>
          <tr>
            <th scope="col">Check</th>
            <th scope="col">Found</th>
            <th scope="col">Limit</th>
          </tr>
        </thead>
        <tbody>
          {checks.map(({ name, is_passed, value, limit }) => (
            <tr key={name} data-passed={is_passed}>
              <th scope="row">
                <span className={classes.mark} aria-label={is_passed ? "Passed" : "Failed"}>
                  {is_passed ? "✓" : "✕"}
                </span>
                {checkName(name)}
              </th>
              <td className="num">{checkValue(value)}</td>
              <td className="num dim">{checkValue(limit)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </>
  );
}
