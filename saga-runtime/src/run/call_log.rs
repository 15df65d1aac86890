//! The calls of a run, in order, by the numbers of their sites.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use crate::lock::lock;
use crate::place::Position;

/// The calls of a run. In a body without loops, each site is called at most once, and in the order of the numbers, which
/// `saga!` gives in the order of evaluation: then one bit per site is enough. Otherwise the numbers of the sites are listed.
#[derive(Debug, Default)]
pub struct CallLog {
    once: AtomicU64,
    often: OnceLock<Arc<Mutex<ListedCalls>>>,
}

/// Calls in the order in which they have ended. The occurrence of a call is known without a look at the calls before it.
#[derive(Debug, Default)]
struct ListedCalls {
    calls: Vec<ListedCall>,
    /// The names of the steps and sagas that were called, and how often.
    names: Vec<(&'static str, usize)>,
    /// The index among the names of each site that was called.
    of_site: Vec<Option<usize>>,
}

#[derive(Debug)]
struct ListedCall {
    site: usize,
    /// The number of calls before it with its name.
    occurrence: usize,
}

impl ListedCalls {
    fn push(&mut self, site: usize, name: &'static str) {
        if self.of_site.len() <= site {
            self.of_site.resize(site + 1, None);
        }
        let of_site = self.of_site[site].unwrap_or_else(|| {
            let known = self.names.iter().position(|(known, _)| *known == name);
            known.unwrap_or_else(|| {
                self.names.push((name, 0));
                self.names.len() - 1
            })
        });
        self.of_site[site] = Some(of_site);
        let (_, count) = &mut self.names[of_site];
        let occurrence = *count;
        *count += 1;
        self.calls.push(ListedCall { site, occurrence });
    }

    fn name(&self, call: &ListedCall) -> Option<&'static str> {
        #[cfg(test)]
        tests::LOOKS.with(|looks| looks.set(looks.get() + 1));
        let of_site = self.of_site.get(call.site).copied().flatten()?;
        Some(self.names[of_site].0)
    }

    /// The number of the first `before` calls that have this name.
    fn occurrence(&self, name: &str, before: usize) -> usize {
        if before >= self.calls.len() {
            let mut names = self.names.iter();
            return names
                .find(|(known, _)| *known == name)
                .map_or(0, |(_, count)| *count);
        }
        let has_name = |call: &&ListedCall| self.name(call) == Some(name);
        if let Some(call) = self.calls.get(before).filter(has_name) {
            return call.occurrence;
        }
        let mut earlier = self.calls[..before].iter().rev();
        earlier.find(has_name).map_or(0, |call| call.occurrence + 1)
    }
}

impl CallLog {
    /// The only call of the site `number` has ended.
    #[inline]
    pub(super) fn record_once(&self, number: usize) {
        // Only one task writes it.
        let calls = self.once.load(Ordering::Relaxed) | 1 << number;
        self.once.store(calls, Ordering::Relaxed);
    }

    /// A call of the site `number` has ended. `name` is that of the called step or saga.
    pub(super) fn record_again(&self, number: usize, name: &'static str) {
        lock(self.often.get_or_init(Arc::default)).push(number, name);
    }

    /// The number of calls that have ended.
    pub(super) fn count(&self) -> usize {
        let often = self.often.get().map_or(0, |often| lock(often).calls.len());
        self.once.load(Ordering::Relaxed).count_ones() as usize + often
    }

    /// Returns true if a site was called that may be called more than once.
    #[inline]
    pub(super) fn is_listed(&self) -> bool {
        self.often.get().is_some()
    }

    /// The site of the call `index`, counted from 0.
    pub(super) fn site(&self, index: usize) -> usize {
        if let Some(often) = self.often.get() {
            return lock(often).calls[index].site;
        }
        let mut calls = self.once.load(Ordering::Relaxed);
        for _ in 0..index {
            calls &= calls - 1;
        }
        calls.trailing_zeros() as usize
    }

    /// The number of the first `before` calls that have this name, or `None` if the calls are not listed: then they are few.
    pub(super) fn occurrence(&self, name: &str, before: usize) -> Option<usize> {
        Some(lock(self.often.get()?).occurrence(name, before))
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
        let often: Vec<_> = lock(often).calls.iter().map(|call| call.site).collect();
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

    thread_local! {
        /// How often the name of a listed call was looked at.
        pub(super) static LOOKS: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
    }

    /// The looks at the calls of a loop with two steps: at each call while it runs, and while it is undone.
    fn looks(rounds: usize) -> usize {
        let (log, before) = (CallLog::default(), LOOKS.get());
        for round in 0..rounds {
            for (site, name) in [(0, "pay"), (1, "pack")] {
                assert_eq!(log.occurrence(name, log.count()).unwrap_or(0), round);
                log.record_again(site, name);
            }
        }
        for past in log.backward() {
            let name = ["pay", "pack"][past.site];
            assert_eq!(log.occurrence(name, past.before), Some(past.time));
        }
        LOOKS.get() - before
    }

    #[test]
    fn the_work_for_a_loop_is_linear_in_its_calls() {
        let few = looks(1_000);
        assert!(few > 0);
        assert_eq!(looks(16_000), 16 * few);
    }

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
        for (site, name) in [(1, "pay"), (0, "pack"), (1, "pay")] {
            log.record_again(site, name);
        }
        assert_eq!(log.count(), 3);
        assert_eq!([0, 1, 2].map(|index| log.site(index)), [1, 0, 1]);
        let backward: Vec<_> = log.backward().collect();
        assert_eq!(backward, [past(1, 1, 2), past(0, 0, 1), past(1, 0, 0)]);
    }

    #[test]
    fn the_occurrence_of_a_listed_call_counts_all_sites_of_its_name() {
        let log = CallLog::default();
        let calls = [(0, "pay"), (2, "pack"), (1, "pay"), (0, "pay"), (2, "pack")];
        for (site, name) in calls {
            log.record_again(site, name);
        }
        for name in ["pay", "pack", "ship"] {
            for before in 0..=calls.len() {
                let counted = calls[..before].iter().filter(|call| call.1 == name).count();
                assert_eq!(
                    log.occurrence(name, before),
                    Some(counted),
                    "{name} before {before}"
                );
            }
        }
    }
}
