/** Stops all trading after one question, and lets it go on after another. */

import { Button, Checkbox, Group, Modal, Stack, Text, TextInput } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";

import { api } from "../api";
import { PowerIcon, tellDone, tellFailed } from "../components";
import { useAccount } from "../live";

export function KillSwitchButton({ mayTrade }: { mayTrade: boolean }) {
  const [isAsked, { open, close }] = useDisclosure();
  const kill = useAccount()?.portfolio.kill_switch;
  const isOn = kill?.is_on === true;
  return (
    <>
      <Button
        color="red"
        variant={isOn ? "filled" : "light"}
        {...(isOn ? {} : { c: "var(--nf-down)" })}
        leftSection={<PowerIcon size={16} />}
        onClick={open}
        disabled={!mayTrade}
        aria-haspopup="dialog"
      >
        {isOn ? "Trading stopped" : "Kill switch"}
      </Button>
      <Modal opened={isAsked} onClose={close} title={isOn ? "Let trading go on?" : "Stop all trading?"}>
        <Question isOn={isOn} onEnd={close} />
      </Modal>
    </>
  );
}

function Question({ isOn, onEnd }: { isOn: boolean; onEnd: () => void }) {
  const client = useQueryClient();
  const [reason, setReason] = useState("");
  const [squareOff, setSquareOff] = useState(false);
  const change = useMutation({
    mutationFn: () =>
      api.setKillSwitch({
        is_on: !isOn,
        reason: reason.trim() === "" ? "by hand, from the dashboard" : reason.trim(),
        square_off: !isOn && squareOff,
      }),
    onSuccess: () => {
      tellDone(
        isOn ? "The kill switch is off: orders may leave again." : "The kill switch is on: no order leaves.",
      );
      onEnd();
      return client.invalidateQueries({ queryKey: ["kill-switch"] });
    },
    onError: (error) => tellFailed("The kill switch was not changed", error),
  });
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        change.mutate();
      }}
    >
      <Stack gap="sm">
        <Text size="sm">
          {isOn
            ? "Strategies may place orders again from their next decision on."
            : "Every working order is cancelled and no new one leaves, until you let trading go on."}
        </Text>
        <TextInput
          label="Reason"
          placeholder="Kept in the record"
          value={reason}
          maxLength={200}
          onChange={(event) => setReason(event.currentTarget.value)}
          data-autofocus
        />
        {!isOn && (
          <Checkbox
            label="Also close every open position at the market"
            checked={squareOff}
            onChange={(event) => setSquareOff(event.currentTarget.checked)}
          />
        )}
        <Group justify="flex-end" gap="xs">
          <Button variant="default" onClick={onEnd}>
            Leave as it is
          </Button>
          <Button type="submit" color={isOn ? "tide" : "red"} loading={change.isPending}>
            {isOn ? "Let trading go on" : "Stop all trading"}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
