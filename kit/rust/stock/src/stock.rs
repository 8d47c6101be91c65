//! Stock's side: tracing-opentelemetry over the SDK with its batch processor and an exporter that throws everything away.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider, SpanData, SpanExporter};
use tracing::Instrument;
use tracing_subscriber::prelude::*;

use crate::measure::{Cost, cost};

/// Takes and forgets.
#[derive(Debug)]
struct Nowhere;

impl SpanExporter for Nowhere {
    async fn export(&self, _: Vec<SpanData>) -> OTelSdkResult {
        Ok(())
    }
}

fn start(sampler: Sampler) -> SdkTracerProvider {
    let provider = SdkTracerProvider::builder().with_sampler(sampler).with_batch_exporter(Nowhere).build();
    let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("bench"));
    tracing_subscriber::registry().with(layer).init();
    provider
}

pub fn five_fields() -> tracing::span::EnteredSpan {
    tracing::info_span!(
        "child",
        shop.items = 3,
        shop.channel = "web",
        shop.total = 12.5,
        shop.express = true,
        shop.customer = "c-1029384756"
    )
    .entered()
}

fn poll(future: impl Future<Output = ()>) -> Cost {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    cost(|| matches!(future.as_mut().poll(&mut context), Poll::Pending))
}

pub fn sampled(print: &mut dyn FnMut(&str, Cost)) {
    let _provider = start(Sampler::AlwaysOn);
    print("root", cost(|| tracing::info_span!(parent: None, "root").entered()));
    let root = tracing::info_span!("root").entered();
    print("child", cost(|| tracing::info_span!("child").entered()));
    print("child, 5 fields", cost(five_fields));
    drop(root);
    print("poll, sampled", poll(std::future::pending().instrument(tracing::info_span!("task"))));
}

pub fn unsampled(print: &mut dyn FnMut(&str, Cost)) {
    let _provider = start(Sampler::ParentBased(Box::new(Sampler::AlwaysOff)));
    print("unsampled root", cost(|| tracing::info_span!(parent: None, "root").entered()));
    let root = tracing::info_span!("root").entered();
    print("unsampled child", cost(|| tracing::info_span!("child").entered()));
    print("unsampled child, 5 fields", cost(five_fields));
    print("poll, unsampled", poll(std::future::pending().instrument(tracing::info_span!("task"))));
    drop(root);
}
