//! Who asks what, on the thread `names`: one look-up for all who ask the same.
//!
//! A look-up that nobody waits for any more goes on, so that whoever asks next finds its answer kept. Not
//! here: the look-up itself (`source`).

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};
use tokio::task::{Id, JoinSet};

use super::source::LiveResolver;
use super::{Addresses, LIMIT, LookupFailure, NameKind};
use crate::metrics::NamesMetrics;

/// Most names that are looked up at once.
pub(super) const NAMES_MAX: usize = 1024;
/// Most that wait for one name.
pub(super) const WAITING_MAX: usize = 16 * 1024;

type LookupResult = Result<Arc<Addresses>, LookupFailure>;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct NameQuestion {
    /// Lower case.
    pub(super) name: String,
    pub(super) kind: NameKind,
}

#[derive(Debug)]
pub(super) struct NameAsked {
    pub(super) question: NameQuestion,
    /// Dropped without an answer, it says that the look-up was given up.
    pub(super) reply: oneshot::Sender<LookupResult>,
}

/// Answers until nobody can ask any more.
pub(super) async fn serve(
    mut source: LiveResolver,
    mut asked: mpsc::Receiver<NameAsked>,
    metrics: &NamesMetrics,
) {
    let mut waiting: HashMap<NameQuestion, Vec<oneshot::Sender<LookupResult>>> = HashMap::new();
    let mut under_way: HashMap<Id, NameQuestion> = HashMap::new();
    let mut look_ups: JoinSet<LookupResult> = JoinSet::new();
    loop {
        let (id, answer) = tokio::select! {
            question = asked.recv() => {
                let Some(NameAsked { question, reply }) = question else { return };
                if let Some(replies) = waiting.get_mut(&question) {
                    if replies.len() >= WAITING_MAX {
                        replies.retain(|reply| !reply.is_closed());
                    }
                    if replies.len() < WAITING_MAX {
                        replies.push(reply);
                    } else {
                        metrics.refused_total.add(1);
                    }
                } else if waiting.len() < NAMES_MAX {
                    let look_up = look_ups.spawn(source.look_up(question.clone()));
                    under_way.insert(look_up.id(), question.clone());
                    waiting.insert(question, vec![reply]);
                } else {
                    metrics.refused_total.add(1);
                }
                metrics.under_way.set(waiting.len() as u64);
                continue;
            }
            Some(ended) = look_ups.join_next_with_id() => match ended {
                Ok((id, answer)) => (id, answer),
                Err(error) => (error.id(), Err(LookupFailure::because("the look-up failed by a fault"))),
            },
        };
        let cell = match &answer {
            Ok(_) => &metrics.found_total,
            Err(LookupFailure::NotFound) => &metrics.not_found_total,
            Err(_) => &metrics.failed_total,
        };
        cell.add(1);
        let question = under_way.remove(&id);
        for reply in question.and_then(|question| waiting.remove(&question)).into_iter().flatten() {
            let _ = reply.send(answer.clone()); // nobody may wait any more
        }
        metrics.under_way.set(waiting.len() as u64);
    }
}

impl LiveResolver {
    /// Looks up within [`LIMIT`].
    fn look_up(
        &mut self,
        question: NameQuestion,
    ) -> impl Future<Output = LookupResult> + Send + 'static {
        let resolver = self.current();
        async move {
            let look_up = super::source::ask(&resolver, &question.name, question.kind);
            match tokio::time::timeout(LIMIT, look_up).await {
                Ok(found) => found.map(Arc::new),
                Err(_) => Err(LookupFailure::because("no server answered in time")),
            }
        }
    }
}
