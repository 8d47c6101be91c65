//! The redis crate against a real redis-server.

mod support;

use clew::testing::Recorder;
use redis::AsyncCommands;

fn server() -> Option<support::Server> {
    support::serve("redis-server", |port, folder| {
        ["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--dir", folder].map(str::to_owned).into()
    })
}

#[tokio::test]
async fn commands_and_pipelines_are_spans() {
    let Some(server) = server() else { return };
    let recorder = Recorder::start();
    let client = redis::Client::open(format!("redis://127.0.0.1:{}/3", server.port)).expect("an address");
    let connection = client.get_multiplexed_async_connection().await.expect("connected");
    let mut cache = clew::redis::wrap(connection, &client);
    let () = cache.set("order", "secret").await.expect("set");
    let found: String = cache.get("order").await.expect("get");
    assert_eq!(found, "secret");
    let none: Option<String> = cache.get("nothing").await.expect("no error");
    assert_eq!(none, None);
    let wrong: redis::RedisResult<i64> = cache.incr("order", 1).await;
    assert!(wrong.is_err());
    let (): () = redis::pipe().set("a", 1).ignore().incr("a", 2).ignore().query_async(&mut cache).await.expect("a pipeline");
    let (): () = redis::pipe().atomic().set("a", 1).ignore().del("a").ignore().query_async(&mut cache).await.expect("a transaction");
    let tree = recorder.tree(&[
        "db.system.name",
        "db.namespace",
        "db.query.text",
        "db.operation.name",
        "db.operation.batch.size",
        "db.response.status_code",
        "error.type",
        "server.address",
        "server.port",
    ]);
    let span = |number: usize, name: &str, text: &str, more: &str, end: &str| {
        format!(
            "trace {number}\n└─ CLIENT {name} (test) db.namespace=3{more} db.operation.name={name} db.query.text=\"{text}\"\
             {} db.system.name=redis{} server.address=127.0.0.1 server.port=PORT{end}\n",
            if end.is_empty() { "" } else { " db.response.status_code=ERR" },
            if end.is_empty() { "" } else { " error.type=ERR" },
        )
    };
    let want = [
        span(1, "SET", "SET ? ?", "", ""),
        span(2, "GET", "GET ?", "", ""),
        span(3, "GET", "GET ?", "", ""),
        span(4, "INCRBY", "INCRBY ? ?", "", " ERROR \"…\""),
        span(5, "PIPELINE", "SET ? ?\\nINCRBY ? ?", " db.operation.batch.size=2", ""),
        span(6, "MULTI", "SET ? ?\\nDEL ?", " db.operation.batch.size=2", ""),
    ]
    .concat();
    let tree = tree.replace(&server.port.to_string(), "PORT");
    // What the server says about its error is its own.
    let tree: String = tree
        .lines()
        .map(|line| match line.split_once(" ERROR ") {
            Some((head, _)) => format!("{head} ERROR \"…\"\n"),
            None => format!("{line}\n"),
        })
        .collect();
    assert_eq!(tree, want);
    assert!(!tree.contains("secret"));
}

#[tokio::test]
async fn a_command_that_is_dropped_counts_as_canceled() {
    let Some(server) = server() else { return };
    let recorder = Recorder::start();
    let client = redis::Client::open(format!("redis://127.0.0.1:{}", server.port)).expect("an address");
    let connection = client.get_multiplexed_async_connection().await.expect("connected");
    let mut queue = clew::redis::wrap(connection, &client);
    let wait = queue.blpop::<_, Option<(String, String)>>("empty", 0.0);
    assert!(tokio::time::timeout(std::time::Duration::from_millis(20), wait).await.is_err());
    assert_eq!(
        recorder.tree(&["error.type"]),
        "trace 1\n└─ CLIENT BLPOP (test) error.type=canceled ERROR \"the call was dropped before its answer\"\n"
    );
}
