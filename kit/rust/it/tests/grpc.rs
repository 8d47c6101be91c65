//! The tower layers around a real tonic server and client, over loopback.

use clew::testing::Recorder;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::Code;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tonic_health::server::health_reporter;

const SHOWN: [&str; 7] = ["rpc.system.name", "rpc.method", "rpc.status_code", "server.address", "server.port", "error.type", "http.route"];

#[tokio::test]
async fn unary_and_streaming_calls_are_spans_on_both_sides() {
    let recorder = Recorder::start();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let (reporter, service) = health_reporter();
    reporter.set_service_status("shop", tonic_health::ServingStatus::Serving).await;
    let server = tokio::spawn(
        tonic::transport::Server::builder().layer(clew::http()).add_service(service).serve_with_incoming(TcpListenerStream::new(listener)),
    );
    let channel = tonic::transport::Endpoint::from_shared(format!("http://127.0.0.1:{port}")).expect("an address");
    let channel = channel.connect().await.expect("connected");
    let channel = tower::ServiceBuilder::new().layer(clew::http_client().server("127.0.0.1", port)).service(channel);
    let mut client = HealthClient::new(channel);

    client.check(HealthCheckRequest { service: "shop".to_owned() }).await.expect("serving");
    let unknown = client.check(HealthCheckRequest { service: "nobody".to_owned() }).await.expect_err("unknown");
    assert_eq!(unknown.code(), Code::NotFound);
    let mut watch = client.watch(HealthCheckRequest { service: "shop".to_owned() }).await.expect("a stream").into_inner();
    assert!(watch.message().await.expect("a message").is_some());
    drop(watch);
    recorder.complete(6).await.expect("both ends");
    server.abort();
    let tree = recorder.tree(&SHOWN).replace(&port.to_string(), "PORT");
    let call = |number: usize, method: &str, client: &str, server: &str| {
        let words = format!("rpc.method=grpc.health.v1.Health/{method}");
        let end = "rpc.system.name=grpc server.address=127.0.0.1 server.port=PORT";
        format!(
            "trace {number}\n└─ CLIENT grpc.health.v1.Health/{method} (test) {words} {end}\n   \
             └─ SERVER grpc.health.v1.Health/{method} {words} {end}\n"
        )
        .replacen(&format!("{words} {end}"), &client.replace("{}", &words).replace("{e}", end), 1)
        .replacen(&format!("{words} {end}\n"), &format!("{}\n", server.replace("{}", &words).replace("{e}", end)), 1)
    };
    let want = [
        call(1, "Check", "{} rpc.status_code=OK {e}", "{} rpc.status_code=OK {e}"),
        call(
            2,
            "Check",
            "error.type=NOT_FOUND {} rpc.status_code=NOT_FOUND {e} ERROR \"service not registered\"",
            "{} rpc.status_code=NOT_FOUND {e}",
        ),
        call(
            3,
            "Watch",
            "error.type=CANCELLED {} rpc.status_code=CANCELLED {e} ERROR",
            "error.type=client_disconnected {} rpc.status_code=CANCELLED {e}",
        ),
    ]
    .concat();
    assert_eq!(tree, want);
}
