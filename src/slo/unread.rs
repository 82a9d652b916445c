//! Objectives as they were last read, for the time in which their files cannot be.
//!
//! ```text
//! files ─► read ─► no mistake at all: these, and no others; remembered
//!             └─► a mistake: these, and those of before that nobody finds now, as they were; remembered
//! ```
//! A mistake in a file, or a disk that is not mounted, must end no alert and erase no budget. As long as any file
//! cannot be read, nobody can say that an objective was taken away: it may have moved to that file. One that goes
//! on counts, fires and ends as before; the log and a gauge say so. Bounded: for [`UNREAD_MAX`], and no more
//! objectives than files may hold. Not here: reading files (`file`), counts and alerts (`state`).

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::file::{self, OBJECTIVES_MAX, Objectives};
use super::objective::Objective;
use crate::base::clock::millis;
use crate::consumer::{
    Earlier, Form, StateError, StateFile, push_counted, push_length, take, take_counted,
};

/// So long an objective goes on that is in no file: a usual period. What was promised before it is in no budget
/// any more, and a file that nobody mended for so long is not missed. Looked at at each start.
pub const UNREAD_MAX: Duration = Duration::from_hours(30 * 24);
const FORM: Form = Form {
    file_name: "slo-objectives",
    magic: *b"lbpobj01",
    version: 1,
    loss: "objectives whose files cannot be read now end, with their alerts",
};

/// An objective as it was last read.
#[derive(Debug, Clone, PartialEq, Eq)]
struct LastRead {
    objective: Arc<Objective>,
    /// Since when it is in no file that can be read, in milliseconds since 1970; 0: it is in one.
    unread_ms: u64,
}

/// Adds those objectives that cannot be read now and go on as they were last read; says how many. What goes on
/// is remembered in `folder`, which one process uses at a time.
pub fn keep_unread(read: &mut Objectives, folder: &Path, now_ms: u64) -> usize {
    let (mut file, earlier) = StateFile::open(FORM, folder, "", |_, body| decode(body));
    let before = if let Earlier::State(before) = earlier { before } else { Vec::new() };
    let all = go_on(read, &before, now_ms);
    if all != before
        && let Err(error) = file.replace(|out| encode(&all, out))
    {
        tracing::warn!(
            folder = %folder.display(), %error,
            "objectives cannot be remembered: a mistake in their files would end them at the next start"
        );
    }
    let unread = &all[read.objectives.len()..];
    read.objectives.extend(unread.iter().map(|last| Arc::clone(&last.objective)));
    unread.len()
}

/// All that are evaluated from now on: those of the files, then those that go on without.
fn go_on(read: &Objectives, before: &[LastRead], now_ms: u64) -> Vec<LastRead> {
    let of_file = |objective: &Arc<Objective>| {
        let objective = Arc::clone(objective);
        LastRead { objective, unread_ms: 0 }
    };
    let mut all: Vec<_> = read.objectives.iter().map(of_file).collect();
    if read.findings.is_empty() {
        return all;
    }
    for last in before {
        let name = &last.objective.name;
        if read.objectives.iter().any(|objective| objective.name == *name) {
            continue;
        }
        let unread_ms = if last.unread_ms == 0 { now_ms } else { last.unread_ms.min(now_ms) };
        let days = (now_ms - unread_ms) / 86_400_000;
        if now_ms - unread_ms >= millis(UNREAD_MAX) {
            tracing::warn!(name, days, "an objective that no file has for so long ends");
        } else if all.len() >= OBJECTIVES_MAX {
            tracing::warn!(
                name,
                most = OBJECTIVES_MAX,
                "too many objectives: one that no file has ends"
            );
        } else {
            tracing::warn!(
                name,
                days,
                "no file that can be read has this objective; it goes on as it was last read, 30 days at most; \
                 mend the files, and it ends if it is in none"
            );
            all.push(LastRead { unread_ms, ..last.clone() });
        }
    }
    all
}

/// `objectives u32, (unread u64, length u32, text)*`
fn encode(all: &[LastRead], out: &mut Vec<u8>) {
    push_length(all.len(), out);
    for LastRead { objective, unread_ms } in all {
        out.extend_from_slice(&unread_ms.to_le_bytes());
        push_counted(file::print(objective).as_bytes(), out);
    }
}

