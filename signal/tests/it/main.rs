//! The signaling service between a client and a watch, both played by the test.

mod rig;

mod displacement;
mod frames;
mod hello;
mod limits;
mod listeners;
mod notices;
mod shutdown;
mod watch;
