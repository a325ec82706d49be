//! Sockets: plain and TLS.

use std::{sync::Arc, time::Duration};

use nudge_proto::{CloseCode, frame::ServerFrame};
use nudge_signal::{ALPN, Certificates, Listen, Signal, SignalConfig, SignalError, TlsListen};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName},
};
use tokio::{
    net::TcpStream,
    time::{sleep, timeout},
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::rig::{Device, FakeWatch, Peer, Rig, SharedWatch};

/// A certificate for localhost with its key, in PEM, and the certificate again as trust.
struct Identity {
    chain: String,
    key: String,
    der: CertificateDer<'static>,
}

fn identity() -> Identity {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    Identity {
        chain: made.cert.pem(),
        key: made.signing_key.serialize_pem(),
        der: made.cert.der().clone(),
    }
}

async fn start_tls(identity: &Identity) -> (Rig, Arc<Certificates>) {
    let certificates =
        Certificates::from_pem(identity.chain.as_bytes(), identity.key.as_bytes()).unwrap();
    let certificates = Arc::new(certificates);
    let resolver = Arc::clone(&certificates);
    let rig = Rig::with(move |config| {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        config.tls = Some(TlsListen { listen: Listen::Listener(listener), certificates: resolver });
        config.drain.deadline = Duration::ZERO;
    })
    .await;
    (rig, certificates)
}

async fn connect_tls(
    rig: &Rig,
    trusted: &Identity,
    alpn: &[u8],
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.der.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![alpn.to_vec()];
    let socket = TcpStream::connect(rig.signal.tls_addr().unwrap()).await?;
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, socket).await
}

#[tokio::test]
async fn plain_tcp_carries_a_session() {
    let rig = Rig::start().await;
    let device = Device::new();
    let socket = TcpStream::connect(rig.signal.tcp_addr().unwrap()).await.unwrap();
    let mut peer = Peer::new(socket);
    peer.join(device).await;
    rig.watch.tell_head(device.user_id, 1);
    assert!(matches!(peer.hear().await, Some(ServerFrame::Notice(_))));
    assert_eq!(peer.ping().await, Some(1));
}

#[tokio::test]
async fn tls_carries_the_same_session_under_its_alpn_name() {
    let identity = identity();
    let (rig, _) = start_tls(&identity).await;
    let device = Device::new();
    let mut peer = Peer::new(connect_tls(&rig, &identity, ALPN).await.unwrap());
    assert_eq!(peer.stream.get_ref().1.alpn_protocol(), Some(ALPN));
    peer.join(device).await;
    rig.watch.tell_head(device.user_id, 1);
    assert!(matches!(peer.hear().await, Some(ServerFrame::Notice(_))));
    peer.say_bytes(&[0xff; 64]).await;
    assert_eq!(peer.hear_end().await, CloseCode::FrameTooLarge);
}

#[tokio::test]
async fn another_protocol_is_refused_in_the_handshake() {
    let identity = identity();
    let (rig, _) = start_tls(&identity).await;
    assert!(connect_tls(&rig, &identity, b"http/1.1").await.is_err());
    while rig.signal.stats().handshakes_failed == 0 {
        sleep(Duration::from_millis(1)).await;
    }
    connect_tls(&rig, &identity, ALPN).await.unwrap();
}

#[tokio::test]
async fn a_replaced_certificate_is_used_by_the_next_handshake_and_old_connections_stay() {
    let (old, new) = (identity(), identity());
    let (rig, certificates) = start_tls(&old).await;
    let mut before = Peer::new(connect_tls(&rig, &old, ALPN).await.unwrap());
    before.join(Device::new()).await;

    assert!(certificates.replace_pem(new.chain.as_bytes(), old.key.as_bytes()).is_err());
    connect_tls(&rig, &old, ALPN).await.unwrap();

    certificates.replace_pem(new.chain.as_bytes(), new.key.as_bytes()).unwrap();
    assert!(connect_tls(&rig, &old, ALPN).await.is_err());
    let mut after = Peer::new(connect_tls(&rig, &new, ALPN).await.unwrap());
    after.join(Device::new()).await;
    assert_eq!(before.ping().await, Some(0));
}

#[tokio::test]
async fn a_handshake_that_never_begins_does_not_hold_the_end_up() {
    let identity = identity();
    let (rig, _) = start_tls(&identity).await;
    let _silent = TcpStream::connect(rig.signal.tls_addr().unwrap()).await.unwrap();
    while rig.signal.stats().accepted == 0 {
        sleep(Duration::from_millis(1)).await;
    }
    timeout(Duration::from_secs(5), rig.signal.shutdown()).await.unwrap();
}

#[tokio::test]
async fn an_address_in_use_is_reported_with_the_address() {
    let rig = Rig::start().await;
    let address = rig.signal.tcp_addr().unwrap();
    let config = SignalConfig { tcp: Some(Listen::Address(address)), ..SignalConfig::default() };
    let error = Signal::start(config, Arc::new(SharedWatch(FakeWatch::new()))).unwrap_err();
    assert!(matches!(error, SignalError::Listen { .. }));
    assert!(error.to_string().contains(&address.to_string()), "{error}");

    let config = SignalConfig { tcp: None, ..SignalConfig::default() };
    let error = Signal::start(config, Arc::new(SharedWatch(FakeWatch::new()))).unwrap_err();
    assert!(matches!(error, SignalError::NoListener));
}
