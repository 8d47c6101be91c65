//! Notification tells customers where their order is. It only speaks messages:
//! a shipment created becomes a message to the customer, played by a line in the
//! log, and a notification sent.

use std::process::ExitCode;

use fleet::bus::{Bus, NOTIFICATION_SENT, Order, SHIPMENT_CREATED};
use fleet::charter::ShopOrderId;
use fleet::{Failure, process, telemetry};
use tracing::{Instrument, info, info_span};

async fn notify(bus: &Bus, order: Order) -> Result<(), Failure> {
    async {
        telemetry::note(ShopOrderId::new(&order.id));
        info!(customer = order.customer, "your order is on its way");
    }
    .instrument(info_span!("write to customer"))
    .await;
    bus.send(NOTIFICATION_SENT, &order).await
}

fn main() -> ExitCode {
    process::run("notification", serve())
}

async fn serve() -> Result<(), Failure> {
    let bus = Bus::open("notification").await?;
    process::ready();
    tokio::select! {
        ended = bus.consume("notification", SHIPMENT_CREATED, async |order| notify(&bus, order).await) => ended,
        () = process::stopped() => Ok(()),
    }
}
