/** How fast a demo's market plays, and whether it stands still. */

import { ActionIcon, Group, Select, Tooltip } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";

import { api } from "../api";
import { PauseIcon, PlayIcon, tellFailed } from "../components";
import { useClock } from "../live";

const SPEEDS = [1, 2, 5, 10, 30, 60, 100];

export function SpeedControl() {
  const clock = useClock()?.clock;
  const change = useMutation({
    mutationFn: api.changeDemo,
    onError: (error) => tellFailed("The speed was not changed", error),
  });
  if (clock === undefined) return null;
  const speeds = [...new Set([...SPEEDS, clock.speed])].sort((one, other) => one - other);
  const label = clock.is_paused ? "Go on" : "Pause the market";
  return (
    <Group gap={2} wrap="nowrap" role="group" aria-label="Demo speed">
      <Tooltip label={label}>
        <ActionIcon
          aria-label={label}
          color="gray"
          size="md"
          onClick={() => change.mutate({ is_paused: !clock.is_paused })}
        >
          {clock.is_paused ? <PlayIcon size={16} /> : <PauseIcon size={16} />}
        </ActionIcon>
      </Tooltip>
      <Select
        aria-label="Speed of the demo's market"
        w={72}
        data={speeds.map((speed) => ({ value: String(speed), label: `${speed}×` }))}
        value={String(clock.speed)}
        onChange={(speed) => change.mutate({ speed: Number(speed) })}
        allowDeselect={false}
        withCheckIcon={false}
        comboboxProps={{ width: 96 }}
      />
    </Group>
  );
}
