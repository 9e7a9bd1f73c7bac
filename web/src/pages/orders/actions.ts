/** What can be done with an order, as mutations that tell how they went. */

import { useMutation, useQueryClient } from "@tanstack/react-query";

import { api, type CommandAnswer, type Order, type OrderChange } from "../../api";
import { tellDone, tellFailed } from "../../components";
import { quantity, shortSymbol } from "../../format";

export const named = (order: Pick<Order, "side" | "quantity" | "symbol">): string =>
  `${order.side === "BUY" ? "Buy" : "Sell"} ${quantity(order.quantity)} ${shortSymbol(order.symbol)}`;

/** Say what became of a command; one that nobody has answered yet is no success. */
export function tellAnswer(answer: { command: CommandAnswer }, done: string): void {
  tellDone(
    answer.command.is_done === null ? "Given. Trading has not answered yet; the list will show it." : done,
  );
}

export function useRefresh(): () => Promise<unknown> {
  const client = useQueryClient();
  return () =>
    Promise.all([
      client.invalidateQueries({ queryKey: ["orders"] }),
      client.invalidateQueries({ queryKey: ["order"] }),
    ]);
}

export function useCancel(order: Order) {
  const refresh = useRefresh();
  return useMutation({
    mutationFn: () => api.cancelOrder(order.client_order_id),
    onSuccess: (answer) => {
      tellAnswer(answer, `Cancel asked for: ${named(order)}`);
      return refresh();
    },
    onError: (error) => tellFailed("The order was not cancelled", error),
  });
}

export function useChange(order: Order, onDone: () => void) {
  const refresh = useRefresh();
  return useMutation({
    mutationFn: (change: OrderChange) => api.changeOrder(order.client_order_id, change),
    onSuccess: (answer) => {
      tellAnswer(answer, `Changed: the order in ${shortSymbol(order.symbol)}`);
      onDone();
      return refresh();
    },
  });
}
