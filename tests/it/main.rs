//! The workspace and the `nudge` binary, from the outside.

mod architecture;
