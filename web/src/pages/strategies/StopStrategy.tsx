/** Asks before a strategy is stopped, and what becomes of its positions. */

import { Button, Group, Modal, Radio, Stack, Text } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";

import { api, queries, type Strategy } from "../../api";
import { tellDone, tellFailed } from "../../components";
import { quantity } from "../../format";

export function StopStrategy({ strategy, onClose }: { strategy: Strategy | null; onClose: () => void }) {
  return (
    <Modal opened={strategy !== null} onClose={onClose} title={`Stop ${strategy?.name ?? ""}?`}>
      {strategy !== null && <Question strategy={strategy} onClose={onClose} />}
    </Modal>
  );
}

function Question({ strategy, onClose }: { strategy: Strategy; onClose: () => void }) {
  const client = useQueryClient();
  const [squareOff, setSquareOff] = useState(false);
  const held = strategy.open_positions;
  const stop = useMutation({
    mutationFn: () => api.stopStrategy(strategy.name, squareOff),
    onSuccess: ({ command }) => {
      tellDone(
        command.is_done === null ? "Given. Trading has not answered yet." : `${strategy.name} is stopped.`,
      );
      onClose();
      return client.invalidateQueries({ queryKey: queries.strategies().queryKey });
    },
    onError: (error) => tellFailed("The strategy was not stopped", error),
  });
  return (
    <Stack gap="md">
      <Text size="sm">
        It decides nothing any more until it is started again.{" "}
        {held === 0
          ? "It holds no position."
          : `It holds ${quantity(held)} open ${held === 1 ? "position" : "positions"}.`}
      </Text>
      {held > 0 && (
        <Radio.Group
          label="Its positions"
          value={squareOff ? "close" : "keep"}
          onChange={(wish) => setSquareOff(wish === "close")}
        >
          <Stack gap="xs" mt="xs">
            <Radio value="keep" label="Keep them open, each with the stop that protects it" />
            <Radio value="close" label="Close them at the market" />
          </Stack>
        </Radio.Group>
      )}
      <Group justify="flex-end" gap="xs">
        <Button variant="default" onClick={onClose}>
          Let it run
        </Button>
        <Button color="red" loading={stop.isPending} onClick={() => stop.mutate()}>
          {squareOff ? "Stop and close positions" : "Stop strategy"}
        </Button>
      </Group>
    </Stack>
  );
}
