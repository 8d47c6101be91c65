//! Tables of a Rust service: one SQLite file per service by default, or one
//! PostgreSQL database for the whole fleet. Both are spoken to by sqlx with
//! `$1` placeholders, and each statement is a client span.

use std::path::Path;

use sqlx::AnyPool;
use sqlx::any::AnyPoolOptions;
use tracing::{Instrument, info_span};

use crate::{Failure, telemetry};

/// Connections per service: a fleet of ten services must fit into PostgreSQL's
/// default of 100.
const CONNECTIONS: u32 = 4;

/// A service's tables.
pub struct Tables {
    pub pool: AnyPool,
    system: &'static str,
    namespace: String,
}

impl Tables {
    /// Opens a service's tables and makes those of `schema` that are not there.
    pub async fn open(service: &str, schema: &'static str) -> Result<Tables, Failure> {
        sqlx::any::install_default_drivers();
        let database = std::env::var("SHOP_DATABASE").unwrap_or_default();
        let (address, system, namespace) = if database.is_empty() {
            let data = std::env::var("SHOP_DATA").map_err(
                |_| "SHOP_DATA is not set: start the fleet with `shop up`, or set it to a folder",
            )?;
            let file = format!("{service}.db");
            let path = Path::new(&data).join(&file);
            (format!("sqlite://{}?mode=rwc", path.display()), "sqlite", file)
        } else {
            let name = database.rsplit('/').next().unwrap_or_default();
            let name = name.split('?').next().unwrap_or_default().to_owned();
            (database, "postgresql", name)
        };
        let pool = AnyPoolOptions::new()
            .max_connections(CONNECTIONS)
            .connect(&address)
            .await
            .map_err(|e| format!("open the tables of {service}: {e}"))?;
        sqlx::query(schema)
            .execute(&pool)
            .await
            .map_err(|e| format!("make the tables of {service}: {e}"))?;
        Ok(Tables { pool, system, namespace })
    }

    /// Runs one statement as a span. `operation` and `table` name the span, as
    /// the conventions ask; `text` is the statement.
    pub async fn traced<T>(
        &self,
        operation: &'static str,
        table: &'static str,
        text: &'static str,
        statement: impl Future<Output = Result<T, sqlx::Error>>,
    ) -> Result<T, sqlx::Error> {
        let span = info_span!(
            "statement",
            otel.name = format!("{operation} {table}"),
            otel.kind = "client",
            db.system.name = self.system,
            db.namespace = self.namespace,
            db.operation.name = operation,
            db.collection.name = table,
            db.query.text = text,
        );
        let outcome = statement.instrument(span.clone()).await;
        if let Err(error) = &outcome {
            telemetry::fail(&span, "sqlx::Error", error);
        }
        outcome
    }
}
