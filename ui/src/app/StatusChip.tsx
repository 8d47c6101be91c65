/** The server's state in one word, and what is behind it. */
import { useQuery } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { statusQuery } from "../api/queries.ts";
import type { Status } from "../api/types.ts";
import { Popover } from "../base/Popover.tsx";
import { formatBytes, groupDigits } from "../model/format.ts";

/** Lag is normal for a moment after a burst; past this it is worth a word. */
const LAG_BYTES = 4 << 20;

function judge(s: Status | undefined, failed: boolean): { word: string; tone: "ok" | "warn" | "bad" } {
  if (failed) return { word: "Unreachable", tone: "bad" };
  if (s === undefined) return { word: "Connecting", tone: "warn" };
  if (s.read_only !== "") return { word: "Read-only", tone: "bad" };
  if (!s.ready) return { word: "Starting", tone: "warn" };
  if (s.quarantined > 0) return { word: `${s.quarantined} quarantined`, tone: "bad" };
  if (s.lag_bytes > LAG_BYTES) return { word: "Catching up", tone: "warn" };
  return { word: "Ready", tone: "ok" };
}

export function StatusChip() {
  const { data, error } = useQuery(statusQuery);
  const { word, tone } = judge(data, error !== null);
  return (
    <Popover align="right" className="button chip" label={`Server: ${word}`} button={<><span className={`lamp ${tone}`} />{word}</>}>
      {() => (
        <dl className="status">
          {error && <Line label="Error">{error.message}</Line>}
          {data && (
            <>
              {data.read_only !== "" && <Line label="Read-only because">{data.read_only}</Line>}
              <Line label="Version">{data.version}</Line>
              <Line label="Spans stored">{groupDigits(data.spans_stored)}</Line>
              <Line label="Of them in memory">{groupDigits(data.fresh_rows)}</Line>
              <Line label="Segments">{groupDigits(data.segments)}</Line>
              <Line label="On disk">{formatBytes(data.disk_bytes)}</Line>
              <Line label="Behind the log">{formatBytes(data.lag_bytes)}</Line>
              <Line label="Merges running">{data.merges_running}</Line>
              <Line label="Quarantined segments">{data.quarantined}</Line>
            </>
          )}
        </dl>
      )}
    </Popover>
  );
}

function Line({ label, children }: { label: string; children: ReactNode }) {
  return (
    <div>
      <dt>{label}</dt>
      <dd className="num">{children}</dd>
    </div>
  );
}
