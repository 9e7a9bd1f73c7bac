/** Asks before positions are closed at the market, and closes them. */

import { Button, Group, Modal, Stack, Text } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";

import { api, type Position } from "../../api";
import { Money, tellDone, tellFailed } from "../../components";
import { quantity, shortSymbol } from "../../format";
import { totalsOf } from "./totals";

export interface Target {
  positions: readonly Position[];
  /** Only this one; without it every open position. */
  one?: Position;
}

export function SquareOff({ target, onClose }: { target: Target | null; onClose: () => void }) {
  return (
    <Modal
      opened={target !== null}
      onClose={onClose}
      title={target?.one === undefined ? "Square off every position?" : "Square off this position?"}
    >
      {target !== null && <Question target={target} onClose={onClose} />}
    </Modal>
  );
}

function Question({ target, onClose }: { target: Target; onClose: () => void }) {
  const { one, positions } = target;
  const close = useMutation({
    mutationFn: () => api.squareOff(one === undefined ? {} : { symbol: one.symbol, strategy: one.strategy }),
    onSuccess: ({ command }) => {
      tellDone(
        command.is_done === null
          ? "Given. Trading has not answered yet; the list of orders will show it."
          : "Orders that close the positions were placed at the market.",
      );
      onClose();
    },
    onError: (error) => tellFailed("Nothing was squared off", error),
  });
  const totals = totalsOf(positions);
  return (
    <Stack gap="md">
      <Text size="sm">
        {one === undefined ? (
          <>
            {quantity(positions.length)} positions worth <Money value={totals.exposure} decimals={0} /> are
            closed at the market. Unrealised profit now: <Money value={totals.unrealised} isSigned />.
            Strategies go on, and may open new ones.
          </>
        ) : (
          <>
            {one.net_quantity > 0 ? "Sells" : "Buys"} {quantity(Math.abs(one.net_quantity))}{" "}
            {shortSymbol(one.symbol)} at the market. Unrealised profit now:{" "}
            <Money value={one.unrealised} isSigned />.
          </>
        )}
      </Text>
      <Group justify="flex-end" gap="xs">
        <Button variant="default" onClick={onClose}>
          Keep
        </Button>
        <Button color="red" loading={close.isPending} onClick={() => close.mutate()} data-autofocus>
          {one === undefined
            ? `Square off ${quantity(positions.length)}`
            : `Square off ${shortSymbol(one.symbol)}`}
        </Button>
      </Group>
    </Stack>
  );
}
