/** Changes a working order: its quantity, price or trigger. */

import { Button, Group, Stack } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { type SyntheticEvent, useState } from "react";

import { type Order, queries } from "../../api";
import { shortSymbol } from "../../format";
import { useChange } from "./actions";
import classes from "./Orders.module.css";
import { Amounts } from "./OrderTicket";
import { Refusal } from "./Refusal";
import { changeOf, type Draft, problemsOf } from "./ticket";

export function ChangeOrder({ order, onEnd }: { order: Order; onEnd: () => void }) {
  const [draft, setDraft] = useState<Draft>({
    symbol: order.symbol,
    side: order.side,
    quantity: order.quantity,
    type: order.order_type,
    product: order.product,
    validity: order.validity,
    price: order.price === null ? "" : Number(order.price),
    trigger: order.trigger === null ? "" : Number(order.trigger),
  });
  const instruments = useQuery(queries.instruments({ query: shortSymbol(order.symbol), limit: 30 }));
  const instrument = instruments.data?.find(({ symbol }) => symbol === order.symbol) ?? null;
  const change = useChange(order, onEnd);
  const wish = changeOf(order, draft);
  const problems = problemsOf(draft, instrument);
  if (Number(draft.quantity) < order.filled) problems.quantity = `${order.filled} have filled already`;
  const isSendable = wish !== null && Object.keys(problems).length === 0;
  const submit = (event: SyntheticEvent): void => {
    event.preventDefault();
    if (isSendable) change.mutate(wish);
  };
  return (
    <form onSubmit={submit} className={classes.change} noValidate>
      <Stack gap="sm">
        <Amounts
          draft={draft}
          instrument={instrument}
          problems={problems}
          onChange={(part) => setDraft({ ...draft, ...part })}
        />
        {change.error !== null && <Refusal what="Not changed" error={change.error} />}
        <Group justify="flex-end" gap="xs">
          <Button variant="default" onClick={onEnd}>
            Leave as it is
          </Button>
          <Button type="submit" loading={change.isPending} disabled={!isSendable}>
            Change order
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
