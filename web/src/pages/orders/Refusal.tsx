/** Why something was refused: the server's sentence, and the risk checks that failed. */

import { messageOf } from "../../api/errors";
import { WarningIcon } from "../../components";
import { checkName, checkValue, failedChecks } from "./states";
import classes from "./Orders.module.css";

export function Refusal({ what, error }: { what: string; error: unknown }) {
  const checks = failedChecks(error);
  return (
    <div className={classes.refusal} role="alert">
      <WarningIcon size={16} />
      <div>
        <strong>{what}</strong>
        {checks.length === 0 ? (
          <p>{messageOf(error)}</p>
        ) : (
          <ul>
            {checks.map(({ name, value, limit }) => (
              <li key={name}>
                {checkName(name)}: {checkValue(value)}, limit {checkValue(limit)}
              </li>
            ))}
          </ul>
        )}
      </div>
    </div>
  );
}
