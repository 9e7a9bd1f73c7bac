/** One socket to the gateway that comes back by itself: it resumes every channel where it stood, after a growing wait
 * with jitter, and notices a line that is open but mute. It gives frames to its listeners and knows nothing of pages. */

import { type Channel, type Frame, readFrame, type Request } from "./frames";
import { Cell } from "./store";

export type Phase = "connecting" | "live" | "waiting" | "stopped";

export interface Connection {
  phase: Phase;
  /** Tries since it was last live. */
  attempts: number;
  /** Wall time of the next try, ms; null when none waits. */
  retryAt: number | null;
  reason: string;
}

type Listener = (frame: Frame) => void;

interface Wish {
  symbols: Map<string, number>;
  listeners: Set<Listener>;
  seq: number | null;
  epoch: string | null;
}

const FIRST_WAIT_MS = 300;
const LONGEST_WAIT_MS = 4_000;
const PING_MS = 10_000;
const MUTE_MS = 25_000;
const OPENING_MS = 10_000;
const EVERY = "*";

/** Return the wait before try number `attempt` (from 0): doubled each time, half of it drawn. */
export function waitBefore(attempt: number, draw: () => number = Math.random): number {
  const full = Math.min(FIRST_WAIT_MS * 2 ** attempt, LONGEST_WAIT_MS);
  return full / 2 + (full / 2) * draw();
}

export class LiveSocket {
  readonly connection = new Cell<Connection>({ phase: "stopped", attempts: 0, retryAt: null, reason: "" });
  private readonly address: string;
  private readonly onRefused: () => void;
  private readonly wishes = new Map<Channel, Wish>();
  private socket: WebSocket | null = null;
  private attempts = 0;
  private heardAt = 0;
  private timer: number | undefined;
  private watch: number | undefined;

  /** `onRefused` is called when the line could not be opened: the session may have ended. */
  constructor(address: string, onRefused: () => void = () => undefined) {
    this.address = address;
    this.onRefused = onRefused;
  }

  start(): void {
    if (this.socket !== null || this.timer !== undefined) return;
    window.addEventListener("online", this.hasten);
    document.addEventListener("visibilitychange", this.hasten);
    this.open();
  }

  stop(): void {
    window.removeEventListener("online", this.hasten);
    document.removeEventListener("visibilitychange", this.hasten);
    window.clearTimeout(this.timer);
    this.timer = undefined;
    this.drop("stopped");
    this.attempts = 0;
    this.tell("stopped", null, "");
  }

  /** Try now instead of waiting. */
  readonly hasten = (): void => {
    if (document.hidden || this.timer === undefined) return;
    window.clearTimeout(this.timer);
    this.timer = undefined;
    this.open();
  };

  /** Listen to a channel, of all symbols unless some are named. Returns what ends it. */
  subscribe(channel: Channel, listener: Listener, symbols: readonly string[] = [EVERY]): () => void {
    const wish = this.wishes.get(channel) ?? {
      symbols: new Map(),
      listeners: new Set(),
      seq: null,
      epoch: null,
    };
    this.wishes.set(channel, wish);
    wish.listeners.add(listener);
    const added = symbols.filter((symbol) => count(wish.symbols, symbol, 1) === 1);
    if (added.length > 0) this.send({ op: "subscribe", channel, symbols: added });
    let isOver = false;
    return () => {
      if (isOver) return;
      isOver = true;
      wish.listeners.delete(listener);
      const left = symbols.filter((symbol) => count(wish.symbols, symbol, -1) === 0);
      if (left.length > 0) this.send({ op: "unsubscribe", channel, symbols: left });
      if (wish.symbols.size === 0) this.wishes.delete(channel);
    };
  }

  private open(): void {
    this.tell(this.attempts === 0 ? "connecting" : "waiting", null, this.connection.value.reason);
    const socket = new WebSocket(this.address);
    this.socket = socket;
    this.heardAt = performance.now();
    let wasOpen = false;
    socket.onopen = () => {
      wasOpen = true;
      this.heardAt = performance.now();
      for (const [channel, wish] of this.wishes) this.take(channel, wish);
      this.attempts = 0;
      this.tell("live", null, "");
    };
    socket.onmessage = (message) => this.receive(message.data);
    socket.onclose = (event) => {
      if (this.socket !== socket) return;
      if (!wasOpen || event.code === 1008) this.onRefused();
      this.drop(event.reason);
      this.wait(event.reason);
    };
    this.watch = window.setInterval(() => this.look(wasOpen), PING_MS / 2);
  }

  /** A line may stay open and say nothing any more: ask, and cut it when no answer comes. */
  private look(wasOpen: boolean): void {
    const silent = performance.now() - this.heardAt;
    if (silent > (wasOpen ? MUTE_MS : OPENING_MS + MUTE_MS)) {
      this.drop("silent");
      this.wait("The line was silent.");
    } else if (silent > PING_MS) {
      this.send({ op: "ping" });
    }
  }

  private take(channel: Channel, wish: Wish): void {
    const symbols = [...wish.symbols.keys()];
    if (wish.seq === null || wish.epoch === null) this.send({ op: "subscribe", channel, symbols });
    else this.send({ op: "resume", channel, symbols, after: wish.seq, epoch: wish.epoch });
  }

  private receive(text: unknown): void {
    this.heardAt = performance.now();
    const frame = readFrame(text);
    if (frame?.channel === undefined) return;
    const wish = this.wishes.get(frame.channel);
    if (wish === undefined) return;
    if (frame.seq !== undefined) wish.seq = frame.seq;
    if (frame.epoch !== undefined) wish.epoch = frame.epoch;
    for (const listener of [...wish.listeners]) listener(frame);
  }

  private send(request: Request): void {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(request));
  }

  private drop(reason: string): void {
    window.clearInterval(this.watch);
    const socket = this.socket;
    this.socket = null;
    if (socket !== null && socket.readyState <= WebSocket.OPEN) socket.close(1000, reason.slice(0, 60));
  }

  private wait(reason: string): void {
    const wait = waitBefore(this.attempts);
    this.attempts += 1;
    this.timer = window.setTimeout(() => {
      this.timer = undefined;
      this.open();
    }, wait);
    this.tell("waiting", wait, reason);
  }

  private tell(phase: Phase, wait: number | null, reason: string): void {
    const retryAt = wait === null ? null : performance.now() + wait;
    this.connection.set({ phase, attempts: this.attempts, retryAt, reason });
  }
}

function count(symbols: Map<string, number>, symbol: string, step: number): number {
  const now = (symbols.get(symbol) ?? 0) + step;
  if (now > 0) symbols.set(symbol, now);
  else symbols.delete(symbol);
  return now;
}

/** Return the address of a socket on the server the page came from. */
export function socketAddress(path: string): string {
  const { protocol, host } = window.location;
  return `${protocol === "https:" ? "wss:" : "ws:"}//${host}${path}`;
}
