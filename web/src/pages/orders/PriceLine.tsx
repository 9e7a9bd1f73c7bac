/** The live price of the ticket's instrument. */

import { Change, PriceText } from "../../components";
import { price } from "../../format";
import { usePrice } from "../../live";
import classes from "./Orders.module.css";

export function PriceLine({ symbol }: { symbol: string }) {
  const live = usePrice(symbol);
  return (
    <div className={classes.priceLine}>
      <strong>
        <PriceText value={live?.ltp} />
      </strong>
      <Change value={live?.change_percent} />
      <span className="dim num">
        bid {price(live?.bid)} · ask {price(live?.ask)}
      </span>
    </div>
  );
}
