//! What the service keeps for an idle connection.

use std::{io::Write, net::TcpStream, time::Duration};

use nudge_proto::frame::ClientFrame;
use tokio::{runtime::Builder, time::sleep};

use crate::{
    heap,
    rig::{Device, Rig},
};

/// Few enough for the usual limit of open files.
const CONNECTIONS: usize = 400;
/// What the service asks the allocator for, per connection; what the allocator adds is measured by
/// `nudge bench idle`.
const BYTES_MAX: isize = 1000;

#[test]
fn an_idle_connection_keeps_within_its_heap_budget() {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let rig = runtime.block_on(Rig::start());
    let mut peers = Vec::with_capacity(1 + CONNECTIONS);
    // What is made once is made for the first.
    runtime.block_on(join(&rig, &mut peers, 1));
    let ((), kept) = heap::kept_after(|| {
        runtime.block_on(join(&rig, &mut peers, CONNECTIONS));
        rig.watch.forget();
    });
    let each = kept / CONNECTIONS as isize;
    println!("{each} bytes of heap per idle connection");
    assert!(each <= BYTES_MAX, "{each} bytes are kept for each connection");
    assert!(each > 300, "only {each} bytes were counted for each connection");
}

/// Devices that are welcomed and have nothing to do.
async fn join(rig: &Rig, peers: &mut Vec<TcpStream>, count: usize) {
    let address = rig.signal.tcp_addr().unwrap();
    for _ in 0..count {
        let mut hello = Vec::new();
        ClientFrame::Hello(Device::new().hello()).encode(&mut hello);
        let mut peer = TcpStream::connect(address).unwrap();
        peer.write_all(&hello).unwrap();
        peers.push(peer);
    }
    while rig.signal.stats().welcomes < peers.len() as u64 {
        sleep(Duration::from_millis(1)).await;
    }
}
