//! Pricing turns list prices into today's prices. It speaks gRPC and knows
//! nothing but arithmetic: a session is given its discount by its name.

use std::process::ExitCode;

use fleet::grpc::ServerSpans;
use fleet::words::pricing_server::{Pricing, PricingServer};
use fleet::words::{QuoteReply, QuoteRequest};
use fleet::{Failure, process, telemetry};
use tonic::{Request, Response, Status};
use tracing::Span;

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
        let session = telemetry::session(&telemetry::current()).unwrap_or_default();
        let percent = discount_percent(&session);
        let price_cents = items.iter().map(|item| discounted(item.base_cents, percent)).collect();
        telemetry::note(&Span::current(), "shop.discount.percent", percent);
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
    let listener = process::listen("pricing").await?;
    process::ready();
    tonic::transport::Server::builder()
        .layer(ServerSpans)
        .add_service(PricingServer::new(Prices))
        .serve_with_incoming_shutdown(
            tonic::transport::server::TcpIncoming::from(listener),
            process::stopped(),
        )
        .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_without_a_name_pays_the_list_price() {
        assert_eq!(discount_percent(""), 0);
    }

    #[test]
    fn the_same_session_always_gets_the_same_discount() {
        assert_eq!(discount_percent("d"), 5);
        assert_eq!(discount_percent("e"), 0);
    }

    #[test]
    fn a_discount_is_rounded_for_the_shop() {
        assert_eq!(discounted(1999, 5), 1900);
        assert_eq!(discounted(10, 5), 10);
    }
}
