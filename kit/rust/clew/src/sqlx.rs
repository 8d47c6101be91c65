//! sqlx: a CLIENT span and a duration for each statement, its literals taken out.
//!
//! ```
//! # #[cfg(feature = "sqlx")] {
//! # async fn example<D>(pool: sqlx::Pool<D>) -> Result<(), sqlx::Error>
//! # where
//! #     D: sqlx::Database,
//! #     D::Arguments: sqlx::IntoArguments<D>,
//! #     for<'c> &'c mut D::Connection: sqlx::Executor<'c, Database = D>,
//! # {
//! let db = clew::sqlx::wrap(pool).server("db.internal", 5432).namespace("shop");
//! let rows = sqlx::query("select * from orders").fetch_all(&db).await?;
//!
//! let mut transaction = db.begin().await?;
//! sqlx::query("delete from orders").execute(db.on(&mut *transaction)).await?;
//! transaction.commit().await?;
//! # Ok(()) } }
//! ```
//!
//! The span of a statement whose rows are streamed ends with the stream. "No rows" is no error; a statement that is dropped before its
//! answer, by a timeout or with its task, is `canceled`.

use std::fmt;
use std::future::Future;
use std::ops::Deref;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as Cx, Poll};

use futures_core::Stream;
use futures_core::future::BoxFuture;
use futures_core::stream::BoxStream;
use sqlx::error::BoxDynError;
use sqlx::{ConnectOptions, Connection, Database, Either, Error, Execute, Executor, Pool, SqlStr, Statement as _};

use crate::database::{self, Database as Described, DatabaseCall, Failed};

/// Wraps a pool. What the database is, and where, is taken from the pool's options where sqlx's own drivers tell it.
pub fn wrap<D: Database>(pool: Pool<D>) -> Traced<D> {
    let system = match D::NAME {
        "PostgreSQL" => "postgresql",
        "SQLite" => "sqlite",
        "MySQL" => "mysql",
        "MSSQL" => "microsoft.sql_server",
        _ => "other_sql",
    };
    let mut known = Described::new(system, "", "", 0);
    if matches!(system, "postgresql" | "mysql") {
        // Other drivers need not have this; those of sqlx do.
        let url = <<D as Database>::Connection as Connection>::Options::to_url_lossy(&pool.connect_options());
        let namespace = url.path().trim_start_matches('/');
        known = Described::new(system, namespace, url.host_str().unwrap_or_default(), url.port().unwrap_or(0));
    }
    Traced { pool, known: Arc::new(known) }
}

/// A pool whose statements are recorded: `&Traced` is an executor. It is the pool for everything else.
pub struct Traced<D: Database> {
    pool: Pool<D>,
    known: Arc<Described>,
}

impl<D: Database> Clone for Traced<D> {
    fn clone(&self) -> Self {
        Traced { pool: self.pool.clone(), known: self.known.clone() }
    }
}

impl<D: Database> fmt::Debug for Traced<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Traced").field("pool", &self.pool).finish_non_exhaustive()
    }
}

impl<D: Database> Deref for Traced<D> {
    type Target = Pool<D>;

    fn deref(&self) -> &Pool<D> {
        &self.pool
    }
}

impl<D: Database> Traced<D> {
    /// Names the system as the semantic conventions do (`postgresql`, `sqlite`): for pools that do not tell, as those of `sqlx::Any`.
    #[must_use]
    pub fn system(self, name: &'static str) -> Self {
        let known = Described::new(name, &self.known.namespace, &self.known.host, self.known.port);
        Traced { known: Arc::new(known), ..self }
    }

    /// Says where the database is.
    #[must_use]
    pub fn server(self, host: &str, port: u16) -> Self {
        let known = Described::new(self.known.system, &self.known.namespace, host, port);
        Traced { known: Arc::new(known), ..self }
    }

    /// Names the database that statements run in (`db.namespace`).
    #[must_use]
    pub fn namespace(self, name: &str) -> Self {
        let known = Described::new(self.known.system, name, &self.known.host, self.known.port);
        Traced { known: Arc::new(known), ..self }
    }

    /// Records the statements of another executor on the same database: a transaction's or a connection's.
    pub fn on<'c, E: Executor<'c, Database = D>>(&self, executor: E) -> On<E> {
        On { executor, known: self.known.clone() }
    }
}

/// An executor whose statements are recorded. Made by [`Traced::on`].
#[derive(Debug)]
pub struct On<E> {
    executor: E,
    known: Arc<Described>,
}

/// A statement whose text was read: sqlx hands the text out only by giving up the query.
struct Read<A> {
    sql: SqlStr,
    arguments: Result<Option<A>, BoxDynError>,
    persistent: bool,
}

impl<D: Database> Execute<'_, D> for Read<D::Arguments> {
    fn sql(self) -> SqlStr {
        self.sql
    }

    fn statement(&self) -> Option<&D::Statement> {
        None
    }

    fn take_arguments(&mut self) -> Result<Option<D::Arguments>, BoxDynError> {
        std::mem::replace(&mut self.arguments, Ok(None))
    }

    fn persistent(&self) -> bool {
        self.persistent
    }
}

