/** The routes. Every page's state is in its search parameters; pages load on demand and when the pointer nears a link. */
import { QueryClient } from "@tanstack/react-query";
import { createRootRouteWithContext, createRoute, createRouter, lazyRouteComponent, redirect, retainSearchParams } from "@tanstack/react-router";
import { validateCharter, validateTerms } from "../features/charter/params.ts";
import { validateFindings } from "../features/findings/params.ts";
import { validateQuality } from "../features/quality/params.ts";
import { validateSearch } from "../features/search/params.ts";
import { validateServices } from "../features/services/params.ts";
import { validateTrace } from "../features/trace/params.ts";
import { ApiError } from "../api/client.ts";
import { traceQuery } from "../api/queries.ts";
import { parseSearch, stringifySearch } from "../model/params.ts";
import { NotFound } from "./NotFound.tsx";
import { Shell } from "./Shell.tsx";

/** Asking again mends a lost connection, never a wrong question. */
const FINAL = new Set(["invalid", "not_found", "forbidden", "unauthenticated", "exhausted", "internal"]);

export const queryClient = new QueryClient({
  defaultOptions: {
    queries: {
      refetchOnWindowFocus: false,
      retry: (count, error) => count < 2 && error instanceof ApiError && !FINAL.has(error.kind),
    },
  },
});

interface RootParams {
  tz?: string | undefined;
}

const root = createRootRouteWithContext<{ client: QueryClient }>()({
  component: Shell,
  notFoundComponent: NotFound,
  validateSearch: (search: Record<string, unknown>): RootParams => (search["tz"] === undefined ? {} : { tz: String(search["tz"]) }),
  search: { middlewares: [retainSearchParams(["tz"])] },
});
const home = createRoute({
  getParentRoute: () => root,
  path: "/",
  beforeLoad: () => {
    throw redirect({ to: "/traces", replace: true });
  },
});
const traces = createRoute({
  getParentRoute: () => root,
  path: "/traces",
  validateSearch,
  component: lazyRouteComponent(() => import("../features/search/SearchPage.tsx"), "SearchPage"),
});
const trace = createRoute({
  getParentRoute: () => root,
  path: "/trace/$traceId",
  validateSearch: validateTrace,
  // The view shows the error; a loader that throws would replace the page.
  loader: ({ context, params }) => void context.client.prefetchQuery(traceQuery(params.traceId)),
  component: lazyRouteComponent(() => import("../features/trace/TracePage.tsx"), "TracePage"),
});
const services = createRoute({
  getParentRoute: () => root,
  path: "/services",
  validateSearch: validateServices,
  component: lazyRouteComponent(() => import("../features/services/ServicesPage.tsx"), "ServicesPage"),
});
const service = createRoute({
  getParentRoute: () => root,
  path: "/services/$name",
  validateSearch: validateServices,
  component: lazyRouteComponent(() => import("../features/services/ServicePage.tsx"), "ServicePage"),
});
const findings = createRoute({
  getParentRoute: () => root,
  path: "/findings",
  validateSearch: validateFindings,
  component: lazyRouteComponent(() => import("../features/findings/FindingsPage.tsx"), "FindingsPage"),
});
const quality = createRoute({
  getParentRoute: () => root,
  path: "/quality",
  validateSearch: validateQuality,
  component: lazyRouteComponent(() => import("../features/quality/QualityPage.tsx"), "QualityPage"),
});
const serviceQuality = createRoute({
  getParentRoute: () => root,
  path: "/quality/$name",
  validateSearch: validateQuality,
  component: lazyRouteComponent(() => import("../features/quality/ServiceQualityPage.tsx"), "ServiceQualityPage"),
});
const charter = createRoute({
  getParentRoute: () => root,
  path: "/charter",
  validateSearch: validateCharter,
  component: lazyRouteComponent(() => import("../features/charter/CharterPage.tsx"), "CharterPage"),
});
const terms = createRoute({
  getParentRoute: () => root,
  path: "/charter/terms",
  validateSearch: validateTerms,
  component: lazyRouteComponent(() => import("../features/charter/TermsPage.tsx"), "TermsPage"),
});

export const router = createRouter({
  routeTree: root.addChildren([home, traces, trace, services, service, findings, quality, serviceQuality, charter, terms]),
  context: { client: queryClient },
  defaultPreload: "intent",
  defaultPreloadStaleTime: 0,
  parseSearch,
  stringifySearch,
  scrollRestoration: false,
});

declare module "@tanstack/react-router" {
  interface Register {
    router: typeof router;
  }
}
