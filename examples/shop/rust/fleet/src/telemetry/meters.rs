//! Durations of calls as stock OpenTelemetry measures them, under the names of the
//! semantic conventions. No library measures tonic, reqwest, sqlx and async-nats, and
//! none follows the releases of axum, so it is written out, as the spans are.

use std::sync::LazyLock;
use std::time::Instant;

use opentelemetry::metrics::{Histogram, Meter, UpDownCounter};
use opentelemetry::{KeyValue, global};

/// Bounds in seconds that the conventions recommend for durations.
const BOUNDS: [f64; 14] =
    [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];

/// The instruments of a service. They measure nothing when no meter provider was set
/// before their first use.
pub struct Meters {
    pub http_server: Duration,
    pub http_active: UpDownCounter<i64>,
    pub http_client: Duration,
    pub rpc_server: Duration,
    pub rpc_client: Duration,
    pub database: Duration,
    pub send: Duration,
    pub process: Duration,
}

/// The service's instruments.
pub static METERS: LazyLock<Meters> = LazyLock::new(|| {
    let meter = global::meter("shop");
    Meters {
        http_server: Duration::new(&meter, "http.server.request.duration"),
        http_active: meter
            .i64_up_down_counter("http.server.active_requests")
            .with_unit("{request}")
            .build(),
        http_client: Duration::new(&meter, "http.client.request.duration"),
        rpc_server: Duration::new(&meter, "rpc.server.call.duration"),
        rpc_client: Duration::new(&meter, "rpc.client.call.duration"),
        database: Duration::new(&meter, "db.client.operation.duration"),
        send: Duration::new(&meter, "messaging.client.operation.duration"),
        process: Duration::new(&meter, "messaging.process.duration"),
    }
});

/// A histogram of seconds.
pub struct Duration(Histogram<f64>);

impl Duration {
    fn new(meter: &Meter, name: &'static str) -> Duration {
        let histogram =
            meter.f64_histogram(name).with_unit("s").with_boundaries(BOUNDS.into()).build();
        Duration(histogram)
    }

    /// Records what has passed since `began`.
    pub fn since(&self, began: Instant, about: &[KeyValue]) {
        self.0.record(began.elapsed().as_secs_f64(), about);
    }
}
