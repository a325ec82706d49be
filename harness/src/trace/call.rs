//! The lines that `strace -f -yy -o FILE` writes.

use std::collections::HashMap;

/// One system call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Call {
    name: String,
    /// The first argument, which names the file or socket: `12</path>` or `7<TCP:[…]>`.
    pub(super) file: String,
    /// All of it.
    pub(super) text: String,
    pub(super) result: i64,
    /// The line at which it began.
    pub(super) begun: usize,
    /// The line at which it was done.
    pub(super) done: usize,
}

/// Every call that ended, in the order in which they ended.
pub(super) fn calls(trace: &str) -> Vec<Call> {
    const UNFINISHED: &str = " <unfinished ...>";
    let mut unfinished = HashMap::<&str, (usize, String)>::new();
    let mut calls = Vec::new();
    for (at, line) in trace.lines().enumerate() {
        let Some((pid, rest)) = line.split_once(' ') else { continue };
        let rest = rest.trim_start();
        if let Some(begin) = rest.strip_suffix(UNFINISHED) {
            unfinished.insert(pid, (at, begin.to_owned()));
        } else if let Some((_, end)) =
            rest.strip_prefix("<... ").and_then(|r| r.split_once("resumed>"))
        {
            let Some((begun, begin)) = unfinished.remove(pid) else { continue };
            calls.extend(Call::parse(begin + end, begun, at));
        } else {
            calls.extend(Call::parse(rest.to_owned(), at, at));
        }
    }
    calls
}

impl Call {
    /// `None` for lines about signals and ends of processes.
    fn parse(text: String, begun: usize, done: usize) -> Option<Self> {
        let (name, arguments) = text.split_once('(')?;
        let (_, result) = text.rsplit_once(" = ")?;
        let result = result.split_whitespace().next()?.parse().ok()?;
        let end = arguments.find([',', ')'])?;
        let (name, file) = (name.to_owned(), arguments[..end].to_owned());
        Some(Self { name, file, text, result, begun, done })
    }

    /// What was read or written, as far as it was traced.
    pub(super) fn bytes(&self) -> &str {
        let bytes = self.text.split_once('"').and_then(|(_, rest)| rest.rsplit_once('"'));
        bytes.map_or("", |(bytes, _)| bytes)
    }

    pub(super) fn reads(&self) -> bool {
        ["read", "readv", "recvfrom", "recvmsg"].contains(&self.name.as_str())
    }

    pub(super) fn writes(&self) -> bool {
        ["write", "writev", "pwrite64", "pwritev", "sendto", "sendmsg"]
            .contains(&self.name.as_str())
    }

    pub(super) fn syncs(&self) -> bool {
        ["fsync", "fdatasync"].contains(&self.name.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_that_was_interrupted_by_another_thread_is_one_call() {
        let trace = "\
10    recvfrom(7<TCP:[127.0.0.1:80->127.0.0.1:9]>,  <unfinished ...>
11    fdatasync(5</data/nudge.db-wal> <unfinished ...>
10    <... recvfrom resumed>\"PUT /v1\", 8192, 0, NULL, NULL) = 7
10    --- SIGCHLD {si_signo=SIGCHLD} ---
11    <... fdatasync resumed>)          = 0
10    read(3<pipe:[1]>, 0x7f, 8)        = -1 EAGAIN (Resource temporarily unavailable)
11    +++ exited with 0 +++";
        let calls = calls(trace);
        let told: Vec<_> = calls
            .iter()
            .map(|call| {
                (call.name.as_str(), call.file.as_str(), call.result, call.begun, call.done)
            })
            .collect();
        assert_eq!(
            told,
            [
                ("recvfrom", "7<TCP:[127.0.0.1:80->127.0.0.1:9]>", 7, 0, 2),
                ("fdatasync", "5</data/nudge.db-wal>", 0, 1, 4),
                ("read", "3<pipe:[1]>", -1, 5, 5),
            ]
        );
        assert!(calls[0].reads() && calls[0].text.contains("PUT /v1"));
        assert!(calls[1].syncs());
    }
}
