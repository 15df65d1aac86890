//! The names of the steps and the sagas that the sites of a body call, as the compiler knows them.

/// Up to so many sites the compiler compares their names. Each is compared with each other one.
pub(super) const COMPARED_BY_THE_COMPILER: usize = 64;

/// The names that the sites of a body call, by the sites' numbers.
#[derive(Debug, Clone, Copy)]
pub enum SiteNames {
    /// A name for each site.
    Sites(&'static [&'static str]),
    /// Parts, each with so many sites, but the last one may have fewer.
    Groups(usize, &'static [SiteNames]),
}

impl SiteNames {
    /// The name at the site with this number, which exists.
    pub(super) const fn at(&self, number: usize) -> &'static str {
        match self {
            Self::Sites(names) => names[number],
            Self::Groups(size, parts) => parts[number / *size].at(number % *size),
        }
    }

    /// Returns whether no two of `count` sites have one name.
    pub(super) const fn differ(&self, count: usize) -> bool {
        let mut later = 1;
        while later < count {
            let mut earlier = 0;
            while earlier < later {
                if are_equal(self.at(earlier), self.at(later)) {
                    return false;
                }
                earlier += 1;
            }
            later += 1;
        }
        true
    }

    /// The same in less time, where the compiler is not asked.
    pub(super) fn differ_in_a_long_saga(&self, count: usize) -> bool {
        let mut names: Vec<_> = (0..count).map(|site| self.at(site)).collect();
        names.sort_unstable();
        names.windows(2).all(|pair| pair[0] != pair[1])
    }
}

/// `==` of texts is not `const`.
const fn are_equal(left: &str, right: &str) -> bool {
    let (left, right) = (left.as_bytes(), right.as_bytes());
    if left.len() != right.len() {
        return false;
    }
    let mut at = 0;
    while at < left.len() {
        if left[at] != right[at] {
            return false;
        }
        at += 1;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::SiteNames;

    const GROUPED: SiteNames = SiteNames::Groups(
        2,
        &[
            SiteNames::Sites(&["reserve", "charge"]),
            SiteNames::Sites(&["ship"]),
        ],
    );

    #[test]
    fn names_in_parts_are_counted_through() {
        assert_eq!(GROUPED.at(1), "charge");
        assert_eq!(GROUPED.at(2), "ship");
        assert!(GROUPED.differ(3));
        assert!(GROUPED.differ_in_a_long_saga(3));
    }

    #[test]
    fn one_name_at_two_sites_is_found_wherever_they_are() {
        let twice = SiteNames::Groups(
            2,
            &[
                SiteNames::Sites(&["reserve", "charge"]),
                SiteNames::Sites(&["reserve"]),
            ],
        );
        assert!(!twice.differ(3));
        assert!(!twice.differ_in_a_long_saga(3));
        assert!(SiteNames::Sites(&["reserve", "reserved", "deserve"]).differ(3));
    }
}
