/** Reading the address bar: every value is a text, unknown parameters survive. */

export type Search = Record<string, string>;

/** Plain text parameters, the last of a repeated name wins. */
export function parseSearch(text: string): Search {
  return Object.fromEntries(new URLSearchParams(text));
}

/** The reverse. Empty values are left out, so that defaults do not clutter links; what is safe stays readable. */
export function stringifySearch(search: Record<string, unknown>): string {
  const pairs: string[] = [];
  for (const [key, value] of Object.entries(search)) {
    if (value === undefined || value === null || value === "") continue;
    const text = encodeURIComponent(String(value)).replace(/%20/g, "+").replace(/%(?:3A|2C|2F|7C|3D)/g, (c) => decodeURIComponent(c));
    pairs.push(`${encodeURIComponent(key)}=${text}`);
  }
  return pairs.length === 0 ? "" : `?${pairs.join("&")}`;
}

/** Texts of the named parameters, missing ones as "", beside everything else. */
export function known<K extends string>(search: Record<string, unknown>, keys: readonly K[]): Record<K, string> & Record<string, string> {
  const out: Record<string, string> = {};
  for (const [key, value] of Object.entries(search)) if (value !== undefined && value !== null) out[key] = String(value);
  for (const key of keys) out[key] ??= "";
  return out as Record<K, string> & Record<string, string>;
}
