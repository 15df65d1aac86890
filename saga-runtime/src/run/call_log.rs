//! The calls of a run, in order, by the numbers of their sites.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use crate::lock::lock;
use crate::place::Position;

/// The calls of a run. In a body without loops, each site is called at most once, and in source order: then one bit per
/// site is enough. Otherwise the numbers of the sites are listed.
#[derive(Debug, Default)]
pub struct CallLog {
    once: AtomicU64,
    often: OnceLock<Arc<Mutex<Vec<usize>>>>,
}

impl CallLog {
    /// The only call of the site `number` has ended.
    #[inline]
    pub(super) fn record_once(&self, number: usize) {
        // Only one task writes it.
        let calls = self.once.load(Ordering::Relaxed) | 1 << number;
        self.once.store(calls, Ordering::Relaxed);
    }

    /// A call of the site `number` has ended.
    pub(super) fn record_again(&self, number: usize) {
        lock(self.often.get_or_init(Arc::default)).push(number);
    }

    /// The number of calls that have ended.
    pub(super) fn count(&self) -> usize {
        let often = self.often.get().map_or(0, |often| lock(often).len());
        self.once.load(Ordering::Relaxed).count_ones() as usize + often
    }

    /// The site of the call `index`, counted from 0.
    pub(super) fn site(&self, index: usize) -> usize {
        if let Some(often) = self.often.get() {
            return lock(often)[index];
        }
        let mut calls = self.once.load(Ordering::Relaxed);
        for _ in 0..index {
            calls &= calls - 1;
        }
        calls.trailing_zeros() as usize
    }

    /// All calls, the last one first.
    #[inline]
    pub(super) fn backward(&self) -> Backward {
        let Some(often) = self.often.get() else {
            let once = self.once.load(Ordering::Relaxed);
            return Backward {
                left: once.count_ones() as usize,
                once,
                often: Vec::new(),
                times: Vec::new(),
            };
        };
        let often = lock(often).clone();
        let mut times = vec![0; often.iter().max().map_or(0, |last| last + 1)];
        for site in &often {
            times[*site] += 1;
        }
        Backward {
            left: often.len(),
            once: 0,
            often,
            times,
        }
    }
}

/// The calls of a run, the last one first.
pub(super) struct Backward {
    /// The number of calls still to come.
    left: usize,
    once: u64,
    often: Vec<usize>,
    /// The number of calls of each site up to here.
    times: Vec<usize>,
}

impl Backward {
    /// The number of calls still to come.
    pub(super) fn count_left(&self) -> usize {
        self.left
    }
}

/// A call that has ended.
#[derive(Debug, PartialEq)]
pub(super) struct Past {
    pub(super) site: usize,
    /// The number of the call among those of its site, counted from 0.
    pub(super) time: usize,
    /// The number of calls before it.
    pub(super) before: usize,
}

impl Past {
    /// The number of calls before it with the name of its step. `names_differ`: no two sites call steps of one name, so only
    /// the calls of its own site count.
    #[inline]
    pub(super) fn occurrence(&self, position: &Position<'_>, names_differ: bool) -> usize {
        if names_differ {
            self.time
        } else {
            position.occurrence()
        }
    }
}

impl Iterator for Backward {
    type Item = Past;

    #[inline]
    fn next(&mut self) -> Option<Past> {
        self.left = self.left.checked_sub(1)?;
        let (site, time) = if let Some(site) = self.often.pop() {
            self.times[site] -= 1;
            (site, self.times[site])
        } else {
            let site = self.once.checked_ilog2()? as usize;
            self.once &= !(1 << site);
            (site, 0)
        };
        Some(Past {
            site,
            time,
            before: self.left,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn past(site: usize, time: usize, before: usize) -> Past {
        Past { site, time, before }
    }

    #[test]
    fn calls_outside_of_loops_are_in_the_order_of_their_sites() {
        let log = CallLog::default();
        for site in [0, 3, 63] {
            log.record_once(site);
        }
        assert_eq!(log.count(), 3);
        assert_eq!([0, 1, 2].map(|index| log.site(index)), [0, 3, 63]);
        let backward: Vec<_> = log.backward().collect();
        assert_eq!(backward, [past(63, 0, 2), past(3, 0, 1), past(0, 0, 0)]);
    }

    #[test]
    fn calls_in_loops_are_in_the_order_in_which_they_were_made() {
        let log = CallLog::default();
        for site in [1, 0, 1] {
            log.record_again(site);
        }
        assert_eq!(log.count(), 3);
        assert_eq!([0, 1, 2].map(|index| log.site(index)), [1, 0, 1]);
        let backward: Vec<_> = log.backward().collect();
        assert_eq!(backward, [past(1, 1, 2), past(0, 0, 1), past(1, 0, 0)]);
    }
}
