//! An append-only list whose elements stay borrowed while it grows.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

/// An append-only list. Elements never move: block `n` has room for 2ⁿ of them.
#[derive(Debug)]
pub(crate) struct Arena<T> {
    count: AtomicUsize,
    blocks: [OnceLock<Box<[OnceLock<T>]>>; BLOCKS],
}

/// Enough for 2³² elements.
const BLOCKS: usize = 32;

impl<T> Default for Arena<T> {
    fn default() -> Self {
        Self {
            count: AtomicUsize::new(0),
            blocks: [const { OnceLock::new() }; BLOCKS],
        }
    }
}

impl<T> Arena<T> {
    /// Appends an element, and returns a reference to it.
    pub(crate) fn push(&self, element: T) -> &T {
        let number = self.count.fetch_add(1, Ordering::Relaxed) + 1;
        let block = number.ilog2();
        let first = 1 << block;
        let elements = self.blocks[block as usize]
            .get_or_init(|| (0..first).map(|_| OnceLock::new()).collect());
        elements[number - first].get_or_init(|| element)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_stay_where_they_are() {
        let arena = Arena::default();
        let elements: Vec<_> = (0..100).map(|number| arena.push(number)).collect();
        let numbers: Vec<_> = (0..100).collect();
        assert!(elements.into_iter().eq(&numbers));
    }
}
