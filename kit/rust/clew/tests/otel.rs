//! Libraries on the OpenTelemetry API join the traces of the kit.
#![cfg(all(feature = "otel", feature = "testing"))]

use std::time::{Duration, SystemTime};

use clew::testing::{Recorder, Value};
use opentelemetry::trace::{
    Span, SpanContext, SpanId, SpanKind, Status, TraceContextExt, TraceFlags, TraceId, TraceState, Tracer, TracerProvider,
};
use opentelemetry::{Context, KeyValue};

#[test]
fn a_library_on_the_api_joins_the_trace_of_a_macro() {
    let recorder = Recorder::start();
    let tracer = clew::otel::provider().tracer("library");
    tracing::info_span!("request").in_scope(|| {
        let mut call = tracer.span_builder("call").with_kind(SpanKind::Client).start(&tracer);
        assert!(call.is_recording());
        call.set_attribute(KeyValue::new("rows", 3));
        call.set_status(Status::error("refused"));
        // Its own child, through the API's context alone.
        let context = Context::current_with_span(call);
        tracer.start_with_context("below", &context).end();
        context.span().end();
    });
    assert!(!Context::current().has_active_span(), "what was attached is detached");
    recorder.wait_for(3).unwrap();
    let tree = "trace 1\n└─ INTERNAL request (test)\n   └─ CLIENT call rows=3 ERROR \"refused\"\n      └─ INTERNAL below\n";
    assert_eq!(recorder.tree(&["rows"]), tree);
    let call = recorder.spans().into_iter().find(|s| s.name == "call").unwrap();
    assert_eq!(call.attribute("rows"), Some(&Value::Int(3)));
}

#[test]
fn summaries_are_ten_a_second_whenever_their_spans_say_that_they_ended() {
    let recorder = Recorder::start();
    let tracer = clew::otel::provider().tracer("import");
    let began = SystemTime::now();
    for i in 1..=200u8 {
        let caller =
            SpanContext::new(TraceId::from_bytes([i; 16]), SpanId::from_bytes([7; 8]), TraceFlags::NOT_SAMPLED, true, TraceState::NONE);
        let mut span = tracer.start_with_context("row", &Context::new().with_remote_span_context(caller));
        span.set_status(Status::error("no such customer"));
        span.end_with_timestamp(began + Duration::from_secs(i.into()));
    }
    let most = 10 * (began.elapsed().unwrap().as_secs() as usize + 2);
    let summaries = recorder.spans().iter().filter(|s| s.name == "row").count();
    assert!((1..=most).contains(&summaries), "{summaries}, at most {most}");
}
