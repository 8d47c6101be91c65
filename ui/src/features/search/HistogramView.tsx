/** Matches over time. Drag, or arrow keys with Shift and Enter, zoom into a part; the same numbers are there as a table. */
import { useEffect, useRef, useState } from "react";
import { Icon } from "../../base/Icon.tsx";
import { useSize } from "../../base/parts.tsx";
import { Popover } from "../../base/Popover.tsx";
import { onLook } from "../../base/theme.ts";
import { useZone } from "../../base/zone.ts";
import { groupDigits, plural } from "../../model/format.ts";
import type { Histogram } from "../../model/histogram.ts";
import { clock, formatDate, type RangeMs } from "../../model/time.ts";
import { barAt, barSpan, drawHistogram } from "./drawHistogram.ts";

interface Props {
  data: Histogram & { range: RangeMs };
  onZoom(range: RangeMs): void;
}

export function HistogramView({ data, onZoom }: Props) {
  const zone = useZone();
  const [box, size] = useSize<HTMLDivElement>();
  const canvas = useRef<HTMLCanvasElement>(null);
  const [cursor, setCursor] = useState(-1);
  const [selection, setSelection] = useState<[number, number]>();
  const dragging = useRef(false);

  useEffect(() => {
    const draw = () => {
      if (canvas.current && size.width > 0) drawHistogram(canvas.current, data, data.range, { ...size, zone, cursor, selection });
    };
    draw();
    return onLook(draw);
  }, [data, size, zone, cursor, selection]);

  const zoomTo = ([a, b]: [number, number]) => {
    const from = data.bars[Math.min(a, b)].at;
    const to = data.bars[Math.max(a, b)].at + data.stepMs;
    setSelection(undefined);
    onZoom({ from: Math.max(from, data.range.from), to: Math.min(to, data.range.to) });
  };
  const at = (e: React.PointerEvent) => barAt(data, data.range, e.clientX - e.currentTarget.getBoundingClientRect().left, size.width);
  const onKeyDown = (e: React.KeyboardEvent) => {
    const step = { ArrowLeft: -1, ArrowRight: 1, Home: -data.bars.length, End: data.bars.length }[e.key];
    if (step !== undefined && data.bars.length > 0) {
      e.preventDefault();
      const next = Math.min(data.bars.length - 1, Math.max(0, (cursor < 0 && step > 0 ? -1 : cursor) + step));
      setCursor(next);
      setSelection(e.shiftKey ? [selection?.[0] ?? Math.max(0, cursor), next] : undefined);
    } else if (e.key === "Enter" && cursor >= 0) {
      e.preventDefault();
      zoomTo(selection ?? [cursor, cursor]);
    } else if (e.key === "Escape" && selection) {
      e.preventDefault();
      setSelection(undefined);
    }
  };

  const bar = cursor >= 0 ? data.bars[cursor] : undefined;
  const place = bar ? barSpan(data, data.range, cursor, size.width) : undefined;
  const seconds = data.stepMs < 60e3;
  return (
    <div className="histogram">
      {/* A chart one can walk through: arrow keys move the cursor, so it takes focus. */}
      {/* oxlint-disable-next-line jsx-a11y/no-noninteractive-element-interactions */}
      <div
        ref={box}
        className="histogram-box"
        role="group"
        aria-roledescription="histogram"
        aria-label={`Matching spans over time: ${plural(data.total, "span")}, ${plural(data.errors, "error")}. Arrow keys move, Shift and arrow keys select, Enter zooms.`}
        // oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex
        tabIndex={0}
        onKeyDown={onKeyDown}
        onBlur={() => setCursor(-1)}
        onPointerDown={(e) => {
          if (e.button !== 0 || data.bars.length === 0) return;
          e.currentTarget.setPointerCapture(e.pointerId);
          dragging.current = true;
          setSelection([at(e), at(e)]);
        }}
        onPointerMove={(e) => {
          if (data.bars.length === 0) return;
          setCursor(at(e));
          if (dragging.current && selection) setSelection([selection[0], at(e)]);
        }}
        onPointerUp={() => {
          dragging.current = false;
          if (selection && selection[0] !== selection[1]) zoomTo(selection);
          else setSelection(undefined);
        }}
        onPointerCancel={() => {
          dragging.current = false;
          setSelection(undefined);
        }}
        onPointerLeave={() => !dragging.current && setCursor(-1)}
      >
        <canvas ref={canvas} aria-hidden="true" />
      </div>
      {bar && place && (
        <div className="tip" role="status" style={{ left: Math.min(Math.max(8, place[0] - 80), size.width - 200) }}>
          <span>
            {formatDate(bar.at, zone)} {clock(bar.at, zone, seconds)} – {clock(bar.at + data.stepMs, zone, seconds)}
          </span>
          <span className="num">
            {plural(bar.error + bar.other, "span")}
            {bar.error > 0 && <b className="is-error"> ◆ {groupDigits(bar.error)}</b>}
          </span>
        </div>
      )}
      <div className="histogram-tools">
        <Popover className="button quiet square" label="Histogram as a table" align="right" button={<Icon name="table" />}>
          {() => (
            <table className="data twin">
              <thead>
                <tr>
                  <th scope="col">From</th>
                  <th scope="col" className="num">Spans</th>
                  <th scope="col" className="num">Errors</th>
                </tr>
              </thead>
              <tbody>
                {data.bars.filter((b) => b.error + b.other > 0).map((b) => (
                  <tr key={b.at}>
                    <td>{`${formatDate(b.at, zone)} ${clock(b.at, zone)}`}</td>
                    <td className="num">{groupDigits(b.error + b.other)}</td>
                    <td className="num">{groupDigits(b.error)}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          )}
        </Popover>
      </div>
    </div>
  );
}
