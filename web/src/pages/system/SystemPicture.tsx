/** The layers in a row with the lines between them; dots run where records run, the faster the more there are. */

import { type ReactNode, useMemo } from "react";

import type { System } from "../../api";
import { LayerCard, layerName } from "./LayerCard";
import { level, type Line, pictureOf } from "./layout";
import { rateText } from "./rates";
import classes from "./System.module.css";

interface SystemPictureProps {
  system: System;
  width: number;
  /** Nothing moves: what is shown is not known to be so now. */
  isStill: boolean;
  chosen: string | null;
  onChoose: (name: string) => void;
  children: ReactNode;
}

export function SystemPicture(props: SystemPictureProps) {
  const { system, width, isStill, chosen, onChoose, children } = props;
  const picture = useMemo(() => pictureOf(system, width), [system, width]);
  const states = new Map(system.layers.map(({ name, state }) => [name, state]));
  const isFaint = (line: Line): boolean => chosen !== null && line.from !== chosen && line.to !== chosen;
  return (
    <div className={classes.picture} style={{ height: picture.height }}>
      <svg className={classes.lines} width={picture.width} height={picture.height} aria-hidden="true">
        {picture.lines.map((line) => (
          <Flow
            key={line.key}
            line={line}
            isFaint={isFaint(line)}
            isStill={isStill || states.get(line.from) === "failed" || states.get(line.from) === "stopped"}
          />
        ))}
      </svg>
      {picture.labels.map(({ topic, rate, x, y, from, readers }) => (
        <span
          key={`${from} ${topic}`}
          className={classes.lane}
          data-faint={chosen !== null && from !== chosen && !readers.includes(chosen)}
          style={{ left: x, top: y }}
        >
          {topic} <span className="num">{rateText(rate)}</span>
        </span>
      ))}
      {picture.boxes.map(({ layer, x, y, width: across, height }) => (
        <button
          type="button"
          key={layer.name}
          className={classes.card}
          data-state={layer.state}
          data-still={isStill}
          aria-pressed={chosen === layer.name}
          aria-label={`${layerName(layer)}: ${layer.state}. Show what it reads and writes`}
          style={{ left: x, top: y, width: across, height }}
          onClick={() => onChoose(layer.name)}
        >
          <LayerCard layer={layer} edges={system.edges} />
        </button>
      ))}
      <div
        className={classes.room}
        style={{ left: picture.room.x, top: picture.room.y, width: picture.room.width }}
      >
        {children}
      </div>
    </div>
  );
}

function Flow({ line, isFaint, isStill }: { line: Line; isFaint: boolean; isStill: boolean }) {
  const busy = level(line.rate);
  return (
    <g className={classes.flow} data-faint={isFaint} data-call={line.topic === ""}>
      <path className={classes.halo} d={line.path} />
      <path className={classes.wire} d={line.path} />
      {busy > 0 && <path className={classes.dots} d={line.path} data-level={busy} data-still={isStill} />}
    </g>
  );
}
