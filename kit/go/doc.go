// Package clew instruments a Go service: traces, metrics and logs, sent as OTLP, at a fraction of what the stock OpenTelemetry SDK costs.
// It stands behind the OpenTelemetry API, so that libraries and spans that use the API work unchanged, and it can never hurt its host:
// it does not block, grow, log or panic into it. Five lines are enough:
//
//	k := clew.Start(ctx, clew.Service("orders", "1.4.2"))
//	defer k.Stop(context.Background())
//	slog.SetDefault(k.Logger())
//	db := sql.OpenDB(clew.SQL(connector))
//	http.ListenAndServe(":8080", k.HTTP(mux))
//
// The program's own work is a span like this:
//
//	func reserve(ctx context.Context, items int) (err error) {
//		ctx, span := clew.Span(ctx, "reserve", clew.Int("items", items))
//		defer span.EndErr(&err)
//
// What both kits of Clew, this one and the one for Rust, do word for word is in kit/contract/README.md: sampling, propagation, policies,
// limits, export, self-metrics, log lines, names of spans and attributes.
//
// # Traces
//
// A trace is sampled or not when it begins, by consistent probability (Sample, OTEL_TRACES_SAMPLER, or a policy); everything under it goes
// along. In a trace that is not sampled a child costs nothing and allocates nothing; a root that fails still sends one summary. Spans end
// when End is called, never later.
//
// # Context
//
// Nothing is kept in goroutines. The context.Context that Span returns carries the span; Go, Detach, Group, Pool, Chan and Ticker carry it
// over. Extract and Inject carry it between processes.
//
// # Levels
//
// Each component has a level (off, edges, standard, detailed) that can change while the service runs: by SetLevel, ApplyPolicy, or by the
// policy that the kit asks Clew for when CLEW_POLICY_URL or CLEW_ENDPOINT is set; without them it asks nobody.
//
// # Environment
//
// OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES, OTEL_TRACES_SAMPLER and _ARG, OTEL_PROPAGATORS, OTEL_SPAN_*_LIMIT,
// OTEL_ATTRIBUTE_*_LIMIT, OTEL_BSP_*, OTEL_EXPORTER_OTLP_*, OTEL_METRIC_EXPORT_INTERVAL and OTEL_SDK_DISABLED mean what OpenTelemetry says,
// and win over what the program says. Of its own the kit reads CLEW_LEVEL, CLEW_LOG_LEVEL, CLEW_PROPAGATE_TO, CLEW_POLICY_URL (or
// CLEW_ENDPOINT), CLEW_POLICY_HEADERS, CLEW_POLICY_CACHE, CLEW_QUEUE_BYTES,
// CLEW_TRACE_FLAGS_LEVEL and CLEW_LEAKS. A value that is unknown or contradicts another is reported in one line on standard error and
// counted; the default holds.
package clew
