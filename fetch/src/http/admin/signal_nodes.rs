use serde_json::{Value, json};

use super::super::App;
use crate::{store::UnixMs, watch::SignalNodeView};

/// The signal nodes that watch this node.
pub(super) fn list(app: &App) -> Vec<Value> {
    let now = app.clock.now();
    app.hub.signal_nodes().into_iter().map(|node| tell(node, now)).collect()
}

fn tell(node: SignalNodeView, now: UnixMs) -> Value {
    let heard_at =
        |silent_for: std::time::Duration| now.0.saturating_sub(silent_for.as_millis() as u64);
    json!({
        "stream": node.stream,
        "name": node.name.as_ref().map(|name| name.as_str()),
        "address": node.address,
        "is_this_process": node.address.is_none(),
        "sessions": node.sessions,
        "since_ms": node.since.0,
        "last_heard_ms": node.silent_for.map(heard_at),
    })
}
