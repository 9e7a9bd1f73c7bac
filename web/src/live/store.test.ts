import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { Keyed } from "./store";

interface Price {
  ltp: number;
  bid: number | null;
}

describe("values by key", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it("tell those alone whose key changed", () => {
    const store = new Keyed<Price>();
    const [one, other] = [vi.fn(), vi.fn()];
    store.watch("A", one);
    store.watch("B", other);
    store.merge({ A: { ltp: 1, bid: null } });
    expect(one).toHaveBeenCalledTimes(1);
    expect(other).not.toHaveBeenCalled();
  });

  it("keep what a change does not name", () => {
    const store = new Keyed<Price>();
    store.merge({ A: { ltp: 1, bid: 0.9 } });
    const before = store.get("A");
    store.merge({ A: { ltp: 2 } });
    expect(store.get("A")).toEqual({ ltp: 2, bid: 0.9 });
    expect(store.get("A")).not.toBe(before);
  });

  it("forget what a snapshot does not name, and tell its watchers", () => {
    const store = new Keyed<Price>();
    store.merge({ A: { ltp: 1, bid: null }, B: { ltp: 2, bid: null } });
    const gone = vi.fn();
    store.watch("B", gone);
    store.merge({ A: { ltp: 3, bid: null } }, true);
    expect(store.get("B")).toBeUndefined();
    expect(gone).toHaveBeenCalledTimes(1);
  });

  it("tell the whole at once first and then twice a second at most", () => {
    const store = new Keyed<Price>();
    const whole = vi.fn();
    store.watchAll(whole);
    store.merge({ A: { ltp: 1, bid: null } });
    expect(whole).toHaveBeenCalledTimes(1);
    for (let ltp = 2; ltp < 50; ltp += 1) store.merge({ A: { ltp, bid: null } });
    expect(whole).toHaveBeenCalledTimes(1);
    vi.advanceTimersByTime(500);
    expect(whole).toHaveBeenCalledTimes(2);
    expect(store.readAll().get("A")?.ltp).toBe(49);
  });

  it("stop telling who no longer watches", () => {
    const store = new Keyed<Price>();
    const listener = vi.fn();
    store.watch("A", listener)();
    store.merge({ A: { ltp: 1, bid: null } });
    expect(listener).not.toHaveBeenCalled();
  });
});
