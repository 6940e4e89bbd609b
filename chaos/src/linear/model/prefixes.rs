//! Growing sequences, told apart only as far as any observation can.
//!
//! A sequence that only grows can later be observed as one of a known set of sequences, or never
//! again. So two sequences are worth telling apart only while each is the beginning of an observed
//! one. Sorted, the observed sequences that begin alike stand side by side; a sequence is its
//! length and that range. Growing it by a piece narrows the range by binary search: no sequence is
//! ever copied, and equal ones have equal numbers.

use std::collections::HashMap;

use super::State;

/// A sequence: a beginning that all observed sequences in `from..to` share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Range {
    from: u32,
    /// Equal to `from` if no observed sequence begins so.
    to: u32,
    length: u32,
}

#[derive(Debug)]
pub struct Prefixes<T> {
    /// Sorted, each once.
    observed: Vec<Vec<T>>,
    observed_bytes: usize,
    ranges: Vec<Range>,
    number_of: HashMap<(u32, u32), u32>,
    /// Whether sequences that no observed one begins with are told apart by their lengths.
    lengths: bool,
}

impl<T: Ord + Copy> Prefixes<T> {
    pub fn new(mut observed: Vec<Vec<T>>, lengths: bool) -> Prefixes<T> {
        observed.sort_unstable();
        observed.dedup();
        let bytes = |sequence: &Vec<T>| size_of_val(sequence.as_slice()) + size_of::<Vec<T>>();
        let mut prefixes = Prefixes {
            observed_bytes: observed.iter().map(bytes).sum(),
            observed,
            ranges: Vec::new(),
            number_of: HashMap::new(),
            lengths,
        };
        prefixes.number(Range {
            from: 0,
            to: prefixes.observed.len() as u32,
            length: 0,
        });
        prefixes
    }

    /// The empty sequence.
    pub fn empty(&self) -> State {
        State(0)
    }

    /// The sequence grown by a piece.
    pub fn grown(&mut self, state: State, piece: &[T]) -> State {
        let range = self.ranges[state.0 as usize];
        let length = range.length as usize;
        let among = &self.observed[range.from as usize..range.to as usize];
        // All of them are at least as long as what they share.
        let rest = |sequence: &Vec<T>, cut: usize| {
            let end = sequence.len().min(length + cut);
            sequence[length..end].cmp(piece)
        };
        let from = among.partition_point(|sequence| rest(sequence, piece.len()).is_lt());
        let to = among.partition_point(|sequence| rest(sequence, piece.len()).is_le());
        self.number(Range {
            from: range.from + from as u32,
            to: range.from + to as u32,
            length: range.length.saturating_add(piece.len() as u32),
        })
    }

    /// Whether the sequence may still grow into `other`, which was observed; also if they are equal.
    pub fn begins(&self, state: State, other: State) -> bool {
        let (range, other) = (self.ranges[state.0 as usize], self.ranges[other.0 as usize]);
        range.length <= other.length
            && range.from <= other.from
            && other.to <= range.to
            && range.from < range.to
    }

    /// How long the sequence is. Only for sequences with lengths.
    pub fn length(&self, state: State) -> u32 {
        self.ranges[state.0 as usize].length
    }

    pub fn bytes(&self) -> usize {
        self.observed_bytes
            + self.ranges.capacity() * size_of::<Range>()
            + self.number_of.capacity() * (size_of::<(u32, u32, u32)>() + 1)
    }

    fn number(&mut self, mut range: Range) -> State {
        if range.from >= range.to && range.length > 0 {
            // Behind all of them.
            range.from = self.observed.len() as u32;
            range.to = range.from;
            if !self.lengths {
                range.length = u32::MAX;
            }
        }
        // Among sequences of one length, the range begins somewhere else for each.
        let next = self.ranges.len() as u32;
        let number = *self
            .number_of
            .entry((range.from, range.length))
            .or_insert(next);
        if number == next {
            self.ranges.push(range);
        }
        State(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(observed: &[&str], lengths: bool) -> Prefixes<u8> {
        Prefixes::new(
            observed
                .iter()
                .map(|text| text.as_bytes().to_vec())
                .collect(),
            lengths,
        )
    }

    fn walk(prefixes: &mut Prefixes<u8>, pieces: &[&str]) -> State {
        pieces.iter().fold(prefixes.empty(), |state, piece| {
            prefixes.grown(state, piece.as_bytes())
        })
    }

    #[test]
    fn equal_sequences_have_equal_numbers_however_they_grew() {
        let mut prefixes = of(&["abcd", "abx", "q"], false);
        let whole = walk(&mut prefixes, &["abc"]);
        assert_eq!(walk(&mut prefixes, &["a", "", "bc"]), whole);
        assert_ne!(walk(&mut prefixes, &["ab"]), whole);
        let observed = walk(&mut prefixes, &["abcd"]);
        assert!(prefixes.begins(whole, observed));
        assert!(prefixes.begins(observed, observed));
        assert!(!prefixes.begins(observed, whole));
        let other = walk(&mut prefixes, &["abx"]);
        assert!(!prefixes.begins(whole, other));
    }

    #[test]
    fn what_was_never_observed_is_one_or_a_length() {
        let mut one = of(&["ab", ""], false);
        let (first, second) = (walk(&mut one, &["b"]), walk(&mut one, &["abc", "d"]));
        assert_eq!(first, second);
        let empty = one.empty();
        assert!(!one.begins(first, empty));
        let mut lengths = of(&[], true);
        let (first, second) = (walk(&mut lengths, &["x", "y"]), walk(&mut lengths, &["zz"]));
        assert_eq!(first, second);
        assert_eq!(lengths.length(first), 2);
        assert_ne!(walk(&mut lengths, &["x"]), first);
    }
}
