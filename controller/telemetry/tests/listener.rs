//! The listener as Prometheus, and those who are not, see it.
#![allow(clippy::unwrap_used, reason = "a failed test is the message")]

use std::{fmt, net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use weft_telemetry::{Limits, MetricsServer, Page, Source};

#[derive(Debug)]
struct Seven;

impl Source for Seven {
    fn write(&self, page: &mut Page<'_>) -> fmt::Result {
        page.counter("weft_seven", "Always seven.", 7)
    }
}

async fn serve(limits: Limits) -> SocketAddr {
    let address = "127.0.0.1:0".parse().unwrap();
    let server = MetricsServer::bind(address, ("test", "0"), vec![Box::new(Seven)]).await;
    let server = server.unwrap().with_limits(limits);
    let address = server.address().unwrap();
    tokio::spawn(server.serve());
    address
}

/// All that comes until the other side closes.
async fn rest(stream: &mut TcpStream) -> String {
    let mut text = String::new();
    // A reset is an end too.
    let _ = stream.read_to_string(&mut text).await;
    text
}

async fn ask(address: SocketAddr, head: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("{head} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    // One too many may be gone already.
    let _ = stream.write_all(request.as_bytes()).await;
    rest(&mut stream).await
}

#[tokio::test]
async fn a_scrape_gets_the_page_and_nothing_else_is_served() {
    let address = serve(Limits::default()).await;
    let page = ask(address, "GET /metrics").await;
    assert!(page.starts_with("HTTP/1.1 200"), "{page}");
    assert!(page.contains("text/plain; version=0.0.4"), "{page}");
    assert!(page.contains("\nweft_seven_total 7\n"), "{page}");
    assert!(
        page.contains("weft_build_info{role=\"test\",version=\"0\"} 1"),
        "{page}"
    );
    assert!(ask(address, "GET /").await.starts_with("HTTP/1.1 404"));
    assert!(
        ask(address, "POST /metrics")
            .await
            .starts_with("HTTP/1.1 405")
    );
}

#[tokio::test]
async fn a_client_that_says_nothing_is_cut_off_and_one_too_many_is_refused() {
    let address = serve(Limits {
        connections: 1,
        head: Duration::from_millis(300),
        life: Duration::from_secs(60),
    })
    .await;
    let mut silent = TcpStream::connect(address).await.unwrap();
    silent.write_all(b"GET /met").await.unwrap();
    // Its place is taken from here on, at the latest when another one is refused.
    while !ask(address, "GET /metrics").await.is_empty() {
        tokio::task::yield_now().await;
    }
    assert!(!rest(&mut silent).await.contains("200 OK"));
    // The place is free again once the silent one is gone.
    let page = loop {
        let page = ask(address, "GET /metrics").await;
        if !page.is_empty() {
            break page;
        }
        tokio::task::yield_now().await;
    };
    let closed = |reason| format!("weft_scrape_connections_closed_total{{reason=\"{reason}\"}} 1");
    assert!(page.contains(&closed("too_slow")), "{page}");
    assert!(!page.contains("reason=\"too_many\"} 0"), "{page}");
}
