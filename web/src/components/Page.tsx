/** The frame of a page and of what stands in it, and what is shown while there is nothing to show. */

import { Button, Loader } from "@mantine/core";
import { type ReactNode, useEffect, useId } from "react";

import { messageOf } from "../api/errors";
import { WarningIcon } from "./icons";
import classes from "./Page.module.css";

interface PageProps {
  title: string;
  /** A short remark beside the title. */
  note?: ReactNode;
  /** Filters and buttons at the right. */
  tools?: ReactNode;
  /** The page is as high as the window, and scrolls inside. */
  isFilling?: boolean;
  children: ReactNode;
}

export function Page({ title, note, tools, isFilling = false, children }: PageProps) {
  useEffect(() => {
    document.title = `${title} · niftyflow`;
  }, [title]);
  return (
    <div className={classes.page} data-filling={isFilling}>
      <div className={classes.head}>
        <h1>{title}</h1>
        {note !== undefined && <span className={classes.note}>{note}</span>}
        {tools !== undefined && <div className={classes.tools}>{tools}</div>}
      </div>
      {children}
    </div>
  );
}

interface PanelProps {
  title?: string;
  tools?: ReactNode;
  /** No inner margin: for tables and charts. */
  isFlush?: boolean;
  className?: string | undefined;
  children: ReactNode;
}

/** A surface with a heading. */
export function Panel({ title, tools, isFlush = false, className = "", children }: PanelProps) {
  const id = useId();
  return (
    <section
      className={`${classes.panel ?? ""} ${className}`}
      aria-labelledby={title === undefined ? undefined : id}
    >
      {title !== undefined && (
        <div className={classes.panelHead}>
          <h2 id={id}>{title}</h2>
          {tools}
        </div>
      )}
      {isFlush ? children : <div className={classes.panelBody}>{children}</div>}
    </section>
  );
}

/** Nothing to show yet, and why. */
export function Empty({ children, action }: { children: ReactNode; action?: ReactNode }) {
  return (
    <div className={classes.notice}>
      <p>{children}</p>
      {action}
    </div>
  );
}

export function Loading({ what = "Loading" }: { what?: string }) {
  return (
    <div className={classes.notice} role="status">
      <Loader size="sm" aria-hidden="true" />
      <p>{what}…</p>
    </div>
  );
}

/** What failed, in the server's words, with a way to try again. */
export function Failed({ error, onRetry }: { error: unknown; onRetry?: (() => void) | undefined }) {
  return (
    <div className={classes.notice} role="alert">
      <span style={{ color: "var(--nf-warn)" }}>
        <WarningIcon />
      </span>
      <p>{messageOf(error)}</p>
      {onRetry !== undefined && (
        <Button variant="default" onClick={onRetry}>
          Try again
        </Button>
      )}
    </div>
  );
}
