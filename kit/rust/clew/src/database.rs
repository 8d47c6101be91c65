//! What integrations of database clients record with: one CLIENT span and one duration a call, in the words of the contract.

use std::fmt;
use std::sync::{Arc, LazyLock};
use std::time::Instant;

use crate::bound::Cache;
use crate::metrics::{self, BoundHistogram, Histogram, Label};
use crate::span::{self, Facts, Parent};
use crate::{Component, Kind, Level, Span};

/// What may be said about a statement.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Statement {
    /// Without literals.
    pub text: String,
    /// As `SELECT orders`.
    pub summary: String,
    pub operation: String,
    /// The table, when there is just one.
    pub collection: String,
}

impl Statement {
    /// A statement that is one operation.
    #[cfg(feature = "redis")]
    pub(crate) fn operation(operation: &str, text: String) -> Statement {
        Statement { text, summary: operation.to_owned(), operation: operation.to_owned(), collection: String::new() }
    }
}

/// A failed call: the database's own code, if it has one, and the class of the error else.
pub(crate) struct Failed<'a> {
    pub code: Option<&'a str>,
    pub class: &'a str,
    pub error: &'a dyn fmt::Display,
}

/// A database as its clients see it. Made once, shared by all calls.
#[derive(Default)]
pub(crate) struct Database {
    /// A name of the semantic conventions: `postgresql`, `redis`.
    pub system: &'static str,
    /// Empty for none.
    pub namespace: String,
    /// Empty for none.
    pub host: String,
    /// 0 for none.
    pub port: u16,
    #[cfg(feature = "sqlx")]
    statements: Cache<String, Arc<Statement>>,
    durations: Cache<(String, String), BoundHistogram>,
}

/// The longest statement that is remembered: those with literals in them are mostly the long ones.
#[cfg(feature = "sqlx")]
const LONGEST: usize = 1_024;

static DURATION: LazyLock<Histogram> = LazyLock::new(|| {
    let bounds = crate::selfmetrics::BOUNDS;
    metrics::Options::new().needs(Component::Sql, Level::Standard).bounds(&bounds).histogram("db.client.operation.duration", "s")
});

/// The component is on for calls.
#[inline]
pub(crate) fn on() -> bool {
    crate::switch::on(Component::Sql, Level::Standard)
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Database").field("system", &self.system).field("namespace", &self.namespace).finish_non_exhaustive()
    }
}

impl Database {
    /// Describes a database.
    pub(crate) fn new(system: &'static str, namespace: &str, host: &str, port: u16) -> Database {
        Database { system, namespace: namespace.to_owned(), host: host.to_owned(), port, ..Database::default() }
    }

    /// Takes the literals out of a statement of SQL.
    #[cfg(feature = "sqlx")]
    pub(crate) fn sql(&self, text: &str) -> Arc<Statement> {
        let read = || {
            let known = crate::sanitise::sql(self.system, text);
            Arc::new(Statement {
                text: known.text.into(),
                summary: known.summary,
                operation: known.operation,
                collection: known.collection,
            })
        };
        if text.len() > LONGEST { read() } else { self.statements.get(text, read) }
    }

    /// Starts the span of a call.
    #[track_caller]
    pub(crate) fn start(self: &Arc<Self>, statement: Arc<Statement>) -> DatabaseCall {
        let name = match (&*statement.summary, &*statement.operation) {
            ("", "") => self.system,
            ("", operation) => operation,
            (summary, _) => summary,
        };
        let span = span::start_with(Component::Sql, Level::Standard, Kind::Client, name, Parent::Current, Facts::default());
        DatabaseCall { database: self.clone(), statement, span, started: Instant::now(), ended: false }
    }

    fn bind(&self, operation: &str, failed: &str) -> BoundHistogram {
        let mut labels: Vec<Label<'_>> = vec![("db.system.name", self.system.into())];
        for (key, value) in [("db.operation.name", operation), ("error.type", failed)] {
            if !value.is_empty() {
                labels.push((key, value.into()));
            }
        }
        DURATION.with(&labels)
    }
}

/// A call that is under way. Dropped before its end it counts as canceled.
pub(crate) struct DatabaseCall {
    database: Arc<Database>,
    statement: Arc<Statement>,
    pub span: Span,
    started: Instant,
    ended: bool,
}

impl DatabaseCall {
    /// Ends the call; "no rows" is for the caller to leave out.
    pub(crate) fn end(&mut self, failed: Option<Failed<'_>>) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        let (database, statement) = (&*self.database, &*self.statement);
        // That of a trace that is not sampled goes out only as the summary of a failure.
        if self.span.recording() || failed.is_some() {
            self.span.set("db.system.name", database.system);
            for (key, value) in [
                ("db.namespace", &database.namespace),
                ("server.address", &database.host),
                ("db.query.text", &statement.text),
                ("db.query.summary", &statement.summary),
                ("db.operation.name", &statement.operation),
                ("db.collection.name", &statement.collection),
            ] {
                if !value.is_empty() {
                    self.span.set(key, value);
                }
            }
            if database.port != 0 {
                self.span.set("server.port", database.port);
            }
        }
        let mut class = "";
        if let Some(failed) = failed {
            class = failed.code.unwrap_or(failed.class);
            if let Some(code) = failed.code {
                self.span.set("db.response.status_code", code);
            }
            self.span.set("error.type", class);
            self.span.fail(failed.error);
        }
        let key = (statement.operation.clone(), class.to_owned());
        let duration = database.durations.get(&key, || database.bind(&statement.operation, class));
        self.span.in_scope(|| duration.record(self.started.elapsed().as_secs_f64()));
        self.span.finish();
    }
}

impl Drop for DatabaseCall {
    fn drop(&mut self) {
        if !self.ended {
            let class = if std::thread::panicking() { "panic" } else { "canceled" };
            self.end(Some(Failed { code: None, class, error: &"the call was dropped before its answer" }));
        }
    }
}
