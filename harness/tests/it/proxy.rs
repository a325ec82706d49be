use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use nudge_harness::FaultProxy;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::timeout,
};

/// Longer than anything here takes, shorter than anyone's patience.
const PATIENCE: Duration = Duration::from_secs(10);
/// Long enough for a byte to cross the loopback many times over.
const A_WHILE: Duration = Duration::from_millis(100);

#[tokio::test]
async fn bytes_go_through_unchanged_and_are_counted() {
    let (proxy, mut client) = connected().await;
    let sent: Vec<u8> = (0..200_000u32).map(|n| n as u8).collect();
    let (mut reader, mut writer) = client.split();
    let mut echoed = vec![0; sent.len()];
    let (written, read) =
        tokio::join!(writer.write_all(&sent), timeout(PATIENCE, reader.read_exact(&mut echoed)));
    written.unwrap();
    read.unwrap().unwrap();
    assert_eq!(echoed, sent);
    assert_eq!((proxy.to_server().carried(), proxy.to_client().carried()), (200_000, 200_000));
    assert_eq!((proxy.accepted(), proxy.open_connections()), (1, 1));
}

#[tokio::test]
async fn connections_go_to_whichever_target_listens() {
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (one, other) = (serve(<[u8]>::to_vec).await, gone.local_addr().unwrap());
    drop(gone);
    let proxy = FaultProxy::balance([one, other]).await.unwrap();
    for _ in 0..20 {
        let mut client = TcpStream::connect(proxy.address()).await.unwrap();
        assert_eq!(echo(&mut client, b"there").await, *b"there");
    }
}

#[tokio::test]
async fn the_end_of_one_direction_leaves_the_other_open() {
    let (_proxy, mut client) = connected().await;
    client.write_all(b"last words").await.unwrap();
    client.shutdown().await.unwrap();
    let mut echoed = Vec::new();
    timeout(PATIENCE, client.read_to_end(&mut echoed)).await.unwrap().unwrap();
    assert_eq!(echoed, b"last words");
}

#[tokio::test]
async fn a_cut_comes_after_exactly_that_many_bytes_and_only_once() {
    for cut_after in [0, 1, 999, 16 * 1024, 70_000] {
        let (proxy, mut client) = connected().await;
        proxy.to_client().cut_after(cut_after);
        let (mut reader, mut writer) = client.split();
        let sent = vec![7; 100_000];
        let mut arrived = Vec::new();
        let (_, read) = tokio::join!(
            writer.write_all(&sent),
            timeout(PATIENCE, reader.read_to_end(&mut arrived))
        );
        let _end_or_reset = read.expect("a cut connection ends");
        assert_eq!(arrived.len() as u64, cut_after);

        let mut second = TcpStream::connect(proxy.address()).await.unwrap();
        assert_eq!(echo(&mut second, &[1; 1000]).await, [1; 1000]);
    }
}

#[tokio::test]
async fn a_cut_of_each_connection_comes_again_and_again() {
    let (proxy, _) = connected().await;
    proxy.to_server().cut_each_after(10);
    for _ in 0..3 {
        let mut client = TcpStream::connect(proxy.address()).await.unwrap();
        client.write_all(&[1; 50]).await.unwrap();
        let mut arrived = Vec::new();
        let _end_or_reset = timeout(PATIENCE, client.read_to_end(&mut arrived)).await.unwrap();
        assert!(arrived.len() <= 10, "{} bytes came back", arrived.len());
    }
    assert_eq!(proxy.to_server().carried(), 30);
}

#[tokio::test]
async fn a_delay_moves_bytes_back_and_keeps_their_rate() {
    let (proxy, mut client) = connected().await;
    proxy.to_client().delay(Duration::from_millis(300));
    let started = Instant::now();
    let portion = vec![1; 200_000];
    let (mut reader, mut writer) = client.split();
    let mut echoed = vec![0; portion.len()];
    let (_, read) = tokio::join!(writer.write_all(&portion), reader.read_exact(&mut echoed));
    read.unwrap();
    let took = started.elapsed();
    assert!(took >= Duration::from_millis(300), "{took:?}");
    assert!(
        took < Duration::from_millis(1500),
        "twelve chunks must not wait one after another: {took:?}"
    );
}

