/** Values that components watch one by one: a change of one key renders those who look at that key, and no one else. */

type Listener = () => void;

/** One value. */
export class Cell<T> {
  private readonly listeners = new Set<Listener>();
  private current: T;

  constructor(first: T) {
    this.current = first;
  }

  get value(): T {
    return this.current;
  }

  readonly read = (): T => this.current;

  readonly watch = (listener: Listener): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  set(value: T): void {
    this.current = value;
    for (const listener of [...this.listeners]) listener();
  }
}

/** Values by key. A value is replaced, never changed, so that its identity tells whether it is new. */
export class Keyed<T extends object> {
  private readonly listeners = new Map<string, Set<Listener>>();
  private readonly values = new Map<string, T>();
  private readonly all = new Cell<ReadonlyMap<string, T>>(new Map());
  private isDue = false;

  get(key: string): T | undefined {
    return this.values.get(key);
  }

  /** Lay the changes over what is known; `isWhole` forgets what they do not name. */
  merge(changes: Readonly<Record<string, Partial<T>>>, isWhole = false): void {
    const touched = Object.keys(changes);
    if (isWhole) {
      for (const key of [...this.values.keys()]) {
        if (!(key in changes)) {
          this.values.delete(key);
          touched.push(key);
        }
      }
    }
    for (const [key, change] of Object.entries(changes)) {
      this.values.set(key, { ...this.values.get(key), ...change } as T);
    }
    for (const key of touched) {
      for (const listener of [...(this.listeners.get(key) ?? [])]) listener();
    }
    if (touched.length > 0) this.tellAll();
  }

  watch(key: string, listener: Listener): () => void {
    const found = this.listeners.get(key) ?? new Set();
    this.listeners.set(key, found);
    found.add(listener);
    return () => {
      found.delete(listener);
      if (found.size === 0 && this.listeners.get(key) === found) this.listeners.delete(key);
    };
  }

  /** Everything, told at most twice a second: for sorting and totals, not for showing prices. */
  readonly watchAll = (listener: Listener): (() => void) => this.all.watch(listener);
  readonly readAll = (): ReadonlyMap<string, T> => this.all.value;

  private tellAll(): void {
    if (this.all.value.size === 0 && this.values.size > 0) this.all.set(new Map(this.values));
    if (this.isDue) return;
    this.isDue = true;
    setTimeout(() => {
      this.isDue = false;
      this.all.set(new Map(this.values));
    }, ALL_MS);
  }
}

const ALL_MS = 500;

/** Tells events to whoever listens at the moment. */
export class Events<T> {
  private readonly listeners = new Set<(event: T) => void>();

  readonly on = (listener: (event: T) => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  tell(event: T): void {
    for (const listener of [...this.listeners]) listener(event);
  }
}
