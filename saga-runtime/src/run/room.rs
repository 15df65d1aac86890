//! How much room an undo stack has: as much as the body has calls, or, if there are loops, as much as it takes.

use arrayvec::ArrayVec;

/// How much room an undo stack has.
pub trait Room: Send + Sync + 'static {
    /// The stack.
    type Stack<U>: Stack<U>;
}

/// Room for `N` calls, for a body that makes each of its calls at most once: nothing is allocated.
#[derive(Debug)]
pub struct Fixed<const N: usize>;

/// As much room as it takes, for a body with calls in loops.
#[derive(Debug)]
pub struct Growing;

impl<const N: usize> Room for Fixed<N> {
    type Stack<U> = ArrayVec<U, N>;
}

impl Room for Growing {
    type Stack<U> = Vec<U>;
}

/// What entries are pushed to.
pub trait Stack<U> {
    /// Without entries.
    const EMPTY: Self;

    /// Adds an entry.
    fn push(&mut self, entry: U);

    /// All entries, the oldest first.
    fn as_slice(&self) -> &[U];
}

impl<U, const N: usize> Stack<U> for ArrayVec<U, N> {
    const EMPTY: Self = Self::new_const();

    #[inline]
    fn push(&mut self, entry: U) {
        self.push(entry);
    }

    #[inline]
    fn as_slice(&self) -> &[U] {
        self
    }
}

impl<U> Stack<U> for Vec<U> {
    const EMPTY: Self = Self::new();

    #[inline]
    fn push(&mut self, entry: U) {
        self.push(entry);
    }

    #[inline]
    fn as_slice(&self) -> &[U] {
        self
    }
}