#[tokio::test]
async fn a_throttled_line_carries_its_rate_until_it_is_freed() {
    let (proxy, mut client) = connected().await;
    proxy.to_client().throttle(10_000);
    client.write_all(&[1; 50_000]).await.unwrap();
    let started = Instant::now();
    let mut first = vec![0; 5_000];
    timeout(PATIENCE, client.read_exact(&mut first)).await.unwrap().unwrap();
    assert!(started.elapsed() >= Duration::from_millis(400), "{:?}", started.elapsed());

    proxy.to_client().throttle(0);
    let mut rest = vec![0; 45_000];
    timeout(Duration::from_secs(3), client.read_exact(&mut rest))
        .await
        .expect("45 KB at once")
        .unwrap();
}

#[tokio::test]
async fn a_black_hole_keeps_connections_and_carries_nothing_until_restored() {
    let (proxy, mut client) = connected().await;
    proxy.black_hole();
    client.write_all(b"hello?").await.unwrap();
    let mut echoed = [0; 6];
    assert!(timeout(A_WHILE, client.read_exact(&mut echoed)).await.is_err(), "nothing comes back");
    let mut second = TcpStream::connect(proxy.address()).await.expect("connections are taken");
    second.write_all(b"anyone").await.unwrap();

    proxy.restore();
    timeout(PATIENCE, client.read_exact(&mut echoed)).await.unwrap().unwrap();
    assert_eq!(&echoed, b"hello?");
    timeout(PATIENCE, second.read_exact(&mut echoed)).await.unwrap().unwrap();
    assert_eq!(&echoed, b"anyone");
}

#[tokio::test]
async fn refusing_ends_what_stands_and_what_comes_until_restored() {
    let (proxy, mut client) = connected().await;
    proxy.refuse();
    assert!(ends(&mut client).await, "the connection that stood");
    let mut refused = TcpStream::connect(proxy.address()).await.unwrap();
    assert!(ends(&mut refused).await, "a new connection");
    assert_eq!(proxy.open_connections(), 0);

    proxy.restore();
    let mut client = TcpStream::connect(proxy.address()).await.unwrap();
    assert_eq!(echo(&mut client, b"back").await, b"back");
}

#[tokio::test]
async fn new_connections_follow_a_server_that_moved() {
    let (proxy, _) = connected().await;
    let shouting = serve(|bytes| bytes.to_ascii_uppercase()).await;
    proxy.retarget(shouting);
    let mut client = TcpStream::connect(proxy.address()).await.unwrap();
    assert_eq!(echo(&mut client, b"louder").await, b"LOUDER");
}

#[tokio::test]
async fn a_dropped_proxy_closes_everything() {
    let (proxy, mut client) = connected().await;
    let address = proxy.address();
    drop(proxy);
    assert!(ends(&mut client).await);
    let mut reached = true;
    for _ in 0..100 {
        reached = TcpStream::connect(address).await.is_ok();
        if !reached {
            break;
        }
        tokio::task::yield_now().await;
    }
    assert!(!reached, "the port must be closed");
}

/// A proxy before an echo server, and one connection that is known to stand.
async fn connected() -> (FaultProxy, TcpStream) {
    let proxy = FaultProxy::start(serve(<[u8]>::to_vec).await).await.unwrap();
    let client = TcpStream::connect(proxy.address()).await.unwrap();
    while proxy.accepted() == 0 {
        tokio::task::yield_now().await;
    }
    (proxy, client)
}

async fn serve(answer: fn(&[u8]) -> Vec<u8>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut buffer = vec![0; 16 * 1024];
                while let Ok(length @ 1..) = stream.read(&mut buffer).await {
                    if stream.write_all(&answer(&buffer[..length])).await.is_err() {
                        break;
                    }
                }
            });
        }
    });
    address
}

async fn echo(client: &mut TcpStream, bytes: &[u8]) -> Vec<u8> {
    client.write_all(bytes).await.unwrap();
    let mut echoed = vec![0; bytes.len()];
    timeout(PATIENCE, client.read_exact(&mut echoed)).await.unwrap().unwrap();
    echoed
}

/// Whether the connection comes to an end or to an error.
async fn ends(client: &mut TcpStream) -> bool {
    matches!(timeout(PATIENCE, client.read(&mut [0; 16])).await, Ok(Ok(0) | Err(_)))
}
