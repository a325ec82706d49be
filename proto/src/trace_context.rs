//! The place of something in a trace, as it travels between processes.
//!
//! In HTTP it is the header `traceparent` of W3C Trace Context (section 3.2), which clients may send; between
//! nodes it is [`TraceContext::BYTES`] bytes. It only ever says where a span belongs: whatever is wrong with one,
//! the request or the notice that it came with counts all the same.

/// A span that others may stand below.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TraceContext {
    /// Which trace; never all zero.
    pub trace_id: [u8; 16],
    /// Which span of it; never all zero.
    pub span_id: [u8; 8],
    /// Whether whoever began the trace keeps it.
    pub is_sampled: bool,
}

impl TraceContext {
    /// The length of [`Self::to_bytes`].
    pub const BYTES: usize = 25;

    /// Reads a `traceparent`, also one of a later version, of which the part that is known counts.
    #[must_use]
    pub fn from_traceparent(header: &str) -> Option<Self> {
        let header = header.as_bytes();
        let (known, rest) = header.split_at_checked(TRACEPARENT_LENGTH)?;
        let mut parts = known.split(|byte| *byte == b'-');
        let [version] = hex(parts.next()?)?;
        let (trace_id, span_id) = (hex(parts.next()?)?, hex(parts.next()?)?);
        let [flags] = hex(parts.next()?)?;
        let is_whole = match version {
            0 => rest.is_empty(),
            0xff => false,
            _ => rest.is_empty() || rest.starts_with(b"-"),
        };
        Self::new(trace_id, span_id, flags).filter(|_| is_whole && parts.next().is_none())
    }

    /// As it travels between nodes: trace, span, flags.
    #[must_use]
    pub fn to_bytes(self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        bytes[..16].copy_from_slice(&self.trace_id);
        bytes[16..24].copy_from_slice(&self.span_id);
        bytes[24] = u8::from(self.is_sampled);
        bytes
    }

    /// Reads [`Self::to_bytes`]; nothing at all, and what makes no sense, is none.
    #[must_use]
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        let (trace_id, rest) = bytes.split_first_chunk()?;
        let (span_id, rest) = rest.split_first_chunk()?;
        let [flags] = rest else { return None };
        Self::new(*trace_id, *span_id, *flags)
    }

    fn new(trace_id: [u8; 16], span_id: [u8; 8], flags: u8) -> Option<Self> {
        let is_valid = trace_id != [0; 16] && span_id != [0; 8];
        is_valid.then_some(Self { trace_id, span_id, is_sampled: flags & SAMPLED != 0 })
    }
}

/// Lower case, as the standard demands, and exactly as many.
fn hex<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    if text.len() != 2 * N {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}

const fn digit(letter: u8) -> Option<u8> {
    match letter {
        b'0'..=b'9' => Some(letter - b'0'),
        b'a'..=b'f' => Some(letter - b'a' + 10),
        _ => None,
    }
}

/// `00-` and 32, 16 and 2 digits with a dash between.
const TRACEPARENT_LENGTH: usize = 55;
const SAMPLED: u8 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

    fn read(header: &str) -> Option<TraceContext> {
        TraceContext::from_traceparent(header)
    }

    #[test]
    fn a_traceparent_is_read_as_the_standard_has_it() {
        let context = read(&format!("00-{TRACE}-b7ad6b7169203331-01")).unwrap();
        assert_eq!(context.trace_id[..3], [0x0a, 0xf7, 0x65]);
        assert_eq!(context.span_id, [0xb7, 0xad, 0x6b, 0x71, 0x69, 0x20, 0x33, 0x31]);
        assert!(context.is_sampled);
        assert!(!read(&format!("00-{TRACE}-b7ad6b7169203331-02")).unwrap().is_sampled);
        assert!(read(&format!("cc-{TRACE}-b7ad6b7169203331-01-what the future will be")).is_some());
    }

    #[test]
    fn what_is_no_traceparent_is_none() {
        for wrong in [
            String::new(),
            "00".to_owned(),
            format!("00-{TRACE}-b7ad6b7169203331"),
            format!("00-{TRACE}-b7ad6b7169203331-01-more"),
            format!("cc-{TRACE}-b7ad6b7169203331-01.more"),
            format!("ff-{TRACE}-b7ad6b7169203331-01"),
            format!("00-{}-b7ad6b7169203331-01", TRACE.to_uppercase()),
            format!("00-{}-b7ad6b7169203331-01", "0".repeat(32)),
            format!("00-{TRACE}-0000000000000000-01"),
            format!("00-{TRACE}b-7ad6b7169203331-01"),
            format!("00-{TRACE}-b7ad6b7169203331-é"),
            "-".repeat(55),
        ] {
            assert_eq!(read(&wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn bytes_lead_back_and_other_bytes_are_none() {
        for flags in ["00", "01"] {
            let context = read(&format!("00-{TRACE}-b7ad6b7169203331-{flags}")).unwrap();
            let bytes = context.to_bytes();
            assert_eq!(TraceContext::from_slice(&bytes), Some(context));
            assert_eq!(TraceContext::from_slice(&bytes[1..]), None);
            assert_eq!(TraceContext::from_slice(&[&bytes[..], &[0]].concat()), None);
        }
        assert_eq!(TraceContext::from_slice(&[]), None);
        assert_eq!(TraceContext::from_slice(&[0; TraceContext::BYTES]), None);
    }
}
