//! Goal: runs are sets of numbers, and an account puts every number in its place. Method: compared
//! with sets of single numbers.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

fn runs(numbers: &[u64]) -> Runs {
    let mut runs = Runs::default();
    for number in numbers {
        runs.add(*number);
    }
    runs
}

fn numbers(runs: &Runs) -> BTreeSet<u64> {
    runs.runs().iter().flat_map(|(first, last)| *first..=*last).collect()
}

#[test]
fn numbers_in_any_order_join_to_runs() {
    let rows = [
        ("nothing", &[][..], &[][..]),
        ("in order", &[1, 2, 3], &[(1, 3)]),
        ("backwards", &[3, 2, 1], &[(1, 3)]),
        ("with a hole", &[1, 2, 4], &[(1, 2), (4, 4)]),
        ("the hole is filled, one comes again", &[1, 3, 5, 3, 2, 4], &[(1, 5)]),
    ];
    for (name, given, want) in rows {
        assert_eq!(runs(given).runs(), want, "{name}");
    }
}

#[test]
fn each_number_has_its_place() {
    let asked = Runs::between(1, 10);
    let stored = |indices: &[&[u64]]| indices.iter().map(|index| runs(index)).collect();
    let all = &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10][..];
    let known = Known { asked: asked.clone(), ..Known::default() };
    let rows = [
        ("all stored", Known { stored: stored(&[all]), ..known.clone() }, "10 0 0 0 0 0 0 []"),
        (
            "over two indices",
            Known { stored: stored(&[&all[..5], &all[5..]]), ..known.clone() },
            "10 0 0 0 0 0 0 []",
        ),
        (
            "one stands in both",
            Known { stored: stored(&[&all[..5], &all[4..]]), ..known.clone() },
            "9 1 0 0 0 0 0 []",
        ),
        (
            "one stands twice in one",
            Known { stored: stored(&[all]), doubled: runs(&[7]), ..known.clone() },
            "9 1 0 0 0 0 0 []",
        ),
        (
            "one is missing",
            Known { stored: stored(&[&[1, 2, 3, 4, 6, 7, 8, 9, 10]]), ..known.clone() },
            "9 0 0 0 0 0 0 [(5, 5)]",
        ),
        (
            "the tail waits",
            Known { stored: stored(&[&all[..7]]), waiting: runs(&[7, 8, 9, 10]), ..known.clone() },
            "7 0 3 0 0 0 0 []",
        ),
        (
            "dead, in the failure store, and dropped",
            Known {
                stored: stored(&[&all[4..]]),
                dead: runs(&[1]),
                failure_store: runs(&[2, 5]),
                gaps: runs(&[3]),
                ..known.clone()
            },
            "6 0 0 1 1 1 0 [(4, 4)]",
        ),
        (
            "age explains what is below the oldest, and nothing else",
            Known {
                stored: stored(&[&[4, 5, 7, 8, 9, 10]]),
                aged: Runs::between(1, 6),
                ..known.clone()
            },
            "6 0 0 0 0 0 3 [(6, 6)]",
        ),
        (
            "what is stored and was not asked about is no matter",
            Known { stored: stored(&[&[1, 2, 50]]), asked: runs(&[1, 2]), ..known },
            "2 0 0 0 0 0 0 []",
        ),
    ];
    for (name, known, want) in rows {
        let account = known.account();
        let Account { once, twice, waiting, dead, failure_store, gaps, aged, missing, .. } =
            &account;
        let (twice, missing) = (twice.count(), missing.runs());
        assert_eq!(
            format!("{once} {twice} {waiting} {dead} {failure_store} {gaps} {aged} {missing:?}"),
            want,
            "{name}"
        );
        assert_eq!(account.sum(), account.created, "{name}");
    }
}

fn some() -> impl Strategy<Value = Vec<u64>> {
    proptest::collection::vec(1..60_u64, 0..40)
}

proptest! {
    #[test]
    fn runs_are_sets(a in some(), b in some(), probe in 0..62_u64) {
        let (left, right) = (runs(&a), runs(&b));
        let (a, b): (BTreeSet<_>, BTreeSet<_>) = (a.into_iter().collect(), b.into_iter().collect());
        prop_assert_eq!(numbers(&left), a.clone());
        prop_assert_eq!(numbers(&left.or(&right)), &a | &b);
        prop_assert_eq!(numbers(&left.and(&right)), &a & &b);
        prop_assert_eq!(numbers(&left.without(&right)), &a - &b);
        prop_assert_eq!(left.count(), a.len() as u64);
        prop_assert_eq!(left.contains(probe), a.contains(&probe));
        prop_assert_eq!((left.first(), left.last()), (a.first().copied(), a.last().copied()));
        let apart = left.or(&right);
        prop_assert!(apart.runs().windows(2).all(|pair| pair[0].1 + 1 < pair[1].0));
    }

    #[test]
    fn an_account_adds_up_whatever_is_known(
        last in 0..60_u64, indices in proptest::collection::vec(some(), 0..4), doubled in some(),
        waiting in some(), dead in some(), failure_store in some(), gaps in some(), aged in some(),
    ) {
        let times = |number| indices.iter().filter(|index| index.contains(&number)).count();
        let known = Known {
            asked: Runs::between(1, last),
            stored: indices.iter().map(|index| runs(index)).collect(),
            doubled: runs(&doubled), waiting: runs(&waiting), dead: runs(&dead),
            failure_store: runs(&failure_store), gaps: runs(&gaps), aged: runs(&aged),
        };
        let account = known.account();
        prop_assert_eq!(account.sum(), last);
        for number in 1..=last {
            let is_twice = times(number) > 1 || times(number) == 1 && doubled.contains(&number);
            prop_assert_eq!(account.twice.contains(number), is_twice, "{}", number);
            let places = [&waiting, &dead, &failure_store, &gaps];
            let is_known = places.iter().any(|place| place.contains(&number));
            if account.missing.contains(number) {
                prop_assert!(times(number) == 0 && !is_known, "{}", number);
            }
        }
    }
}
