import { MantineProvider } from "@mantine/core";
import { cleanup, fireEvent, render, screen } from "@testing-library/react";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { type Column, DataTable } from "./DataTable";

interface Row {
  name: string;
  size: number | null;
}

const COLUMNS: readonly Column<Row>[] = [
  { id: "name", header: "Name", cell: (row) => row.name, sortBy: (row) => row.name },
  { id: "size", header: "Size", align: "right", cell: (row) => row.size, sortBy: (row) => row.size },
];
const ROWS: Row[] = [
  { name: "beta", size: 2 },
  { name: "alpha", size: null },
  { name: "gamma", size: 30 },
];

function show(table: Partial<Parameters<typeof DataTable<Row>>[0]>) {
  return render(
    <MantineProvider>
      <DataTable label="Things" columns={COLUMNS} rows={ROWS} rowKey={(row) => row.name} {...table} />
    </MantineProvider>,
  );
}

const names = (): (string | null | undefined)[] =>
  screen
    .getAllByRole("row")
    .slice(1)
    .map((row) => row.firstElementChild?.textContent);

describe("a table", () => {
  beforeEach(() => {
    vi.stubGlobal("matchMedia", () => ({
      matches: false,
      addEventListener: vi.fn(),
      removeEventListener: vi.fn(),
    }));
  });
  afterEach(() => {
    cleanup();
    vi.unstubAllGlobals();
  });

  it("sorts numbers from the greatest first, with unknown ones last either way", () => {
    show({});
    fireEvent.click(screen.getByRole("button", { name: "Size" }));
    expect(names()).toEqual(["gamma", "beta", "alpha"]);
    fireEvent.click(screen.getByRole("button", { name: "Size" }));
    expect(names()).toEqual(["beta", "gamma", "alpha"]);
    expect(screen.getByRole("columnheader", { name: "Size" }).getAttribute("aria-sort")).toBe("ascending");
  });

  it("opens a row by a press or by Enter, and walks by arrows", () => {
    const onOpen = vi.fn();
    show({ onOpen });
    const [, first, second] = screen.getAllByRole("row");
    if (first === undefined || second === undefined) throw new Error("no rows");
    first.focus();
    fireEvent.keyDown(first, { key: "ArrowDown" });
    expect(document.activeElement).toBe(second);
    fireEvent.keyDown(second, { key: "Enter" });
    fireEvent.click(first);
    expect(onOpen.mock.calls.map(([row]) => (row as Row).name)).toEqual(["alpha", "beta"]);
  });

  it("says that it loads, that it failed, and that it is empty", () => {
    show({ rows: undefined });
    expect(screen.getByRole("status").textContent).toContain("Loading");
    cleanup();
    const onRetry = vi.fn();
    show({ rows: undefined, error: new Error("The server is away."), onRetry });
    expect(screen.getByRole("alert").textContent).toContain("The server is away.");
    fireEvent.click(screen.getByRole("button", { name: "Try again" }));
    expect(onRetry).toHaveBeenCalledTimes(1);
    cleanup();
    show({ rows: [], emptyText: "No order yet." });
    expect(screen.getByText("No order yet.")).toBeTruthy();
  });
});
