//! sqlx against a real SQLite.

use clew::testing::Recorder;
use futures_util::{FutureExt, TryStreamExt};
use sqlx::sqlite::SqlitePoolOptions;
use sqlx::{Row, Sqlite};

const SHOWN: [&str; 6] =
    ["db.system.name", "db.query.text", "db.operation.name", "db.collection.name", "db.response.status_code", "error.type"];

async fn database() -> clew::sqlx::Traced<Sqlite> {
    let pool = SqlitePoolOptions::new().max_connections(1).connect("sqlite::memory:").await.expect("a database");
    sqlx::query("create table orders (id integer primary key, note text)").execute(&pool).await.expect("created");
    clew::sqlx::wrap(pool)
}

#[tokio::test]
async fn statements_are_spans_without_their_literals() {
    let db = database().await;
    let recorder = Recorder::start();
    sqlx::query("insert into orders (id, note) values (1, 'secret')").execute(&db).await.expect("inserted");
    sqlx::query("insert into orders (id, note) values (?, ?)").bind(2).bind("two").execute(&db).await.expect("inserted");
    let note: (String,) = sqlx::query_as("select note from orders where id = ?").bind(2).fetch_one(&db).await.expect("a row");
    assert_eq!(note.0, "two");
    assert!(sqlx::query("select * from orders where id = 9").fetch_optional(&db).await.expect("no row").is_none());
    assert!(matches!(sqlx::query("select * from orders where id = 9").fetch_one(&db).await, Err(sqlx::Error::RowNotFound)));
    let all = sqlx::query("select id from orders order by id").fetch_all(&db).await.expect("rows");
    assert_eq!(all.iter().map(|row| row.get::<i64, _>(0)).collect::<Vec<_>>(), [1, 2]);
    let tree = recorder.tree(&SHOWN[..4]);
    let want = [
        ("INSERT orders", "insert into orders (id, note) values (?, ?)"),
        ("INSERT orders", "insert into orders (id, note) values (?, ?)"),
        ("SELECT orders", "select note from orders where id = ?"),
        ("SELECT orders", "select * from orders where id = ?"),
        ("SELECT orders", "select * from orders where id = ?"),
        ("SELECT orders", "select id from orders order by id"),
    ];
    let want: String = want
        .iter()
        .enumerate()
        .map(|(at, (summary, text))| {
            let operation = summary.split(' ').next().unwrap_or_default();
            format!(
                "trace {}\n└─ CLIENT {summary} (test) db.collection.name=orders db.operation.name={operation} \
                 db.query.text=\"{text}\" db.system.name=sqlite\n",
                at + 1
            )
        })
        .collect();
    assert_eq!(tree, want);
}

#[tokio::test]
async fn errors_have_the_code_of_the_database() {
    let db = database().await;
    let recorder = Recorder::start();
    sqlx::query("insert into orders (id) values (1)").execute(&db).await.expect("inserted");
    assert!(sqlx::query("insert into orders (id) values (1)").execute(&db).await.is_err());
    let spans = recorder.spans();
    let code = spans[1].attribute("db.response.status_code").map(ToString::to_string);
    // SQLITE_CONSTRAINT_PRIMARYKEY.
    assert_eq!(code.as_deref(), Some("\"1555\""));
    assert_eq!(spans[1].attribute("error.type"), spans[1].attribute("db.response.status_code"));
    assert!(matches!(spans[1].status, clew::testing::Status::Error(_)));
}

#[tokio::test]
async fn transactions_and_streams_are_recorded_under_their_span() {
    let db = database().await;
    let recorder = Recorder::start();
    let request =
        clew::span::start(clew::Component::App, clew::Level::Standard, clew::Kind::Internal, "request", clew::span::Parent::Current);
    request
        .clone()
        .instrument(async {
            let mut transaction = db.begin().await.expect("begun");
            for id in 1..=3 {
                let insert = sqlx::query("insert into orders (id) values (?)").bind(id);
                insert.execute(db.on(&mut *transaction)).await.expect("inserted");
            }
            transaction.commit().await.expect("committed");
            let mut rows = sqlx::query("select id from orders").fetch(&db);
            assert!(rows.try_next().await.expect("a row").is_some());
            // The rest of the rows is not read.
            drop(rows);
        })
        .await;
    request.finish();
    assert_eq!(
        recorder.tree(&["error.type"]),
        "trace 1\n└─ INTERNAL request (test)\n   ├─ CLIENT INSERT orders\n   ├─ CLIENT INSERT orders\n   \
         ├─ CLIENT INSERT orders\n   └─ CLIENT SELECT orders\n"
    );
}

#[tokio::test]
async fn a_statement_that_is_dropped_before_its_answer_is_canceled() {
    let db = database().await;
    // The pool's only connection.
    let held = db.begin().await.expect("begun");
    let recorder = Recorder::start();
    let mut rows = sqlx::query("select id from orders").fetch(&db);
    assert!(rows.try_next().now_or_never().is_none());
    drop(rows);
    drop(sqlx::query("select note from orders").fetch(&db));
    let mut execute = Box::pin(sqlx::query("delete from orders").execute(&db));
    assert!(execute.as_mut().now_or_never().is_none());
    drop(execute);
    let mut optional = Box::pin(sqlx::query("select id, note from orders").fetch_optional(&db));
    assert!(optional.as_mut().now_or_never().is_none());
    drop(optional);
    drop(held);
    let call = |trace, name| {
        format!("trace {trace}\n└─ CLIENT {name} (test) error.type=canceled ERROR \"the call was dropped before its answer\"\n")
    };
    let want = [call(1, "SELECT orders"), call(2, "SELECT orders"), call(3, "DELETE orders"), call(4, "SELECT orders")].concat();
    assert_eq!(recorder.tree(&["error.type"]), want);
}
