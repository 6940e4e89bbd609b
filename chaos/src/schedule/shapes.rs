//! Which links a partition of a named shape cuts. Pure functions over an order of the servers.

/// Which two places of an order may still talk to each other.
type Open = Box<dyn Fn(usize, usize) -> bool>;

/// Two groups; the first has the majority where the number is odd.
pub(super) fn halves(count: usize) -> Open {
    let first = count.div_ceil(2);
    Box::new(move |a, b| (a < first) == (b < first))
}

/// Two groups, and the last in the order reaches both.
pub(super) fn bridge(count: usize) -> Open {
    let hub = count - 1;
    let groups = halves(hub);
    Box::new(move |a, b| a == hub || b == hub || groups(a, b))
}

/// Neighbours only.
pub(super) fn chain() -> Open {
    Box::new(|a, b| a.abs_diff(b) <= 1)
}

/// Each reaches those that are near in a ring: as few as make a majority with itself, and of an odd
/// number one more where the sides would differ. Of three servers a ring is whole, so there one link
/// is cut: the three see `{a, b}`, `{a, b, c}` and `{b, c}`.
pub(super) fn majorities_ring(count: usize) -> Open {
    if count <= 3 {
        return chain();
    }
    let reach = (count / 2).div_ceil(2);
    Box::new(move |a, b| {
        let apart = a.abs_diff(b);
        apart.min(count - apart) <= reach
    })
}

/// Both directions of every link that is not open.
pub(super) fn cut(order: &[String], open: &Open) -> Vec<(String, String)> {
    let mut links = Vec::new();
    for (a, from) in order.iter().enumerate() {
        for (b, to) in order.iter().enumerate() {
            if a != b && !open(a, b) {
                links.push((from.clone(), to.clone()));
            }
        }
    }
    links
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// What each place sees, itself included.
    fn views(count: usize, open: &Open) -> Vec<BTreeSet<usize>> {
        (0..count)
            .map(|a| (0..count).filter(|&b| a == b || open(a, b)).collect())
            .collect()
    }

    #[test]
    fn in_a_majorities_ring_each_sees_a_majority_and_no_two_the_same() {
        for count in 3..=9 {
            let views = views(count, &majorities_ring(count));
            assert!(views.iter().all(|view| view.len() > count / 2), "{count}");
            let different: BTreeSet<_> = views.iter().collect();
            assert_eq!(different.len(), count, "{count}: {views:?}");
        }
    }

    #[test]
    fn halves_are_a_majority_and_the_rest() {
        for (count, large, small) in [(2, 1, 1), (3, 2, 1), (4, 2, 2), (5, 3, 2), (7, 4, 3)] {
            let views = views(count, &halves(count));
            assert_eq!(views[0].len(), large);
            assert_eq!(views[count - 1].len(), small);
        }
    }

    #[test]
    fn only_the_bridge_sees_both_groups() {
        for count in 3..=9 {
            let views = views(count, &bridge(count));
            assert_eq!(views[count - 1].len(), count);
            assert!(views[..count - 1].iter().all(|view| view.len() < count));
        }
    }

    #[test]
    fn a_chain_reaches_its_neighbours() {
        let views = views(5, &chain());
        assert_eq!(views[0].len(), 2);
        assert_eq!(views[2], BTreeSet::from([1, 2, 3]));
    }

    #[test]
    fn both_directions_are_cut() {
        let order = ["s1", "s2", "s3"].map(String::from);
        let links = cut(&order, &chain());
        let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        assert_eq!(links, [pair("s1", "s3"), pair("s3", "s1")]);
    }
}
