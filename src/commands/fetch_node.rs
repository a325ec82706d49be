use nudge_fetch::{Fetch, FetchParts};
use serde_json::json;

use crate::{
    certificate::Renewed, cli::FetchNode, failure::Failure, machine, settings::FetchRole,
    stop::Stop,
};

pub(crate) async fn run(node: FetchNode) -> Result<(), Failure> {
    let as_json = node.start.json;
    let FetchRole { mut fetch, tls, drain_delay } = FetchRole::resolve(node)?;
    let mut stop = Stop::new()?;
    machine::make_room();
    let mut certificate = Renewed::load(tls)?;
    fetch.tls = certificate.https();
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
    certificate.until(stop.asked()).await;
    fetch.drain();
    stop.linger(drain_delay).await;
    stop.finish(fetch.shutdown()).await;
    Ok(())
}
