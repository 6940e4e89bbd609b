//! A history in pieces of whole lines.

use std::io::{self, Read};

/// What one piece has at least, unless it is the last. Small enough that it, and what is made of
/// it, stays in a core's cache.
pub(super) const CHUNK_BYTES: usize = 1 << 18;

/// Takes a reader apart.
pub(super) struct Chunks<R> {
    reader: R,
    chunk_bytes: usize,
    /// The beginning of the line that the chunk before had no room for.
    rest: Vec<u8>,
    ended: bool,
}

impl<R: Read> Chunks<R> {
    pub fn new(reader: R, chunk_bytes: usize) -> Chunks<R> {
        Chunks {
            reader,
            chunk_bytes,
            rest: Vec::new(),
            ended: false,
        }
    }

    /// Puts the next whole lines into `chunk`, and says whether that was the last of the file. Only
    /// there can the last line be without its line feed.
    ///
    /// # Errors
    /// The reader failed; `chunk` holds the whole lines that came before. Nothing comes after it.
    pub fn fill(&mut self, chunk: &mut Vec<u8>) -> io::Result<bool> {
        chunk.clear();
        if self.ended {
            return Ok(true);
        }
        chunk.append(&mut self.rest);
        loop {
            let known = chunk.len();
            chunk.reserve(self.chunk_bytes);
            let wanted = self.chunk_bytes as u64;
            let read = (&mut self.reader).take(wanted).read_to_end(chunk);
            let end = chunk[known..].iter().rposition(|&byte| byte == b'\n');
            let end = end.map(|place| known + place + 1);
            match read {
                Err(error) => {
                    self.ended = true;
                    // What stood in `rest` is the beginning of a line.
                    chunk.truncate(end.unwrap_or(0));
                    return Err(error);
                }
                Ok(read) if (read as u64) < wanted => {
                    self.ended = true;
                    return Ok(true);
                }
                Ok(_) => {}
            }
            // Otherwise the line is longer than a chunk.
            if let Some(end) = end {
                self.rest.extend_from_slice(&chunk[end..]);
                chunk.truncate(end);
                return Ok(false);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_hold_whole_lines_and_lose_none() {
        let text = b"one\ntwo two\n\nthree is longer than any chunk\nfour\ncut";
        for chunk_bytes in 1..=text.len() + 1 {
            let mut chunks = Chunks::new(&text[..], chunk_bytes);
            let (mut all, mut chunk) = (Vec::new(), Vec::new());
            loop {
                let last = chunks.fill(&mut chunk).expect("memory");
                all.extend_from_slice(&chunk);
                if last {
                    break;
                }
                assert!(chunk.ends_with(b"\n"), "{chunk_bytes}");
            }
            assert_eq!(all, text, "{chunk_bytes}");
            assert!(chunks.fill(&mut chunk).expect("memory") && chunk.is_empty());
        }
    }

    #[test]
    fn what_was_read_before_a_failure_is_there() {
        struct Fails;
        impl Read for Fails {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("the disk is gone"))
            }
        }
        for chunk_bytes in 1..20 {
            let mut chunks = Chunks::new((&b"one\ntwo\nthr"[..]).chain(Fails), chunk_bytes);
            let (mut all, mut chunk) = (Vec::new(), Vec::new());
            let error = loop {
                let filled = chunks.fill(&mut chunk);
                all.extend_from_slice(&chunk);
                match filled {
                    Ok(last) => assert!(!last),
                    Err(error) => break error,
                }
            };
            assert_eq!(error.to_string(), "the disk is gone");
            assert_eq!(all, b"one\ntwo\n");
            assert!(chunks.fill(&mut chunk).expect("no more") && chunk.is_empty());
        }
    }
}
