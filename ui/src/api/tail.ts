/** The stream of spans as they arrive. Read with fetch, because EventSource cannot carry a token. */
import { sseParser } from "../model/sse.ts";
import { ApiError, apiUrl, getStream } from "./client.ts";
import type { TailSpan } from "./types.ts";

export interface TailHandlers {
  spans(found: TailSpan[]): void;
  missed(count: number): void;
  /** "waiting": the stream broke and is opened again; an error is final. */
  state(state: "open" | "waiting" | ApiError): void;
}

const RETRY_MS = 2000;
/** Errors that asking again does not mend. */
const FINAL = new Set(["invalid", "not_found", "forbidden", "unauthenticated"]);

/** Opens the stream and keeps it open; the returned function closes it. */
export function openTail(q: string, on: TailHandlers): () => void {
  const stop = new AbortController();
  void run(q, on, stop.signal);
  return () => stop.abort();
}

async function run(q: string, on: TailHandlers, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    try {
      const stream = await getStream(apiUrl("/api/tail", { q: q || "{}" }), signal);
      on.state("open");
      await drain(stream, on);
    } catch (err) {
      if (signal.aborted) return;
      if (err instanceof ApiError && FINAL.has(err.kind)) {
        on.state(err);
        return;
      }
    }
    if (signal.aborted) return;
    on.state("waiting");
    await new Promise((resolve) => {
      setTimeout(resolve, RETRY_MS);
    });
  }
}

async function drain(stream: ReadableStream<Uint8Array>, on: TailHandlers): Promise<void> {
  const parse = sseParser();
  const text = new TextDecoder();
  const reader = stream.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    for (const e of parse(text.decode(value, { stream: true }))) {
      if (e.type === "missed") on.missed(Number.parseInt(/\d+/.exec(e.data)?.[0] ?? "0", 10));
      if (e.type === "message") on.spans(JSON.parse(e.data) as TailSpan[]);
    }
  }
}
