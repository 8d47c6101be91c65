//! Account is a customer's own page: it speaks HTTP, reads its table with sqlx
//! and asks checkout for the customer's orders with reqwest. The fault
//! retry-storm lives here and in its callers.
//!
//! `GET /customers/{id}` → 200 `{"id","name","orders":[…]}`.

use std::process::ExitCode;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::get;
use fleet::db::{Statement, Tables};
use fleet::http::{Answer, refusal};
use fleet::{Failure, fault, http, process, telemetry};
use serde_json::json;
use sqlx::Row;
use tracing::Span;

const SCHEMA: &str =
    "CREATE TABLE IF NOT EXISTS customers (id TEXT PRIMARY KEY, name TEXT NOT NULL)";
const FILL: &str = "INSERT INTO customers (id, name) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING";
const READ: Statement = Statement {
    operation: "SELECT",
    table: "customers",
    text: "SELECT name FROM customers WHERE id = $1",
};

/// As many as the traffic driver draws from.
const CUSTOMERS: u32 = 40;

struct Page {
    tables: Tables,
    client: reqwest::Client,
    checkout: String,
}

async fn customer(State(page): State<Arc<Page>>, Path(id): Path<String>) -> Answer {
    if fault::on(fault::RETRY_STORM) {
        telemetry::fail(&Span::current(), "Overloaded", "too many requests are waiting");
        return refusal(StatusCode::SERVICE_UNAVAILABLE, "too many requests are waiting");
    }
    let read = sqlx::query(READ.text).bind(id.clone());
    let row = match page.tables.fetch_optional(&READ, read).await {
        Ok(Some(row)) => row,
        Ok(None) => return refusal(StatusCode::NOT_FOUND, format!("no customer {id:?}")),
        Err(error) => {
            telemetry::fail(&Span::current(), "sqlx::Error", &error);
            return refusal(StatusCode::INTERNAL_SERVER_ERROR, error);
        }
    };
    let name: String = row.get(0);
    let request =
        page.client.get(format!("http://{}/orders", page.checkout)).query(&[("customer", &id)]);
    let orders = http::call(request, 0).await;
    if orders.status != StatusCode::OK {
        return orders;
    }
    Answer {
        status: StatusCode::OK,
        body: json!({ "id": id, "name": name, "orders": orders.body }),
    }
}

fn main() -> ExitCode {
    process::run("account", serve())
}

async fn serve() -> Result<(), Failure> {
    let tables = Tables::open("account", SCHEMA).await?;
    for number in 0..CUSTOMERS {
        sqlx::query(FILL)
            .bind(format!("c-{number:02}"))
            .bind(format!("Customer {number}"))
            .execute(&tables.pool)
            .await
            .map_err(|e| format!("fill the customers: {e}"))?;
    }
    let page = Page {
        tables,
        client: http::client("account").build()?,
        checkout: process::address("checkout")?,
    };
    let router = Router::new().route("/customers/{id}", get(customer)).with_state(Arc::new(page));
    http::serve("account", router).await
}
