//! Both ends of the signaling session as state machines.
