//! Media between the store, which knows what counts, and the objects, which hold the bytes.
//!
//! # Layout, in reading order
//!
//! - [`Uploads`]: resumable uploads; `append` takes the bytes of one request, `turns` says whose turn it is
//! - [`collector`]: removes what nobody knows any more
//! - pure parts of HTTP: [`tus`] (what an upload's headers say), [`range`], [`multipart`],
//!   [`media_type`] and [`preconditions`] (RFC 9110), [`wanted_digests`] (RFC 9530), [`disposition`] (RFC 6266), [`redirect`]
//! - [`Granted`]: who may read what, remembered for a moment
//! - [`RunningDigest`]: a SHA-256 that survives a restart

mod append;
pub mod collector;
mod digest;
pub mod disposition;
mod error;
mod granted;
mod locks;
pub mod media_type;
pub mod multipart;
pub mod preconditions;
pub mod range;
pub mod redirect;
mod turns;
pub mod tus;
mod uploads;
pub mod wanted_digests;

pub use append::UploadBody;
pub use digest::RunningDigest;
pub use error::MediaError;
pub use granted::Granted;
pub use uploads::{Creation, MediaLimits, Uploads};
