/** The frames of the gateway's sockets, both ways. */

export type Channel =
  "prices" | "candles" | "scorecards" | "signals" | "market-view" | "clock" | "system" | "orders" | "account";

export interface Request {
  op: "subscribe" | "unsubscribe" | "resume" | "ping";
  channel?: Channel;
  symbols?: string[];
  after?: number;
  epoch?: string;
}

export interface Frame {
  type: "snapshot" | "delta" | "gap" | "error" | "pong";
  channel?: Channel;
  seq?: number;
  epoch?: string;
  data?: unknown;
}

const TYPES = new Set(["snapshot", "delta", "gap", "error", "pong"]);

/** Return a frame, or null for text that is none. */
export function readFrame(text: unknown): Frame | null {
  if (typeof text !== "string") return null;
  try {
    const frame = JSON.parse(text) as Frame | null;
    return frame !== null && typeof frame === "object" && TYPES.has(frame.type) ? frame : null;
  } catch {
    return null;
  }
}
