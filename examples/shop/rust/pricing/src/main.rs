//! Pricing turns list prices into today's prices. It speaks gRPC and knows
//! nothing but arithmetic: a session is given its discount by its name.

use std::process::ExitCode;

use fleet::charter::ShopDiscountPercent;
use fleet::words::pricing_server::{Pricing, PricingServer};
use fleet::words::{QuoteReply, QuoteRequest};
use fleet::{Failure, grpc, process, telemetry};
use tonic::{Request, Response, Status};

/// Items in one request at most.
const MAX_ITEMS: usize = 500;

struct Prices;

#[tonic::async_trait]
impl Pricing for Prices {
    async fn quote(&self, request: Request<QuoteRequest>) -> Result<Response<QuoteReply>, Status> {
        let items = request.into_inner().items;
        if items.len() > MAX_ITEMS {
            return Err(Status::invalid_argument(format!(
                "{} items; ask for {MAX_ITEMS} at most",
                items.len()
            )));
        }
        let session = telemetry::session().unwrap_or_default();
        let percent = discount_percent(&session);
        let price_cents = items.iter().map(|item| discounted(item.base_cents, percent)).collect();
        telemetry::note(ShopDiscountPercent::new(percent));
        Ok(Response::new(QuoteReply { price_cents }))
    }
}

/// One session in four gets five percent off.
fn discount_percent(session: &str) -> i64 {
    let sum: u32 = session.bytes().map(u32::from).sum();
    if !session.is_empty() && sum.is_multiple_of(4) { 5 } else { 0 }
}

fn discounted(cents: i64, percent: i64) -> i64 {
    cents - cents * percent / 100
}

fn main() -> ExitCode {
    process::run("pricing", serve())
}

async fn serve() -> Result<(), Failure> {
    grpc::serve("pricing", PricingServer::new(Prices)).await
}
