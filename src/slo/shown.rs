//! What other threads see of the evaluation: where each series stood at the last one, alerts that are over, and
//! the budget of one series over time, which is made only when somebody asks for it.
//!
//! Questions are bounded; one that finds no room is refused to whoever asks. Not here: how figures look (`admin`).

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::evaluator::Evaluator;
use super::notice::Notice;
use super::objective::Dimension;
use super::past::BudgetPoint;
use super::status::SeriesStatus;

/// Most questions that wait for an answer.
pub const QUESTIONS_MAX: usize = 64;

/// What an evaluation leaves.
#[derive(Debug, Default)]
pub struct Evaluated {
    /// Milliseconds since 1970; 0: there was none so far.
    pub at_ms: u64,
    /// Where every series stands.
    pub series: Vec<SeriesStatus>,
    /// Alerts that are over, oldest first: at most [`ENDED_MAX`](super::ENDED_MAX).
    pub ended: Vec<Arc<Notice>>,
}

impl Evaluated {
    /// Of this evaluator, now.
    pub fn by(evaluator: &mut Evaluator) -> Self {
        let at_ms = evaluator.clock.wall_ms();
        let ended = evaluator.ended.iter().map(Arc::clone).collect();
        Self { at_ms, series: evaluator.statuses(), ended }
    }
}

/// How the budget of a series was spent; `None`: there is no such series.
type Points = Option<Vec<BudgetPoint>>;

#[derive(Debug)]
struct Question {
    objective: String,
    group: Vec<(Dimension, String)>,
    answer: SyncSender<Points>,
}

/// See the head of this file.
#[derive(Debug, Default)]
pub struct Statuses {
    last: Mutex<Arc<Evaluated>>,
    questions: Mutex<Vec<Question>>,
}

impl Statuses {
    /// What the last evaluation has left.
    pub fn last(&self) -> Arc<Evaluated> {
        Arc::clone(&self.last.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Asks how the budget of a series was spent. The answer comes within about a second; `None`: too many ask.
    pub fn ask(
        &self,
        objective: &str,
        group: Vec<(Dimension, String)>,
    ) -> Option<Receiver<Points>> {
        let mut questions = self.questions();
        if questions.len() >= QUESTIONS_MAX {
            return None;
        }
        let (answer, answered) = sync_channel(1);
        questions.push(Question { objective: objective.to_owned(), group, answer });
        Some(answered)
    }

    /// Shows this from now on.
    pub fn publish(&self, evaluated: Evaluated) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(evaluated);
    }

    /// Answers what was asked.
    pub(super) fn answer(&self, evaluator: &mut Evaluator) {
        let questions = std::mem::take(&mut *self.questions());
        for Question { objective, group, answer } in questions {
            // Who asked may have gone.
            let _ = answer.try_send(evaluator.past(&objective, &group));
        }
    }

    fn questions(&self) -> MutexGuard<'_, Vec<Question>> {
        self.questions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
