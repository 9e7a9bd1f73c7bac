/** A table of records: sticky head, sorting by its headings, arrows and Enter on its rows, and its own empty, loading
 * and error states. It sorts what it is given; it fetches nothing. */

import { type KeyboardEvent, type ReactNode, useMemo, useState } from "react";

import classes from "./DataTable.module.css";
import { Empty, Failed, Loading } from "./Page";

export type SortValue = number | string | null | undefined;

export interface Column<Row> {
  id: string;
  header: string;
  cell: (row: Row) => ReactNode;
  /** What the column is sorted by; without it the heading does not sort. Unknown values come last either way. */
  sortBy?: (row: Row) => SortValue;
  align?: "left" | "right" | "center";
  /** Told by a tooltip of the heading. */
  meaning?: string;
  /** Left out on a phone. */
  isExtra?: boolean;
  /** May take several lines. */
  isWide?: boolean;
}

export interface Sort {
  column: string;
  isDescending: boolean;
}

interface DataTableProps<Row> {
  /** What the table holds, for those who cannot see it. */
  label: string;
  columns: readonly Column<Row>[];
  rows: readonly Row[] | undefined;
  rowKey: (row: Row) => string;
  firstSort?: Sort;
  /** A press on a row, or Enter. */
  onOpen?: ((row: Row) => void) | undefined;
  selectedKey?: string | undefined;
  emptyText?: string;
  isLoading?: boolean;
  error?: unknown;
  onRetry?: (() => void) | undefined;
  footer?: ReactNode;
  className?: string | undefined;
}

/** Return the rows in order; unknown values last, equal ones as they came. */
export function sorted<Row>(rows: readonly Row[], columns: readonly Column<Row>[], sort: Sort | null) {
  const by = columns.find((column) => column.id === sort?.column)?.sortBy;
  if (sort === null || by === undefined) return rows;
  const way = sort.isDescending ? -1 : 1;
  const isUnknown = (value: SortValue): boolean =>
    value === null || value === undefined || Number.isNaN(value);
  return [...rows].sort((one, other) => {
    const [left, right] = [by(one), by(other)];
    if (isUnknown(left) || isUnknown(right)) return Number(isUnknown(left)) - Number(isUnknown(right));
    if (typeof left === "number" && typeof right === "number") return way * (left - right);
    return way * String(left).localeCompare(String(right), "en-IN", { numeric: true });
  });
}

function nextSort(sort: Sort | null, column: Column<never>): Sort {
  // Numbers are first looked at from the greatest, names from A.
  if (sort?.column !== column.id) return { column: column.id, isDescending: column.align === "right" };
  return { column: column.id, isDescending: !sort.isDescending };
}

function moveFocus(event: KeyboardEvent<HTMLTableRowElement>): void {
  const row = event.currentTarget;
  const next = event.key === "ArrowDown" ? row.nextElementSibling : row.previousElementSibling;
  if (next instanceof HTMLElement) {
    event.preventDefault();
    next.focus();
  }
}

export function DataTable<Row>(props: DataTableProps<Row>) {
  const { label, columns, rows, rowKey, onOpen, footer } = props;
  const [sort, setSort] = useState<Sort | null>(props.firstSort ?? null);
  const shown = useMemo(() => sorted(rows ?? [], columns, sort), [rows, columns, sort]);

  if (props.error !== undefined && props.error !== null && rows === undefined)
    return <Failed error={props.error} onRetry={props.onRetry} />;
  if (rows === undefined || props.isLoading === true) return <Loading />;
  if (rows.length === 0) return <Empty>{props.emptyText ?? "Nothing here yet."}</Empty>;

  const pressKey = (event: KeyboardEvent<HTMLTableRowElement>, row: Row): void => {
    if (event.target !== event.currentTarget) return;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") moveFocus(event);
    else if (event.key === "Enter") onOpen?.(row);
  };

  return (
    <div className={`${classes.frame ?? ""} ${props.className ?? ""}`} tabIndex={-1}>
      <table className={classes.table}>
        <caption className="only-read-aloud">{label}</caption>
        <thead>
          <tr>
            {columns.map((column) => (
              <Heading
                key={column.id}
                column={column as Column<never>}
                sort={sort}
                onSort={() => setSort(nextSort(sort, column))}
              />
            ))}
          </tr>
        </thead>
        <tbody>
          {shown.map((row, at) => (
            <tr
              key={rowKey(row)}
              data-pressable={onOpen !== undefined}
              aria-selected={props.selectedKey === undefined ? undefined : props.selectedKey === rowKey(row)}
              tabIndex={onOpen === undefined ? undefined : at === 0 ? 0 : -1}
              onClick={onOpen === undefined ? undefined : () => onOpen(row)}
              onKeyDown={onOpen === undefined ? undefined : (event) => pressKey(event, row)}
            >
              {columns.map((column) => (
                <td
                  key={column.id}
                  data-align={column.align}
                  data-phone={column.isExtra !== true}
                  data-wide={column.isWide}
                >
                  {column.cell(row)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
        {footer !== undefined && <tfoot>{footer}</tfoot>}
      </table>
    </div>
  );
}

interface HeadingProps {
  column: Column<never>;
  sort: Sort | null;
  onSort: () => void;
}

function Heading({ column, sort, onSort }: HeadingProps) {
  const isSorted = sort?.column === column.id;
  const way = sort?.isDescending === true ? "descending" : "ascending";
  return (
    <th
      scope="col"
      data-align={column.align}
      data-phone={column.isExtra !== true}
      title={column.meaning}
      aria-sort={isSorted ? way : undefined}
    >
      {column.sortBy === undefined ? (
        column.header || <span className="only-read-aloud">Actions</span>
      ) : (
        <button type="button" className={classes.sort} onClick={onSort}>
          {column.header}
          <span className={classes.arrow} aria-hidden="true">
            {isSorted ? (way === "descending" ? "▼" : "▲") : ""}
          </span>
        </button>
      )}
    </th>
  );
}
