/** Every question the page asks, as options for the query cache: key, fetch and how long the answer holds. */
import { infiniteQueryOptions, keepPreviousData, queryOptions } from "@tanstack/react-query";
import { decodeSkeleton } from "../model/skeleton.ts";
import { filterOf } from "../model/query.ts";
import { toHistogram } from "../model/histogram.ts";
import { toRfc3339, type RangeMs, type RangeText } from "../model/time.ts";
import { apiUrl, getBytes, getJson, segment } from "./client.ts";
import type { Charter, Findings, Glossary, Linked, MetricsAnswer, Operations, Scores, SearchAnswer, Services, SpanDetails, Status, TagNames, TagValues } from "./types.ts";

/** Relative ranges travel as written, so that the server's clock decides what now is. */
export interface Asked {
  q: string;
  range: RangeText;
}

export const SEARCH_LIMIT = 50;
const FRESH_MS = 15_000;

export function searchQuery(a: Asked, order: string) {
  return infiniteQueryOptions({
    queryKey: ["search", a, order],
    queryFn: ({ pageParam, signal }) =>
      getJson<SearchAnswer>(apiUrl("/api/search", { q: a.q || "{}", ...a.range, order, limit: SEARCH_LIMIT, spans: 5, cursor: pageParam }), signal),
    initialPageParam: "",
    getNextPageParam: (last) => (last.cursor === "" ? undefined : last.cursor),
    placeholderData: keepPreviousData,
    staleTime: FRESH_MS,
  });
}

/** Matches over time by status. The range is resolved, so that the bars' edges are those of the axis. */
export function histogramQuery(q: string, asked: RangeText, resolve: (nowMs: number) => { range: RangeMs; stepMs: number }) {
  return queryOptions({
    queryKey: ["histogram", q, asked],
    queryFn: async ({ signal }) => {
      const { range, stepMs } = resolve(Date.now());
      const answer = await getJson<MetricsAnswer>(
        apiUrl("/api/metrics", {
          q: `${filterOf(q)} | count_over_time() by (status)`,
          from: toRfc3339(range.from),
          to: toRfc3339(range.to),
          step: `${stepMs}ms`,
        }),
        signal,
      );
      return { ...toHistogram(answer, stepMs), range, partial: answer.partial };
    },
    placeholderData: keepPreviousData,
    staleTime: FRESH_MS,
  });
}

export function tagValuesQuery(field: string, q: string, range: RangeText, limit: number, prefix = "") {
  return queryOptions({
    queryKey: ["values", field, q, range, limit, prefix],
    queryFn: ({ signal }) => getJson<TagValues>(apiUrl(`/api/tags/${segment(field)}/values`, { q: q || "{}", prefix, limit, ...range }), signal),
    placeholderData: keepPreviousData,
    staleTime: 60_000,
  });
}

export function tagNamesQuery(range: RangeText) {
  return queryOptions({
    queryKey: ["tags", range],
    queryFn: ({ signal }) => getJson<TagNames>(apiUrl("/api/tags", { ...range }), signal),
    staleTime: 60_000,
  });
}

/** A trace may still grow, so its skeleton is asked for again after a while; the columns are shared, never copied. */
export function traceQuery(traceId: string) {
  return queryOptions({
    queryKey: ["trace", traceId],
    queryFn: async ({ signal }) => decodeSkeleton(await getBytes(`/api/traces/${segment(traceId)}/skeleton`, signal)),
    staleTime: 60_000,
    gcTime: 60_000,
    structuralSharing: false,
  });
}

/** What a request set off arrives later than the request itself. */
export function linkedQuery(traceId: string) {
  return queryOptions({
    queryKey: ["linked", traceId],
    queryFn: ({ signal }) => getJson<Linked>(`/api/traces/${segment(traceId)}/linked`, signal),
    staleTime: 15_000,
  });
}

/** Client and server may share a span id; the kind tells which one is meant. */
export function spanQuery(traceId: string, spanId: string, kind: string) {
  return queryOptions({
    queryKey: ["span", traceId, spanId, kind],
    queryFn: ({ signal }) => getJson<SpanDetails>(apiUrl(`/api/traces/${segment(traceId)}/spans/${segment(spanId)}`, { kind }), signal),
    staleTime: 300_000,
  });
}

export function servicesQuery(range: RangeText) {
  return queryOptions({
    queryKey: ["services", range],
    queryFn: ({ signal }) => getJson<Services>(apiUrl("/api/services", { ...range }), signal),
    placeholderData: keepPreviousData,
    staleTime: FRESH_MS,
  });
}

export function operationsQuery(service: string, range: RangeText) {
  return queryOptions({
    queryKey: ["operations", service, range],
    queryFn: ({ signal }) => getJson<Operations>(apiUrl(`/api/services/${segment(service)}/operations`, { ...range }), signal),
    staleTime: FRESH_MS,
  });
}

export const statusQuery = queryOptions({
  queryKey: ["status"],
  queryFn: ({ signal }) => getJson<Status>("/api/status", signal),
  refetchInterval: 15_000,
  staleTime: 10_000,
});

/** What is in force, and what was seen of its contracts. */
export const charterQuery = queryOptions({
  queryKey: ["charter"],
  queryFn: ({ signal }) => getJson<Charter>("/api/charter", signal),
  staleTime: FRESH_MS,
});

/** More findings than this are not listed but counted. */
export const FINDINGS_LIMIT = 2000;

/** All findings: filters count what they would leave, so the page needs them all. */
export const findingsQuery = queryOptions({
  queryKey: ["findings"],
  queryFn: ({ signal }) => getJson<Findings>(apiUrl("/api/findings", { limit: FINDINGS_LIMIT }), signal),
  staleTime: FRESH_MS,
});

/** The Instrumentation Score of every service. Judging takes a moment, and the server keeps its answer for 30 s. */
export function scoresQuery(window: string) {
  return queryOptions({
    queryKey: ["scores", window],
    queryFn: ({ signal }) => getJson<Scores>(apiUrl("/api/score", { window }), signal),
    placeholderData: keepPreviousData,
    staleTime: 30_000,
  });
}

export function glossaryQuery(text: string, source: string, limit: number) {
  return queryOptions({
    queryKey: ["glossary", text, source, limit],
    queryFn: ({ signal }) => getJson<Glossary>(apiUrl("/api/charter/attributes", { text, source, limit }), signal),
    placeholderData: keepPreviousData,
    staleTime: 60_000,
  });
}
