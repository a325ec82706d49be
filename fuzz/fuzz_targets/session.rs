//! Both ends of the session in any order of events: time, bytes, forged bytes, and what the app, the
//! watch and the sockets say. What must hold is asserted by `nudge_fuzz`.

#![no_main]

use libfuzzer_sys::fuzz_target;
use nudge_fuzz::{conversation::Conversation, steps::Step};

fuzz_target!(|steps: Vec<Step>| {
    let mut conversation = Conversation::new();
    for step in steps {
        conversation.take(step);
    }
    conversation.end();
});
