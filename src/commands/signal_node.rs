use std::sync::Arc;

use nudge_signal::{GrpcWatch, Listen, Signal, TlsListen};
use serde_json::json;

use crate::{
    certificate::Reload, cli::SignalNode, failure::Failure, machine, settings::SignalRole,
    stop::Stop,
};

pub(crate) async fn run(node: SignalNode) -> Result<(), Failure> {
    let as_json = node.start.json;
    let SignalRole { mut signal, devices, private, watch, tls, internal, drain_delay } =
        SignalRole::resolve(node)?;
    let mut stop = Stop::new()?;
    machine::make_room();
    let listen = Listen::Address(devices);
    (signal.tcp, signal.tls) = match &tls {
        None => (Some(listen), None),
        Some(certificate) => {
            (None, Some(TlsListen { listen, certificates: certificate.in_use() as _ }))
        }
    };
    let mut reload = Reload::of([tls, internal])?;
    signal.private = Some(Listen::Address(private));
    let watch = GrpcWatch::connect(watch).map_err(Failure::configuration)?;
    let signal = Signal::start(signal, Arc::new(watch)).map_err(Failure::configuration)?;
    let (devices, private) = (signal.tcp_addr().or(signal.tls_addr()), signal.private_addr());
    if as_json {
        let ready = json!({
            "signal": devices,
            "private": private,
            "pid": std::process::id(),
        });
        println!("{ready}");
    } else {
        let name = |address: Option<std::net::SocketAddr>| {
            address.map(|address| address.to_string()).unwrap_or_default()
        };
        println!("A signal node is ready at {}", name(devices));
        println!("  operator  {}", name(private));
        println!("Stop with SIGTERM.");
    }
    reload.until(stop.asked()).await;
    signal.drain();
    stop.linger(drain_delay).await;
    stop.finish(signal.shutdown()).await;
    Ok(())
}
