//! A list whose changes can be undone.

/// No operation.
pub(super) const NONE: u32 = u32::MAX;

/// Operations in a list from which any can be taken out and put back where it was, as long as that
/// is done in reverse order (Knuth's dancing links).
pub(super) struct Chain {
    /// The last place is the head.
    next: Vec<u32>,
    previous: Vec<u32>,
}

impl Chain {
    pub fn new(operations: usize) -> Chain {
        let head = operations as u32;
        Chain {
            next: vec![head; operations + 1],
            previous: vec![head; operations + 1],
        }
    }

    fn head(&self) -> u32 {
        self.next.len() as u32 - 1
    }

    pub fn first(&self) -> u32 {
        self.after(self.head())
    }

    pub fn after(&self, operation: u32) -> u32 {
        let next = self.next[operation as usize];
        if next == self.head() { NONE } else { next }
    }

    pub fn append(&mut self, operation: u32) {
        let head = self.head();
        let last = self.previous[head as usize];
        self.next[operation as usize] = head;
        self.previous[operation as usize] = last;
        self.put_back(operation);
    }

    pub fn remove(&mut self, operation: u32) {
        let (next, previous) = (
            self.next[operation as usize],
            self.previous[operation as usize],
        );
        self.next[previous as usize] = next;
        self.previous[next as usize] = previous;
    }

    pub fn put_back(&mut self, operation: u32) {
        let (next, previous) = (
            self.next[operation as usize],
            self.previous[operation as usize],
        );
        self.next[previous as usize] = operation;
        self.previous[next as usize] = operation;
    }
}
