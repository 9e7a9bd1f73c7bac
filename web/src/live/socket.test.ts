import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import type { Frame, Request } from "./frames";
import { LiveSocket, waitBefore } from "./socket";

/** The browser's socket with the other end in the test's hand. */
class Line {
  static readonly OPEN = 1;
  static lines: Line[] = [];
  static get last(): Line {
    const line = Line.lines.at(-1);
    if (line === undefined) throw new Error("no line was opened");
    return line;
  }

  readyState = 0;
  readonly sent: Request[] = [];
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: string }) => void) | null = null;
  onclose: ((event: { code: number; reason: string }) => void) | null = null;

  constructor() {
    Line.lines.push(this);
  }

  send(text: string): void {
    this.sent.push(JSON.parse(text) as Request);
  }

  open(): void {
    this.readyState = 1;
    this.onopen?.();
  }

  give(frame: Frame): void {
    this.onmessage?.({ data: JSON.stringify(frame) });
  }

  close(): void {
    this.readyState = 3;
  }

  cut(code = 1006, reason = ""): void {
    this.readyState = 3;
    this.onclose?.({ code, reason });
  }
}

describe("a live socket", () => {
  beforeEach(() => {
    vi.useFakeTimers();
    vi.stubGlobal("WebSocket", Line);
    Line.lines = [];
  });
  afterEach(() => {
    vi.useRealTimers();
    vi.unstubAllGlobals();
  });

  it("subscribes when it opens, and once for many listeners", () => {
    const socket = new LiveSocket("ws://x");
    socket.subscribe("prices", vi.fn());
    socket.subscribe("prices", vi.fn());
    socket.start();
    Line.last.open();
    expect(Line.last.sent).toEqual([{ op: "subscribe", channel: "prices", symbols: ["*"] }]);
    expect(socket.connection.value.phase).toBe("live");
  });

  it("resumes each channel after the last frame it saw", () => {
    const socket = new LiveSocket("ws://x");
    socket.subscribe("candles", vi.fn(), ["NSE:INFY"]);
    socket.start();
    Line.last.open();
    Line.last.give({ type: "delta", channel: "candles", seq: 41, epoch: "e", data: {} });
    Line.last.cut();
    expect(socket.connection.value.phase).toBe("waiting");
    vi.advanceTimersByTime(400);
    expect(Line.lines).toHaveLength(2);
    Line.last.open();
    expect(Line.last.sent).toEqual([
      { op: "resume", channel: "candles", symbols: ["NSE:INFY"], after: 41, epoch: "e" },
    ]);
  });

  it("waits longer after each failure, and begins anew once it was live", () => {
    const socket = new LiveSocket("ws://x");
    socket.start();
    for (let attempt = 0; attempt < 5; attempt += 1) {
      Line.last.cut();
      vi.advanceTimersByTime(5_000);
    }
    expect(socket.connection.value.attempts).toBe(5);
    Line.last.open();
    expect(socket.connection.value.attempts).toBe(0);
    expect(waitBefore(0, () => 0)).toBe(150);
    expect(waitBefore(0, () => 1)).toBe(300);
    expect(waitBefore(99, () => 1)).toBe(4_000);
  });

  it("cuts a line that is open but mute", () => {
    const socket = new LiveSocket("ws://x");
    socket.start();
    Line.last.open();
    vi.advanceTimersByTime(15_000);
    expect(Line.last.sent.filter(({ op }) => op === "ping").length).toBeGreaterThan(0);
    vi.advanceTimersByTime(60_000);
    expect(Line.lines.length).toBeGreaterThan(1);
  });

  it("stays while pongs come", () => {
    const socket = new LiveSocket("ws://x");
    socket.start();
    Line.last.open();
    for (let second = 0; second < 120; second += 10) {
      vi.advanceTimersByTime(10_000);
      Line.last.give({ type: "pong" });
    }
    expect(Line.lines).toHaveLength(1);
  });

  it("ends a subscription with its last listener", () => {
    const socket = new LiveSocket("ws://x");
    const ends = [
      socket.subscribe("candles", vi.fn(), ["NSE:TCS"]),
      socket.subscribe("candles", vi.fn(), ["NSE:TCS"]),
    ];
    socket.start();
    Line.last.open();
    ends[0]?.();
    ends[0]?.();
    expect(Line.last.sent.at(-1)?.op).toBe("subscribe");
    ends[1]?.();
    expect(Line.last.sent.at(-1)).toEqual({ op: "unsubscribe", channel: "candles", symbols: ["NSE:TCS"] });
  });

  it("tells when it was refused, so that the session is looked at", () => {
    const refused = vi.fn();
    const socket = new LiveSocket("ws://x", refused);
    socket.start();
    Line.last.cut();
    expect(refused).toHaveBeenCalledTimes(1);
  });

  it("passes over text that is no frame", () => {
    const socket = new LiveSocket("ws://x");
    const listener = vi.fn();
    socket.subscribe("prices", listener);
    socket.start();
    Line.last.open();
    for (const data of ["", "null", "[]", '{"type":"other","channel":"prices"}', "{"])
      Line.last.onmessage?.({ data });
    expect(listener).not.toHaveBeenCalled();
  });

  it("is silent after it was stopped", () => {
    const socket = new LiveSocket("ws://x");
    socket.start();
    Line.last.open();
    socket.stop();
    vi.advanceTimersByTime(60_000);
    expect(Line.lines).toHaveLength(1);
    expect(socket.connection.value.phase).toBe("stopped");
  });
});