impl<E> On<E> {
    fn start(&self, text: &str) -> DatabaseCall {
        self.known.start(self.known.sql(text))
    }
}

impl<'c, D: Database, E: Executor<'c, Database = D>> Executor<'c> for On<E> {
    type Database = D;

    fn fetch_many<'e, 'q: 'e, Q>(self, mut query: Q) -> BoxStream<'e, Result<Either<D::QueryResult, D::Row>, Error>>
    where
        'c: 'e,
        Q: 'q + Execute<'q, D>,
    {
        if !database::on() {
            return self.executor.fetch_many(query);
        }
        if let Some(statement) = query.statement() {
            let call = self.start(statement.sql().as_str());
            return Box::pin(Rows { call, answered: false, rows: self.executor.fetch_many(query) });
        }
        let (arguments, persistent, sql) = (query.take_arguments(), query.persistent(), query.sql());
        let call = self.start(sql.as_str());
        Box::pin(Rows { call, answered: false, rows: self.executor.fetch_many(Read { sql, arguments, persistent }) })
    }

    fn fetch_optional<'e, 'q: 'e, Q>(self, mut query: Q) -> BoxFuture<'e, Result<Option<D::Row>, Error>>
    where
        'c: 'e,
        Q: 'q + Execute<'q, D>,
    {
        if !database::on() {
            return self.executor.fetch_optional(query);
        }
        if let Some(statement) = query.statement() {
            let call = self.start(statement.sql().as_str());
            return Box::pin(finish(call, self.executor.fetch_optional(query)));
        }
        let (arguments, persistent, sql) = (query.take_arguments(), query.persistent(), query.sql());
        let call = self.start(sql.as_str());
        Box::pin(finish(call, self.executor.fetch_optional(Read { sql, arguments, persistent })))
    }

    fn prepare_with<'e>(self, sql: SqlStr, parameters: &'e [D::TypeInfo]) -> BoxFuture<'e, Result<D::Statement, Error>>
    where
        'c: 'e,
    {
        self.executor.prepare_with(sql, parameters)
    }

    fn describe<'e>(self, sql: SqlStr) -> BoxFuture<'e, Result<sqlx::Describe<D>, Error>>
    where
        'c: 'e,
    {
        self.executor.describe(sql)
    }
}

impl<'p, D: Database> Executor<'p> for &'p Traced<D>
where
    for<'c> &'c mut D::Connection: Executor<'c, Database = D>,
{
    type Database = D;

    fn fetch_many<'e, 'q: 'e, Q>(self, query: Q) -> BoxStream<'e, Result<Either<D::QueryResult, D::Row>, Error>>
    where
        'p: 'e,
        Q: 'q + Execute<'q, D>,
    {
        self.on(&self.pool).fetch_many(query)
    }

    fn fetch_optional<'e, 'q: 'e, Q>(self, query: Q) -> BoxFuture<'e, Result<Option<D::Row>, Error>>
    where
        'p: 'e,
        Q: 'q + Execute<'q, D>,
    {
        self.on(&self.pool).fetch_optional(query)
    }

    fn prepare_with<'e>(self, sql: SqlStr, parameters: &'e [D::TypeInfo]) -> BoxFuture<'e, Result<D::Statement, Error>>
    where
        'p: 'e,
    {
        (&self.pool).prepare_with(sql, parameters)
    }

    fn describe<'e>(self, sql: SqlStr) -> BoxFuture<'e, Result<sqlx::Describe<D>, Error>>
    where
        'p: 'e,
    {
        (&self.pool).describe(sql)
    }
}

/// Runs a call to its end in its span.
async fn finish<T>(mut call: DatabaseCall, answer: impl Future<Output = Result<T, Error>> + Send) -> Result<T, Error> {
    let answer = call.span.clone().instrument(answer).await;
    end(&mut call, answer.as_ref().err());
    answer
}

fn end(call: &mut DatabaseCall, error: Option<&Error>) {
    let Some(error) = error.filter(|error| !matches!(error, Error::RowNotFound)) else {
        call.end(None);
        return;
    };
    let code = error.as_database_error().and_then(|error| error.code());
    let class = match error {
        Error::PoolTimedOut => "timeout",
        _ => "sqlx::Error",
    };
    call.end(Some(Failed { code: code.as_deref(), class, error }));
}

/// Rows that are still coming.
struct Rows<'e, T> {
    call: DatabaseCall,
    /// The database has sent something.
    answered: bool,
    rows: BoxStream<'e, Result<T, Error>>,
}

impl<T> Stream for Rows<'_, T> {
    type Item = Result<T, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Cx<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        let (call, rows) = (&this.call, &mut this.rows);
        let next = call.span.in_scope(|| rows.as_mut().poll_next(cx));
        match &next {
            Poll::Ready(None) => end(&mut this.call, None),
            Poll::Ready(Some(Err(error))) => end(&mut this.call, Some(error)),
            Poll::Ready(Some(Ok(_))) => this.answered = true,
            Poll::Pending => {}
        }
        next
    }
}

impl<T> Drop for Rows<'_, T> {
    fn drop(&mut self) {
        // Not reading all rows is no error, but going away before the answer came is; the call says so itself.
        if self.answered && !std::thread::panicking() {
            self.call.end(None);
        }
    }
}
