//! Tables of a Rust service: one SQLite file per service by default, or one
//! PostgreSQL database for the whole fleet. Both are spoken to by sqlx with
//! `$1` placeholders, and each statement is a client span.

use std::path::Path;
use std::time::Instant;

use opentelemetry::KeyValue;
use sqlx::any::{AnyArguments, AnyPoolOptions, AnyRow};
use sqlx::{Any, AnyPool};
use tracing::{Instrument, info_span};

use crate::stack::{Stack, running};
use crate::telemetry::meters::METERS;
use crate::{Failure, telemetry};

/// A statement with its arguments.
pub type Query<'q> = sqlx::query::Query<'q, Any, AnyArguments>;

/// A statement and what stock telemetry says of it.
pub struct Statement {
    pub operation: &'static str,
    pub table: &'static str,
    pub text: &'static str,
}

/// Connections per service: a fleet of ten services must fit into PostgreSQL's
/// default of 100.
const CONNECTIONS: u32 = 4;

/// A service's tables.
pub struct Tables {
    pub pool: AnyPool,
    traced: clew::sqlx::Traced<Any>,
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
        let traced = clew::sqlx::wrap(pool.clone()).system(system).namespace(&namespace);
        Ok(Tables { pool, traced, system, namespace })
    }

    /// Runs a statement that gives at most one row.
    pub async fn fetch_optional(
        &self,
        what: &Statement,
        query: Query<'_>,
    ) -> Result<Option<AnyRow>, sqlx::Error> {
        match running() {
            Stack::Kit => query.fetch_optional(&self.traced).await,
            Stack::Stock => self.stock(what, query.fetch_optional(&self.pool)).await,
            Stack::Off => query.fetch_optional(&self.pool).await,
        }
    }

    /// Runs a statement that gives none.
    pub async fn execute(&self, what: &Statement, query: Query<'_>) -> Result<(), sqlx::Error> {
        match running() {
            Stack::Kit => query.execute(&self.traced).await,
            Stack::Stock => self.stock(what, query.execute(&self.pool)).await,
            Stack::Off => query.execute(&self.pool).await,
        }
        .map(|_| ())
    }

    /// A statement as a span of stock OpenTelemetry, which has no instrumentation of sqlx.
    async fn stock<T>(
        &self,
        what: &Statement,
        statement: impl Future<Output = Result<T, sqlx::Error>>,
    ) -> Result<T, sqlx::Error> {
        let span = info_span!(
            "statement",
            otel.name = format!("{} {}", what.operation, what.table),
            otel.kind = "client",
            db.system.name = self.system,
            db.namespace = self.namespace,
            db.operation.name = what.operation,
            db.collection.name = what.table,
            db.query.text = what.text,
        );
        let began = Instant::now();
        let outcome = statement.instrument(span.clone()).await;
        let mut about = vec![
            KeyValue::new("db.system.name", self.system),
            KeyValue::new("db.namespace", self.namespace.clone()),
            KeyValue::new("db.operation.name", what.operation),
            KeyValue::new("db.collection.name", what.table),
        ];
        if let Err(error) = &outcome {
            about.push(KeyValue::new("error.type", "sqlx::Error"));
            telemetry::fail(&span, "sqlx::Error", error);
        }
        METERS.database.since(began, &about);
        outcome
    }
}
