//! The frame codec, both directions: any bytes are a frame or an error, a frame reads back as itself,
//! and a stream means the same in whatever pieces it comes.

#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use nudge_proto::frame::{ClientFrame, FrameDecoder, FrameError, ServerFrame};

#[derive(Arbitrary, Debug)]
enum Input {
    /// One frame's protobuf.
    Frame(Vec<u8>),
    /// Frames, each with its length, and what follows them.
    Frames { frames: Vec<Vec<u8>>, rest: Vec<u8>, pieces: Vec<u8>, is_upward: bool },
}

fuzz_target!(|input: Input| match input {
    Input::Frame(bytes) => {
        read_client_frame(&bytes);
        read_server_frame(&bytes);
    }
    Input::Frames { frames, rest, pieces, is_upward } => {
        let mut stream = Vec::new();
        for frame in &frames {
            let length = frame.len().min(u16::MAX.into());
            stream.extend_from_slice(&(length as u16).to_be_bytes());
            stream.extend_from_slice(&frame[..length]);
        }
        stream.extend_from_slice(&rest);
        let limit = if is_upward { ClientFrame::BYTES_MAX } else { ServerFrame::BYTES_MAX };
        read_stream(&stream, &pieces, limit);
    }
});

fn read_client_frame(bytes: &[u8]) {
    match ClientFrame::decode(bytes) {
        Ok(frame) => {
            let again = frame.to_bytes();
            assert!(again.len() <= ClientFrame::BYTES_MAX);
            assert_eq!(ClientFrame::decode(&again), Ok(frame));
        }
        Err(error) => assert!(error.code().is_terminal(), "{error}"),
    }
}

fn read_server_frame(bytes: &[u8]) {
    match ServerFrame::decode(bytes) {
        // Texts and addresses over their limit are read, and never written.
        Ok(frame) => {
            let written =
                ServerFrame::decode(&frame.to_bytes()).expect("what was written reads back");
            assert_eq!(ServerFrame::decode(&written.to_bytes()), Ok(written));
        }
        Err(error) => assert!(error.code().is_terminal(), "{error}"),
    }
}

fn read_stream(stream: &[u8], pieces: &[u8], limit: usize) {
    let whole = decode(&mut FrameDecoder::default(), stream, limit);
    let mut decoder = FrameDecoder::default();
    let mut in_pieces = Ok(Vec::new());
    let mut rest = stream;
    let mut lengths = pieces.iter().cycle();
    while !rest.is_empty() {
        let length = lengths.next().map_or(rest.len(), |length| usize::from(*length).max(1));
        let (piece, after) = rest.split_at(length.min(rest.len()));
        rest = after;
        match (decode(&mut decoder, piece, limit), &mut in_pieces) {
            (Ok(frames), Ok(all)) => all.extend(frames),
            (Err(error), _) => {
                in_pieces = Err(error);
                break;
            }
            (Ok(_), Err(_)) => unreachable!("the first error ends it"),
        }
    }
    assert_eq!(in_pieces, whole);
}

fn decode(
    decoder: &mut FrameDecoder,
    mut bytes: &[u8],
    limit: usize,
) -> Result<Vec<Vec<u8>>, FrameError> {
    let mut frames = Vec::new();
    while let Some(frame) = decoder.next_frame(&mut bytes, limit)? {
        assert!(frame.len() <= limit);
        frames.push(frame);
    }
    assert!(bytes.is_empty());
    Ok(frames)
}
