//! Since when something goes on, and whether it still does: the last run of bad points.

/// A good spell shorter than this does not part a run, and a longer one ends it.
const QUIET_MS: u64 = 60_000;

/// A piece of time of one service.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Slice {
    /// Its start.
    pub start_ms: u64,
    /// Its end.
    pub end_ms: u64,
    /// Requests whose outcome is known.
    pub all: u64,
    /// Those of them that failed.
    pub bad: u64,
    /// 99 of 100 took no longer; `None` without requests.
    pub p99_us: Option<u64>,
}

/// A run of bad points.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Spell {
    /// Start of the first.
    pub(super) since_ms: u64,
    /// End of the last; `None` while it goes on.
    pub(super) until_ms: Option<u64>,
    /// Requests since then whose outcome is known.
    pub(super) all: u64,
    /// Those of them that failed.
    pub(super) bad: u64,
}

/// The last run of points that are bad, oldest first; `None` without one. Points without requests are
/// neither good nor bad.
pub(super) fn last(
    points: &[Slice],
    now_ms: u64,
    is_bad: impl Fn(&Slice) -> bool,
) -> Option<Spell> {
    let newest = points.iter().rev().find(|point| is_bad(point))?;
    let mut since_ms = newest.start_ms;
    for point in points.iter().rev().filter(|point| is_bad(point)) {
        if since_ms.saturating_sub(point.end_ms) >= QUIET_MS {
            break;
        }
        since_ms = since_ms.min(point.start_ms);
    }
    let end_ms = newest.end_ms;
    let had_traffic = points.iter().any(|point| point.start_ms >= end_ms && point.all > 0);
    let is_over = had_traffic && now_ms.saturating_sub(end_ms) >= QUIET_MS;
    let until_ms = is_over.then_some(end_ms);
    let within = points.iter().filter(|point| {
        point.start_ms >= since_ms && until_ms.is_none_or(|until_ms| point.start_ms < until_ms)
    });
    let (all, bad) = within.fold((0_u64, 0_u64), |(all, bad), point| {
        (all.saturating_add(point.all), bad.saturating_add(point.bad))
    });
    Some(Spell { since_ms, until_ms, all, bad })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Points of five seconds, one for each letter: `x` bad, `o` good, `-` without requests.
    fn points(letters: &str) -> Vec<Slice> {
        let point = |(index, letter): (usize, char)| {
            let start_ms = index as u64 * 5_000;
            let (all, bad) = match letter {
                'x' => (10, 4),
                'o' => (10, 0),
                _ => (0, 0),
            };
            Slice { start_ms, end_ms: start_ms + 5_000, all, bad, p99_us: None }
        };
        letters.chars().enumerate().map(point).collect()
    }

    /// Goal: a run is told from its first point to now, or to its end. Method: letters as in `points`;
    /// seconds of its start and end, requests and failures since.
    #[test]
    fn a_run_begins_where_the_trouble_did_and_ends_after_a_minute_of_none() {
        let quiet = "o".repeat(12);
        for (name, letters, want) in [
            ("nothing", String::new(), None),
            ("only good ones", "ooo".to_owned(), None),
            ("the last point", "ooox".to_owned(), Some((15, None, 10, 4))),
            ("on and off", "oxoox".to_owned(), Some((5, None, 40, 8))),
            ("good for less than a minute", "xooo".to_owned(), Some((0, None, 40, 4))),
            ("good for a minute", format!("ox{quiet}"), Some((5, Some(10), 10, 4))),
            ("nobody asked since", format!("ox{}", "-".repeat(20)), Some((5, None, 10, 4))),
            ("an earlier run", format!("xx{quiet}x"), Some((70, None, 10, 4))),
            ("not quite a minute apart", format!("x{}x", &quiet[1..]), Some((0, None, 130, 8))),
        ] {
            let points = points(&letters);
            let now_ms = points.last().map_or(0, |last| last.end_ms);
            let run = last(&points, now_ms, |point| point.bad > 0);
            let of = |run: Spell| {
                (run.since_ms / 1_000, run.until_ms.map(|ms| ms / 1_000), run.all, run.bad)
            };
            assert_eq!(run.map(of), want, "{name}");
        }
    }
}
