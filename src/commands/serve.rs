use serde_json::json;

use crate::{
    certificate::Reload, cli::Serve, failure::Failure, machine, settings::Embedded, stop::Stop,
    system::System,
};

pub(crate) async fn run(serve: Serve) -> Result<(), Failure> {
    let as_json = serve.start.json;
    let settings = Embedded::resolve(serve)?;
    let (data_dir, drain_delay) = (settings.fetch.data_dir.clone(), settings.drain_delay);
    let mut stop = Stop::new()?;
    machine::make_room();
    let mut reload = Reload::of([settings.tls.clone(), settings.internal.clone()])?;
    let certificate =
        settings.tls.as_ref().map(|certificate| certificate.path().display().to_string());
    let system = System::start(settings).await?;
    let server = system.server();
    let (url, fetch, signal_addr) = (server.url(), server.fetch(), server.front().signal);
    if as_json {
        let ready = json!({
            "url": url,
            "fetch": fetch.public_addr(),
            "private": fetch.private_addr(),
            "signal": signal_addr,
            "certificate": certificate,
            "pid": std::process::id(),
        });
        println!("{ready}");
    } else {
        println!("Nudge is ready at {url}");
        println!("  signaling  {signal_addr}");
        println!("  operator   http://{}", fetch.private_addr());
        println!("  data       {}", data_dir.display());
        if let Some(certificate) = certificate {
            println!("  certificate {certificate}");
        }
        println!("Stop with Ctrl-C.");
    }
    reload.until(stop.asked()).await;
    system.drain();
    stop.linger(drain_delay).await;
    stop.finish(system.shutdown()).await;
    Ok(())
}
