//! What comes over the wire that no client would send.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use crate::support::Cloud;

const PATIENCE: Duration = Duration::from_secs(60);

/// What comes back for these bytes, until the server has nothing more to say.
async fn tell(cloud: &Cloud, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(cloud.aws).await.unwrap();
    stream.write_all(request).await.unwrap();
    let mut answer = Vec::new();
    let read = timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
    read.unwrap().unwrap();
    String::from_utf8(answer).unwrap()
}

async fn start() -> Cloud {
    Cloud::start_in(tempfile::tempdir().unwrap()).await
}

fn post(headers: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n{body}"
    )
}

#[tokio::test]
async fn what_nobody_signed_is_refused_in_the_services_form() {
    let cloud = start().await;
    let answer = tell(
        &cloud,
        post("", "Action=DescribeVpcs&Version=2016-11-15").as_bytes(),
    )
    .await;
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    let expected = "<Response><Errors><Error><Code>MissingParameter</Code>";
    assert!(answer.contains(expected), "{answer}");
    let request = post("", "Action=GetCallerIdentity&Version=2011-06-15");
    let answer = tell(&cloud, request.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
    assert!(
        answer.contains("<Code>MissingAuthenticationToken</Code>"),
        "{answer}"
    );
    assert!(answer.contains("<ErrorResponse xmlns="), "{answer}");
    cloud.stop().await;
}

#[tokio::test]
async fn a_body_or_a_head_that_is_too_long_is_refused_before_it_is_read() {
    let cloud = start().await;
    let head = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n";
    let answer = tell(&cloud, head.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert!(answer.contains("RequestEntityTooLarge"), "{answer}");
    let head = format!("POST / HTTP/1.1\r\nHost: x\r\nX: {}", "y".repeat(64 << 10));
    let answer = tell(&cloud, head.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
    cloud.stop().await;
}

#[tokio::test]
async fn slow_clients_hold_nobody_up() {
    let cloud = start().await;
    let mut slow = Vec::new();
    for _ in 0..200 {
        let mut stream = TcpStream::connect(cloud.aws).await.unwrap();
        stream
            .write_all(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Le")
            .await
            .unwrap();
        slow.push(stream);
    }
    let answer = tell(&cloud, post("", "Action=DescribeVpcs").as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    drop(slow);
    cloud.stop().await;
}

#[tokio::test]
async fn what_is_no_http_ends_the_connection() {
    let cloud = start().await;
    for bytes in [
        &b"\x16\x03\x01\x02\x00"[..],
        b"\r\n\r\nhello\r\n\r\n",
        b"GET\0/ HTTP/1.1\r\n\r\n",
    ] {
        let mut stream = TcpStream::connect(cloud.aws).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut answer = Vec::new();
        let read = timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
        let _ = read.unwrap();
    }
    let answer = tell(&cloud, post("", "").as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 "), "{answer}");
    cloud.stop().await;
}
