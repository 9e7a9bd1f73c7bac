/** Short messages at the edge of the screen: what was done, what was refused, and why. */

import { notifications } from "@mantine/notifications";

import { ApiError, messageOf } from "../api/errors";

export function tellDone(message: string): void {
  notifications.show({ message, color: "tide", autoClose: 5000 });
}

export function tellFailed(what: string, error: unknown): void {
  const id = error instanceof ApiError && error.requestId !== "" ? ` (request ${error.requestId})` : "";
  notifications.show({ title: what, message: messageOf(error) + id, color: "red", autoClose: 12_000 });
}
