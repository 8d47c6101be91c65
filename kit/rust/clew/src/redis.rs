//! The redis crate: a CLIENT span and a duration for each command and pipeline. Arguments are not recorded: `db.query.text` is `GET ?`.
//!
//! ```no_run
//! # #[cfg(feature = "redis")] {
//! # async fn example(client: redis::Client, connection: redis::aio::MultiplexedConnection) -> redis::RedisResult<()> {
//! use redis::AsyncCommands;
//!
//! let mut cache = clew::redis::wrap(connection, &client);
//! let _: () = cache.set("order", 7).await?;
//! # Ok(()) } }
//! ```

use std::fmt::Write as _;
use std::sync::Arc;

use redis::aio::ConnectionLike;
use redis::{Arg, Client, Cmd, ConnectionAddr, Pipeline, RedisError, RedisFuture, ServerError, Value};

use crate::database::{self, Database, DatabaseCall, Failed, Statement};

/// How many commands of a pipeline, and how many arguments of a command, are told apart.
const MAX_SHOWN: usize = 64;

/// Wraps an asynchronous connection of `client`: a `MultiplexedConnection`, a `ConnectionManager`, or one of a cluster.
pub fn wrap<C: ConnectionLike>(connection: C, client: &Client) -> Traced<C> {
    let (host, port) = match client.get_connection_info().addr() {
        ConnectionAddr::Tcp(host, port) | ConnectionAddr::TcpTls { host, port, .. } => (host.clone(), *port),
        other => (other.to_string(), 0),
    };
    wrap_at(connection, &host, port)
}

/// Wraps an asynchronous connection to a server that is known by other means. An empty host and a port of 0 are left out.
pub fn wrap_at<C: ConnectionLike>(connection: C, host: &str, port: u16) -> Traced<C> {
    let namespace = connection.get_db().to_string();
    Traced { connection, known: Arc::new(Database::new("redis", &namespace, host, port)) }
}

/// A connection whose commands are recorded.
#[derive(Clone, Debug)]
pub struct Traced<C> {
    connection: C,
    known: Arc<Database>,
}

impl<C> Traced<C> {
    /// The connection itself.
    pub fn into_inner(self) -> C {
        self.connection
    }
}

impl<C: ConnectionLike + Send> ConnectionLike for Traced<C> {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        if !database::on() {
            return self.connection.req_packed_command(cmd);
        }
        let name = name(cmd);
        let mut text = String::new();
        describe(cmd, &mut text);
        let mut call = self.known.start(Arc::new(Statement::operation(&name, text)));
        let answer = self.connection.req_packed_command(cmd);
        Box::pin(async move {
            let answer = call.span.clone().instrument(answer).await;
            end(&mut call, answer.as_ref().map(std::slice::from_ref));
            answer
        })
    }

    fn req_packed_commands<'a>(&'a mut self, pipeline: &'a Pipeline, offset: usize, count: usize) -> RedisFuture<'a, Vec<Value>> {
        if !database::on() {
            return self.connection.req_packed_commands(pipeline, offset, count);
        }
        let mut text = String::new();
        for (number, cmd) in pipeline.cmd_iter().take(MAX_SHOWN).enumerate() {
            if number > 0 {
                text.push('\n');
            }
            describe(cmd, &mut text);
        }
        let name = if pipeline.is_transaction() { "MULTI" } else { "PIPELINE" };
        let mut call = self.known.start(Arc::new(Statement::operation(name, text)));
        let size = pipeline.cmd_iter().count();
        if size > 1 {
            call.span.set("db.operation.batch.size", size);
        }
        let answer = self.connection.req_packed_commands(pipeline, offset, count);
        Box::pin(async move {
            let answer = call.span.clone().instrument(answer).await;
            end(&mut call, answer.as_deref());
            answer
        })
    }

    fn get_db(&self) -> i64 {
        self.connection.get_db()
    }
}

fn end(call: &mut DatabaseCall, answer: Result<&[Value], &RedisError>) {
    match answer {
        Err(error) => {
            let class = if error.is_timeout() { "timeout" } else { "redis::RedisError" };
            call.end(Some(Failed { code: error.code(), class, error }));
        }
        // What the server refuses comes as a value, and becomes an error only when it is turned into the caller's type.
        Ok(values) => match values.iter().find_map(refused) {
            Some(error) => call.end(Some(Failed { code: Some(error.code()), class: "redis::ServerError", error: &text(error) })),
            None => call.end(None),
        },
    }
}

fn refused(value: &Value) -> Option<&ServerError> {
    match value {
        Value::ServerError(error) => Some(error),
        _ => None,
    }
}

fn text(error: &ServerError) -> String {
    match error.details() {
        Some(details) => format!("{}: {details}", error.code()),
        None => error.code().to_owned(),
    }
}

/// The command's name, in capitals.
fn name(cmd: &Cmd) -> String {
    match cmd.args_iter().next() {
        Some(Arg::Simple(name)) => String::from_utf8_lossy(name).to_ascii_uppercase(),
        _ => "UNKNOWN".to_owned(),
    }
}

/// The command with each argument as a question mark.
fn describe(cmd: &Cmd, text: &mut String) {
    let arguments = cmd.args_iter().len().saturating_sub(1).min(MAX_SHOWN);
    let _ = write!(text, "{}{}", name(cmd), " ?".repeat(arguments));
}
