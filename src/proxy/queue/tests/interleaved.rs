//! Goal: as in `tests`, for workers whose atomic steps mix in any order. Method: the sources of `permits`
//! and `wait_queue` once more, with the atomics of shuttle, which decides before each step which worker goes
//! on. A wake-up that is lost leaves workers that wait for ever, and shuttle says so; what it prints
//! repeats the same order (`shuttle::replay`).
//!
//! Not here: weaker orders than those of the source, which is sequentially consistent throughout.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use shuttle::sync::atomic; // for the modules below

use super::limits;
use crate::proxy::limit::Timer;

#[allow(clippy::duplicate_mod, reason = "the same source over the atomics of shuttle")]
#[path = "../permits.rs"]
mod permits;
#[allow(clippy::duplicate_mod, reason = "the same source over the atomics of shuttle")]
#[path = "../wait_queue.rs"]
mod wait_queue;

use permits::Permits;
use wait_queue::{Entered, WaitQueue};

/// Orders that are tried, of each kind.
const ORDERS: usize = 500;
const WORKERS: usize = 3;

/// What the workers do.
#[derive(Debug, Clone, Copy)]
struct Load {
    permits: usize,
    /// Tasks of each worker.
    tasks: usize,
    /// How often each comes for a permit.
    turns: usize,
    /// Every so many turns it leaves the queue again.
    leave_every: usize,
}

async fn come_and_go(queue: Rc<WaitQueue>, inside: Arc<AtomicUsize>, load: Load) {
    let timer = Timer::new(); // nobody runs it: no time is ever up
    for turn in 1..=load.turns {
        let permit = match queue.enter() {
            Entered::Now(permit) => permit,
            Entered::Full => unreachable!("there is room for all"),
            Entered::Waits(wait) if turn % load.leave_every == 0 => {
                tokio::select! {
                    biased;
                    permit = wait.turn(&timer) => permit.expect("no time is up"),
                    () = shuttle::future::yield_now() => continue,
                }
            }
            Entered::Waits(wait) => wait.turn(&timer).await.expect("no time is up"),
        };
        assert!(inside.fetch_add(1, SeqCst) < load.permits, "more inside than permits");
        shuttle::future::yield_now().await;
        inside.fetch_sub(1, SeqCst);
        drop(permit);
    }
}

/// A worker, which answers notifications as long as its tasks run.
async fn work(permits: Arc<Permits>, worker: usize, inside: Arc<AtomicUsize>, load: Load) {
    let queue = WaitQueue::new(&permits, worker, &Arc::default());
    let task = || come_and_go(Rc::clone(&queue), Arc::clone(&inside), load);
    let (one, two) = (task(), task());
    let tasks = async {
        match load.tasks {
            1 => one.await,
            _ => _ = tokio::join!(one, two),
        }
    };
    tokio::select! {
        biased;
        () = Rc::clone(&queue).settle_when_woken() => (),
        () = tasks => (),
    }
}

#[test]
fn no_order_of_steps_loses_a_wake_up_or_a_permit() {
    for load in [
        Load { permits: 1, tasks: 1, turns: 2, leave_every: 9 },
        Load { permits: 1, tasks: 2, turns: 2, leave_every: 2 },
        Load { permits: 2, tasks: 2, turns: 2, leave_every: 2 },
    ] {
        let run = move || {
            let permits = Permits::new(&limits(load.permits, 100), WORKERS).unwrap();
            let inside = Arc::new(AtomicUsize::new(0));
            let workers: Vec<_> = (0..WORKERS)
                .map(|worker| {
                    let (permits, inside) = (Arc::clone(&permits), Arc::clone(&inside));
                    shuttle::thread::spawn(move || {
                        shuttle::future::block_on(work(permits, worker, inside, load));
                    })
                })
                .collect();
            for worker in workers {
                worker.join().unwrap();
            }
            assert_eq!((permits.now(), inside.load(SeqCst)), ((0, 0), 0), "{load:?}");
        };
        shuttle::check_random(run, ORDERS);
        shuttle::check_pct(run, ORDERS, 3);
    }
}
