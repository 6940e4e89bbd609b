//! Where a byte of a log is changed, and into what.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use crate::plan::Place;

/// How near the start or the end of a log is, in bytes.
const NEAR_BYTES: u64 = 64;

/// One byte that changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flip {
    pub file: String,
    pub offset: u64,
    /// What the byte is combined with by exclusive or; never 0.
    pub mask: u8,
}

/// Chooses a byte in `place` of a log that consists of `files` with the lengths of what is written in
/// them ([`written_bytes`]), in their order. None if the log is empty.
pub fn flip(files: &[(String, u64)], place: Place, seed: u64) -> Option<Flip> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let total: u64 = files.iter().map(|(_, length)| length).sum();
    if total == 0 {
        return None;
    }
    let near = NEAR_BYTES.min(total);
    let mut at = match place {
        Place::Anywhere => rng.random_range(0..total),
        Place::Start => rng.random_range(0..near),
        Place::Middle => rng.random_range(total / 4..=total - 1 - total / 4),
        Place::End => rng.random_range(total - near..total),
    };
    for (file, length) in files {
        if at < *length {
            return Some(Flip {
                file: file.clone(),
                offset: at,
                mask: rng.random_range(1..=u8::MAX),
            });
        }
        at -= length;
    }
    None
}

/// How much of a file of a log is written: what follows is blank space, filled with zeros ahead. A
/// change there would be none of the log.
pub fn written_bytes(contents: &[u8]) -> u64 {
    let last = contents.iter().rposition(|&byte| byte != 0);
    last.map_or(0, |last| last as u64 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flip_is_where_it_was_told_to_be() {
        let files = [("1.log".to_owned(), 300), ("2.log".to_owned(), 100)];
        for seed in 0..200 {
            for (place, range) in [
                (Place::Anywhere, 0..400),
                (Place::Start, 0..64),
                (Place::Middle, 100..300),
                (Place::End, 336..400),
            ] {
                let flip = flip(&files, place, seed).expect("it is not empty");
                let base = if flip.file == "1.log" { 0 } else { 300 };
                assert!(range.contains(&(base + flip.offset)), "{place:?} {flip:?}");
                assert_ne!(flip.mask, 0);
            }
        }
        assert_eq!(flip(&[("1.log".to_owned(), 0)], Place::End, 1), None);
    }

    #[test]
    fn blank_space_is_not_written() {
        assert_eq!(written_bytes(&[0, 7, 0, 8, 0, 0]), 4);
        assert_eq!(written_bytes(&[0; 9]), 0);
        assert_eq!(written_bytes(&[]), 0);
    }
}