fn decode(body: &mut &[u8]) -> Result<Vec<LastRead>, StateError> {
    let mut all = Vec::new();
    for _ in 0..u32::from_le_bytes(take(body)?) {
        let unread_ms = u64::from_le_bytes(take(body)?);
        let text = std::str::from_utf8(take_counted(body)?).map_err(|_| StateError::Damaged)?;
        let Objectives { objectives, findings, .. } = file::parse(FORM.file_name, text, &|_| None);
        if let Some(objective) = objectives.into_iter().next() {
            all.push(LastRead { objective, unread_ms });
        } else {
            // Another version wrote it, which took what this one refuses.
            let problem = findings.first().map(ToString::to_string);
            tracing::warn!(problem, "an objective as it was last read cannot be used");
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{T0, availability};
    use super::*;
    use crate::config::Finding;

    const DAY_MS: u64 = 86_400_000;

    /// What files say: these, and whether there is a mistake.
    fn read(names: &[&str], has_mistake: bool) -> Objectives {
        let objective =
            |name: &&str| Arc::new(Objective { name: (*name).to_owned(), ..availability() });
        let finding = Finding {
            file: "slo/a.yaml".to_owned(),
            line: 0,
            column: 0,
            key: String::new(),
            problem: "cannot be read".to_owned(),
            cure: "mend it".to_owned(),
        };
        Objectives {
            objectives: names.iter().map(objective).collect(),
            findings: if has_mistake { vec![finding] } else { Vec::new() },
            warnings: Vec::new(),
        }
    }

    /// One start, so many days after T0: names of what is evaluated, and how many of them are in no file.
    fn start(folder: &Path, days: u64, mut read: Objectives) -> (Vec<String>, usize) {
        let unread = keep_unread(&mut read, folder, T0 + days * DAY_MS);
        (read.objectives.iter().map(|objective| objective.name.clone()).collect(), unread)
    }

    /// Goal: who mistypes loses nothing, who takes away ends. Method: starts with the days at which they are,
    /// what files have, whether one has a mistake; what is evaluated, and how many of these are in no file.
    #[test]
    fn an_objective_goes_on_while_its_file_cannot_be_read_and_ends_when_it_is_taken_away() {
        type Start<'a> = (u64, &'a [&'a str], bool, &'a [&'a str], usize);
        let starts: &[(&str, &[Start<'_>])] = &[
            ("a first start with a mistake", &[(0, &["b"], true, &["b"], 0)]),
            (
                "taken away",
                &[(0, &["a", "b"], false, &["a", "b"], 0), (1, &["b"], false, &["b"], 0)],
            ),
            ("all are taken away", &[(0, &["a"], false, &["a"], 0), (1, &[], false, &[], 0)]),
            (
                "a mistake, at two starts, mended",
                &[
                    (0, &["a", "b"], false, &["a", "b"], 0),
                    (1, &["b"], true, &["b", "a"], 1),
                    (2, &["b"], true, &["b", "a"], 1),
                    (3, &["a", "b"], false, &["a", "b"], 0),
                ],
            ),
            (
                "a mistake, then taken away",
                &[
                    (0, &["a"], false, &["a"], 0),
                    (1, &[], true, &["a"], 1),
                    (2, &[], false, &[], 0),
                    (3, &[], true, &[], 0),
                ],
            ),
            (
                "a new one beside the mistake",
                &[(0, &["a"], false, &["a"], 0), (1, &["c"], true, &["c", "a"], 1)],
            ),
            (
                "30 days since it was first missed",
                &[
                    (0, &["a"], false, &["a"], 0),
                    (9, &[], true, &["a"], 1),
                    (38, &[], true, &["a"], 1),
                    (39, &[], true, &[], 0),
                ],
            ),
            (
                "a clock that went back",
                &[
                    (9, &["a"], false, &["a"], 0),
                    (9, &[], true, &["a"], 1),
                    (1, &[], true, &["a"], 1),
                    (30, &[], true, &["a"], 1),
                    (31, &[], true, &[], 0),
                ],
            ),
        ];
        for (name, starts) in starts {
            let dir = tempfile::tempdir().unwrap();
            for &(days, names, has_mistake, want, unread) in *starts {
                let (names, count) = start(dir.path(), days, read(names, has_mistake));
                let names: Vec<_> = names.iter().map(String::as_str).collect();
                assert_eq!((names, count), (want.to_vec(), unread), "{name}: day {days}");
            }
        }
    }

    #[test]
    fn an_objective_comes_back_as_it_was_and_no_more_than_files_may_hold() {
        let dir = tempfile::tempdir().unwrap();
        let names: Vec<_> = (0..OBJECTIVES_MAX).map(|n| format!("old-{n}")).collect();
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        let mut first = read(&names, false);
        assert_eq!(keep_unread(&mut first, dir.path(), T0), 0);
        let mut second = read(&["new"], true);
        assert_eq!(keep_unread(&mut second, dir.path(), T0), OBJECTIVES_MAX - 1);
        assert_eq!(second.objectives[1..], first.objectives[..OBJECTIVES_MAX - 1]);
    }

    #[test]
    fn what_was_remembered_and_cannot_be_read_stops_nothing() {
        let dir = tempfile::tempdir().unwrap();
        start(dir.path(), 0, read(&["a"], false));
        std::fs::write(dir.path().join("slo-objectives"), b"nonsense").unwrap();
        assert_eq!(start(dir.path(), 0, read(&["b"], true)), (vec!["b".to_owned()], 0));
        assert!(dir.path().join("slo-objectives.unreadable").exists());
        let away = dir.path().join("away");
        assert_eq!(start(&away, 0, read(&["a"], false)), (vec!["a".to_owned()], 0));
    }
}
