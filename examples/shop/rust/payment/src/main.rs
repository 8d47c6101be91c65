//! Payment charges cards: it speaks gRPC, asks a card network that is played by
//! a short sleep, and writes each charge down. Two faults live here: slow-payment
//! and crash.

use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use fleet::db::{Statement, Tables};
use fleet::words::payment_server::{Payment, PaymentServer};
use fleet::words::{ChargeReply, ChargeRequest};
use fleet::{Failure, charter, fault, grpc, process, telemetry};
use tonic::{Code, Request, Response, Status};
use tracing::{Instrument, Span, info_span};

const SCHEMA: &str = "CREATE TABLE IF NOT EXISTS charges (
    order_id TEXT PRIMARY KEY, amount_cents BIGINT NOT NULL, authorisation TEXT NOT NULL)";

const RECORD: Statement = Statement {
    operation: "INSERT",
    table: "charges",
    text: "INSERT INTO charges (order_id, amount_cents, authorisation) \
        VALUES ($1, $2, $3) ON CONFLICT (order_id) DO NOTHING",
};

const USUAL: Duration = Duration::from_millis(20);
const SLOW: Duration = Duration::from_millis(1520);

/// With the fault crash the process dies in every third charge: often enough to
/// be seen, rarely enough that the launcher's pauses do not grow.
const CRASH_EVERY: u64 = 3;
/// No abort, which would leave core files behind.
const CRASH_STATUS: i32 = 70;

struct Cards {
    tables: Tables,
    charges: AtomicU64,
}

#[tonic::async_trait]
impl Payment for Cards {
    async fn charge(
        &self,
        request: Request<ChargeRequest>,
    ) -> Result<Response<ChargeReply>, Status> {
        let charge = request.into_inner();
        let number = self.charges.fetch_add(1, Ordering::Relaxed) + 1;
        let span = charter::PaymentCharge::current();
        let authorised = authorise(&charge).await;
        if authorised.as_ref().is_err_and(|status| status.code() == Code::FailedPrecondition) {
            span.fail(charter::PaymentChargeError::CardDeclined);
        }
        let cents = charter::ShopOrderCents::new(charge.amount_cents);
        span.finish(charter::ShopOrderId::new(&charge.order_id), cents);
        let authorisation = authorised?;
        if fault::on(fault::CRASH) && number.is_multiple_of(CRASH_EVERY) {
            tracing::error!(order = charge.order_id, "process dies, as the fault crash asks");
            std::process::exit(CRASH_STATUS);
        }
        let record = sqlx::query(RECORD.text)
            .bind(charge.order_id)
            .bind(charge.amount_cents)
            .bind(authorisation.clone());
        self.tables.execute(&RECORD, record).await.map_err(|error| {
            telemetry::fail(&Span::current(), "sqlx::Error", &error);
            Status::internal(format!("write the charge down: {error}"))
        })?;
        Ok(Response::new(ChargeReply { authorisation }))
    }
}

/// Asks the card network.
async fn authorise(charge: &ChargeRequest) -> Result<String, Status> {
    async {
        telemetry::note(charter::ShopOrderCents::new(charge.amount_cents));
        let wait = if fault::on(fault::SLOW_PAYMENT) { SLOW } else { USUAL };
        tokio::time::sleep(wait).await;
        if charge.card == "card-declined" {
            tracing::info!("card is declined");
            return Err(Status::failed_precondition("the card is declined; use another one"));
        }
        Ok(format!("auth-{}", charge.order_id))
    }
    .instrument(info_span!("authorise card"))
    .await
}

fn main() -> ExitCode {
    process::run("payment", serve())
}

async fn serve() -> Result<(), Failure> {
    let cards =
        Cards { tables: Tables::open("payment", SCHEMA).await?, charges: AtomicU64::new(0) };
    grpc::serve("payment", PaymentServer::new(cards)).await
}
