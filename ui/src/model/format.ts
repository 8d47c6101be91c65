/** Numbers as people read them: three significant digits and one unit. */

const NS = { us: 1e3, ms: 1e6, s: 1e9, min: 60e9, h: 3600e9, d: 86400e9 };

/** Three significant digits, no exponent, trailing zeros kept: 1.20, 94.1, 412. */
export function three(v: number): string {
  const a = Math.abs(v);
  if (a >= 99.95) return v.toFixed(0);
  if (a >= 9.995) return v.toFixed(1);
  return v.toFixed(2);
}

/** A duration in nanoseconds: 0 ns, 94.1 µs, 412 ms, 1.20 s, 2 min 05 s, 3 h 04 min, 2 d 03 h. */
export function formatDuration(ns: number): string {
  if (!Number.isFinite(ns)) return "–";
  if (ns < 0) return `−${formatDuration(-ns)}`;
  if (ns < 999.5) return `${Math.round(ns)} ns`;
  if (ns < 999.5 * NS.us) return `${three(ns / NS.us)} µs`;
  if (ns < 999.5 * NS.ms) return `${three(ns / NS.ms)} ms`;
  if (ns < 59.995 * NS.s) return `${three(ns / NS.s)} s`;
  if (ns < NS.h - NS.s / 2) return pair(ns, NS.min, "min", NS.s, "s");
  if (ns < NS.d - NS.min / 2) return pair(ns, NS.h, "h", NS.min, "min");
  return pair(ns, NS.d, "d", NS.h, "h");
}

function pair(ns: number, big: number, bigUnit: string, small: number, smallUnit: string): string {
  const total = Math.round(ns / small);
  const per = Math.round(big / small);
  return `${Math.floor(total / per)} ${bigUnit} ${String(total % per).padStart(2, "0")} ${smallUnit}`;
}

/** A number of nanoseconds with every digit, for the tooltip: 1 234 567 ns. */
export function exactNs(ns: number): string {
  return `${groupDigits(Math.round(ns))} ns`;
}

/** A whole number with thin spaces between thousands. */
export function groupDigits(n: number | bigint): string {
  return n.toString().replace(/\B(?=(\d{3})+$)/g, "\u202f");
}

/** A count in few characters: 999, 1.2k, 35k, 4.1M. */
export function formatCount(n: number): string {
  if (n < 1000) return String(Math.round(n));
  for (const [limit, unit] of [[1e6, "k"], [1e9, "M"], [1e12, "G"]] as const) {
    if (n < limit * 0.9995) {
      const v = (n / limit) * 1000;
      return `${v < 9.95 ? v.toFixed(1) : v.toFixed(0)}${unit}`;
    }
  }
  return n.toExponential(1);
}

/** A share as per cent; what is not nothing is never shown as 0 %. */
export function formatShare(part: number, whole: number): string {
  if (whole <= 0) return "–";
  if (part === 0) return "0 %";
  const p = (100 * part) / whole;
  if (p < 0.01) return "<0.01 %";
  if (p < 1) return `${p.toFixed(2)} %`;
  return p < 99.95 ? `${p.toFixed(1)} %` : "100 %";
}

/** Events a second, over a range in seconds. */
export function formatRate(count: number, seconds: number): string {
  if (!(seconds > 0)) return "–";
  const r = count / seconds;
  if (r === 0) return "0 /s";
  if (r < 0.01) return `${three(r * 3600)} /h`;
  return r < 1 ? `${r.toFixed(2)} /s` : r < 1000 ? `${three(r)} /s` : `${formatCount(r)} /s`;
}

/** Bytes in powers of 1,024: 512 B, 3.4 MiB. */
export function formatBytes(n: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let v = n;
  let u = 0;
  while (v >= 999.5 && u < units.length - 1) {
    v /= 1024;
    u++;
  }
  return u === 0 ? `${v} B` : `${three(v)} ${units[u]}`;
}

/** Singular or plural with the number: 1 span, 2 spans. */
export function plural(n: number, one: string, many = `${one}s`): string {
  return `${groupDigits(n)} ${n === 1 ? one : many}`;
}
