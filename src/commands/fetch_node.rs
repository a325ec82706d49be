use nudge_fetch::{Fetch, FetchParts};
use serde_json::json;

use crate::{
    certificate::{Certificate, Reload},
    cli::FetchNode,
    failure::Failure,
    machine,
    settings::FetchRole,
    stop::Stop,
};

pub(crate) async fn run(node: FetchNode) -> Result<(), Failure> {
    let as_json = node.start.json;
    let FetchRole { mut fetch, tls, internal, drain_delay } = FetchRole::resolve(node)?;
    let mut stop = Stop::new()?;
    machine::make_room();
    fetch.tls = tls.as_ref().map(Certificate::https);
    let mut reload = Reload::of([tls, internal])?;
    let fetch = Fetch::start_with(fetch, FetchParts::default()).await;
    let fetch = fetch.map_err(Failure::configuration)?;
    if as_json {
        let ready = json!({
            "fetch": fetch.public_addr(),
            "private": fetch.private_addr(),
            "pid": std::process::id(),
        });
        println!("{ready}");
    } else {
        println!("A fetch node is ready at {}", fetch.public_addr());
        println!("  operator, watch  {}", fetch.private_addr());
        println!("Stop with SIGTERM.");
    }
    reload.until(stop.asked()).await;
    fetch.drain();
    stop.linger(drain_delay).await;
    stop.finish(fetch.shutdown()).await;
    Ok(())
}
