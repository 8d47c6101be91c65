/** The time range of the page and the zone that times are shown in. Both are in the address bar. */
import { useNavigate, useSearch } from "@tanstack/react-router";
import { useState } from "react";
import { Icon } from "../base/Icon.tsx";
import { Popover } from "../base/Popover.tsx";
import { useNow } from "../base/now.ts";
import { useZone } from "../base/zone.ts";
import { DEFAULT_RANGE, rangeLabel, resolveRange, toRfc3339, zoneName, type RangeText } from "../model/time.ts";

const QUICK = ["now-5m", "now-15m", "now-1h", "now-3h", "now-6h", "now-12h", "now-1d", "now-2d", "now-7d", "now-30d"];

export function TimeRange() {
  const search = useSearch({ strict: false }) as Record<string, string | undefined>;
  const zone = useZone();
  const navigate = useNavigate();
  const range = { from: search["from"] || DEFAULT_RANGE.from, to: search["to"] || DEFAULT_RANGE.to };
  const now = useNow();
  const name = zoneName(zone, now);
  const set = (change: Record<string, string>) => void navigate({ to: ".", search: (old: Record<string, unknown>) => ({ ...old, ...change }) as never });
  const setRange = (r: RangeText) => set(r.from === DEFAULT_RANGE.from && r.to === DEFAULT_RANGE.to ? { from: "", to: "", sel: "" } : { from: r.from, to: r.to, sel: "" });

  return (
    <Popover
      align="right"
      label={`Time range: ${rangeLabel(range, now, zone)} ${name}`}
      button={
        <>
          <Icon name="clock" />
          <span className="num">{rangeLabel(range, now, zone)}</span>{" "}
          <span className="faint">{name}</span>
        </>
      }
    >
      {(close) => (
        <div className="range">
          <ul className="range-quick" aria-label="Quick ranges">
            {QUICK.map((from) => (
              <li key={from}>
                <button
                  type="button"
                  aria-pressed={range.from === from && range.to === "now"}
                  onClick={() => {
                    setRange({ from, to: "now" });
                    close();
                  }}
                >
                  {rangeLabel({ from, to: "now" }, now, zone)}
                </button>
              </li>
            ))}
          </ul>
          <div className="range-own">
            <OwnRange
              range={range}
              onRange={(r) => {
                setRange(r);
                close();
              }}
            />
            <fieldset>
              <legend>Times are shown in</legend>
              <div className="segments">
                <button type="button" aria-pressed={zone === ""} onClick={() => set({ tz: "" })}>This browser, {zoneName("", now)}</button>
                <button type="button" aria-pressed={zone === "utc"} onClick={() => set({ tz: "utc" })}>UTC</button>
              </div>
            </fieldset>
          </div>
        </div>
      )}
    </Popover>
  );
}

function OwnRange({ range, onRange }: { range: RangeText; onRange(r: RangeText): void }) {
  const [from, setFrom] = useState(range.from);
  const [to, setTo] = useState(range.to);
  const now = useNow();
  const result = resolveRange({ from, to }, now);
  const wrong = typeof result === "string" ? result : "";
  const pin = () => {
    if (typeof result === "string") return;
    setFrom(toRfc3339(result.from));
    setTo(toRfc3339(result.to));
  };
  return (
    <form
      onSubmit={(e) => {
        e.preventDefault();
        if (wrong === "") onRange({ from: from.trim(), to: to.trim() });
      }}
    >
      <label>
        From
        <input className="input mono" data-autofocus value={from} onChange={(e) => setFrom(e.target.value)} />
      </label>
      <label>
        To
        <input className="input mono" value={to} onChange={(e) => setTo(e.target.value)} />
      </label>
      <p className={wrong ? "is-error" : "faint"} role="status">{wrong || "now-90m, 2026-01-31 14:00, 2026-01-31T14:00:00Z or Unix time"}</p>
      <div className="range-actions">
        <button type="submit" className="button primary" disabled={wrong !== ""}>Apply</button>
        <button type="button" className="button" disabled={wrong !== ""} onClick={pin} title="Write the range as fixed times, so that a link shows the same data later">Pin to fixed times</button>
      </div>
    </form>
  );
}
