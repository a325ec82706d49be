//! The messages generated from `schema/nudge/v1`, as they are on the wire.

mod secrets;

/// `signal.proto`: between a device and a signal node. [`crate::frame`] is its typed form.
#[expect(missing_docs, reason = "the schema says it, where there is something to say")]
pub mod signal {
    include!(concat!(env!("OUT_DIR"), "/nudge.v1.signal.rs"));
}

/// `watch.proto`: between a signal node and a fetch node. [`crate::watch`] is its typed form.
#[expect(missing_docs, reason = "the schema says it, where there is something to say")]
#[cfg_attr(
    feature = "grpc",
    expect(unused_qualifications, reason = "tonic's generator names everything in full")
)]
pub mod watch {
    include!(concat!(env!("OUT_DIR"), "/nudge.v1.watch.rs"));
}

/// `bus.proto`: between fetch nodes.
#[expect(missing_docs, reason = "the schema says it, where there is something to say")]
pub mod bus {
    include!(concat!(env!("OUT_DIR"), "/nudge.v1.bus.rs"));
}

/// `content.proto`: what the content service says over HTTP.
#[expect(missing_docs, reason = "the schema says it, where there is something to say")]
pub mod content {
    include!(concat!(env!("OUT_DIR"), "/nudge.v1.content.rs"));
}
