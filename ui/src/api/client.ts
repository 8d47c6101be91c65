/** Requests to /api: one place that turns an answer into a value or an ApiError. */
import { authHeaders } from "./token.ts";
import type { Error as ErrorAnswer } from "./types.ts";

/** What the server (or the way to it) answered instead of data. */
export class ApiError extends Error {
  constructor(
    readonly kind: string,
    message: string,
    /** Offset in the query, from 1, where the server points. */
    readonly position?: number,
  ) {
    super(message);
  }
}

export type Params = Record<string, string | number | undefined>;

export function apiUrl(path: string, params: Params = {}): string {
  const search = new URLSearchParams();
  for (const [key, value] of Object.entries(params)) if (value !== undefined && value !== "") search.set(key, String(value));
  const text = search.toString();
  return text === "" ? path : `${path}?${text}`;
}

/** A part of a path: an attribute name may hold a slash. */
export const segment = encodeURIComponent;

async function get(url: string, signal?: AbortSignal): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(url, { signal: signal ?? null, headers: { Accept: "application/json", ...authHeaders() } });
  } catch (err) {
    if (err instanceof DOMException && err.name === "AbortError") throw err;
    throw new ApiError("unreachable", "The server does not answer. Check that it runs and that this machine reaches it.");
  }
  if (response.ok) return response;
  const body = (await response.json().catch(() => undefined)) as ErrorAnswer | undefined;
  throw body?.error ? new ApiError(body.error.kind, body.error.message, body.error.position) : new ApiError("internal", `The server answered ${response.status} ${response.statusText}`);
}

export async function getJson<T>(url: string, signal?: AbortSignal): Promise<T> {
  return (await (await get(url, signal)).json()) as T;
}

export async function getBytes(url: string, signal?: AbortSignal): Promise<Uint8Array> {
  return new Uint8Array(await (await get(url, signal)).arrayBuffer());
}

/** The answer as it comes, for streams. */
export async function getStream(url: string, signal: AbortSignal): Promise<ReadableStream<Uint8Array>> {
  const { body } = await get(url, signal);
  if (body === null) throw new ApiError("internal", "The server answered without a body");
  return body;
}

/** Fetches a file and hands it to the browser's downloads. */
export async function download(url: string, name: string): Promise<void> {
  const blob = await (await get(url)).blob();
  const address = URL.createObjectURL(blob);
  const a = document.createElement("a");
  a.href = address;
  a.download = name;
  a.click();
  URL.revokeObjectURL(address);
}
