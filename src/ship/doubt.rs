//! Refusals that do not tell whether the document or its stream is at fault: who decides, and when.
//!
//! The neighbours decide. A stream that took another document with this request, or with a later one,
//! can take documents: then the refusal is the document's. While it takes none, records wait, for a
//! stream out of order must not empty the journal into a file. Should no neighbour ever come, one document
//! becomes a dead letter after [`TRIES_MAX`] tries in a row (about a minute), and the next after as many more.
//! Invariants: a part of a batch is done after at most [`TRIES_MAX`] answers per document, whatever they
//! say; a stream that takes nothing loses at most one document to so many, to a file that keeps it. A fault
//! inside the server (5xx) passes by itself more often than not: then the neighbours count only after
//! [`TRIES_MAX`] tries. Pure. Not here: which refusals these are (`answer`).

use std::cell::Cell;

use crate::record::Dataset;

/// Tries without a decision; with the waits between them 40 s to 90 s.
pub(super) const TRIES_MAX: u32 = 12;

/// The number of the last request of which each data stream took a document.
#[derive(Debug, Default)]
pub(super) struct Taken([Cell<u64>; Dataset::ALL.len()]);

impl Taken {
    /// A request, numbered from 1 in the order of sending, brought this stream a document.
    pub(super) fn note(&self, dataset: Dataset, request: u64) {
        let cell = &self.0[dataset as usize];
        cell.set(cell.get().max(request));
    }

    fn since(&self, dataset: Dataset, request: u64) -> bool {
        self.0[dataset as usize].get() >= request
    }
}

/// A refusal that does not tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unclear {
    pub(super) dataset: Dataset,
    /// Whether the server had a fault.
    pub(super) is_suspect: bool,
}

/// What is remembered of those in a part of a batch.
#[derive(Debug, Default)]
pub(super) struct Doubt {
    /// Answers in a row with one that was not decided.
    tries: u32,
    /// The request that met the first of these.
    since: u64,
}

impl Doubt {
    /// Which of the refusals in the answer to `request` are the documents' own; the others wait.
    pub(super) fn judge(&mut self, request: u64, all: &[Unclear], taken: &Taken) -> Vec<bool> {
        if all.is_empty() {
            *self = Self::default();
            return Vec::new();
        }
        if self.tries == 0 {
            self.since = request;
        }
        self.tries += 1;
        let is_last = self.tries >= TRIES_MAX;
        let mut own: Vec<bool> = all
            .iter()
            .map(|one| taken.since(one.dataset, self.since) && (!one.is_suspect || is_last))
            .collect();
        if is_last && !own.contains(&true) {
            own[0] = true;
        }
        if is_last || own.iter().all(|own| *own) {
            self.tries = 0;
        }
        own
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACCESS: Unclear = Unclear { dataset: Dataset::Access, is_suspect: false };
    const HEALTH: Unclear = Unclear { dataset: Dataset::Health, is_suspect: false };
    const FAULT: Unclear = Unclear { dataset: Dataset::Access, is_suspect: true };

    /// Answers until every document is decided; `neighbour` is the request, counted from 1, with which the
    /// stream of access records takes another document.
    fn answers(mut left: Vec<Unclear>, neighbour: Option<u64>) -> u64 {
        let (mut doubt, taken) = (Doubt::default(), Taken::default());
        for request in 1.. {
            if neighbour == Some(request) {
                taken.note(Dataset::Access, request);
            }
            let mut own = doubt.judge(request, &left, &taken).into_iter();
            left.retain(|_| !own.next().unwrap());
            if left.is_empty() {
                return request;
            }
        }
        unreachable!()
    }

    #[test]
    fn neighbours_decide_and_without_any_each_document_has_its_tries() {
        let tries = u64::from(TRIES_MAX);
        for (name, left, neighbour, want) in [
            ("a neighbour in the same answer", vec![ACCESS; 3], Some(1), 1),
            ("a neighbour later", vec![ACCESS; 3], Some(4), 4),
            ("one document and nobody else", vec![ACCESS], None, tries),
            ("all alike and nobody else", vec![ACCESS; 3], None, 3 * tries),
            ("another stream's neighbour", vec![HEALTH; 2], Some(1), 2 * tries),
            ("two streams, one of which takes", vec![HEALTH, ACCESS], Some(1), tries),
            ("the server's fault beside a neighbour", vec![FAULT; 3], Some(1), tries),
            ("the server's fault and nobody else", vec![FAULT; 2], None, 2 * tries),
        ] {
            assert_eq!(answers(left, neighbour), want, "{name}");
        }
    }

    #[test]
    fn what_a_stream_took_before_says_nothing_of_it_now() {
        let (mut doubt, taken) = (Doubt::default(), Taken::default());
        taken.note(Dataset::Access, 6);
        assert_eq!(doubt.judge(7, &[ACCESS], &taken), [false]);
        // Sent before the refusal, answered after it.
        taken.note(Dataset::Access, 5);
        assert_eq!(doubt.judge(8, &[ACCESS], &taken), [false]);
        taken.note(Dataset::Access, 9);
        assert_eq!(doubt.judge(10, &[ACCESS], &taken), [true]);
    }

    #[test]
    fn one_poison_document_stops_nothing_whatever_is_said_of_it() {
        // Any order of "unclear", "fault" and "neighbour": always done, never more than one blind letter
        // per round of tries.
        for seed in 0..200 {
            let mut random = fastrand::Rng::with_seed(seed);
            let (mut doubt, taken) = (Doubt::default(), Taken::default());
            let mut left = vec![ACCESS; random.usize(1..9)];
            let most = left.len() as u64 * u64::from(TRIES_MAX);
            let mut request = 0;
            while !left.is_empty() {
                request += 1;
                assert!(request <= most, "seed {seed}: {left:?}");
                for one in &mut left {
                    one.is_suspect = random.bool();
                }
                let has_neighbour = random.u8(..) < 10;
                if has_neighbour {
                    taken.note(Dataset::Access, request);
                }
                let own = doubt.judge(request, &left, &taken);
                let decided = own.iter().filter(|own| **own).count();
                assert!(decided <= 1 || taken.since(Dataset::Access, 1), "seed {seed}");
                let mut own = own.into_iter();
                left.retain(|_| !own.next().unwrap());
            }
        }
    }
}
