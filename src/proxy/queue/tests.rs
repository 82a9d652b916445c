//! Goal: permits are never taken twice, never lost, and nobody waits beside a free one. Method: queues of
//! several workers on one thread, every step of every one of them in an order that proptest draws, the
//! workers' notifications included; then the same on real threads, whose steps nobody puts in order.

mod interleaved;

use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use proptest::prelude::*;

use super::permits::NOBODY;
use super::{Entered, Permit, Permits, WaitQueue};
use crate::config::ServiceLimits;
use crate::metrics::ServiceMetrics;
use crate::proxy::limit::Timer;

const QUEUES: usize = 3;

fn limits(in_flight: usize, queue: usize) -> ServiceLimits {
    let queue_timeout = Duration::from_hours(1);
    ServiceLimits { body_bytes: None, in_flight: Some(in_flight), queue, queue_timeout }
}

/// Notes that it was woken.
#[derive(Default)]
struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, SeqCst);
    }
}

/// A future that is polled when it was woken, as a runtime does it.
struct Task<T> {
    future: Pin<Box<dyn Future<Output = T>>>,
    flag: Arc<Flag>,
}

impl<T> Task<T> {
    fn new(future: impl Future<Output = T> + 'static) -> Self {
        let flag = Arc::new(Flag(AtomicBool::new(true)));
        Self { future: Box::pin(future), flag }
    }

    /// Its end, if it was woken and comes to it.
    fn run(&mut self) -> Option<T> {
        if !self.flag.0.swap(false, SeqCst) {
            return None;
        }
        let waker = Waker::from(Arc::clone(&self.flag));
        match self.future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(value) => Some(value),
            Poll::Pending => None,
        }
    }
}

/// A step of one of the workers; numbers choose among those that there are.
#[derive(Debug, Clone, Copy)]
enum Step {
    Enter(usize),
    /// The end of an exchange.
    End(usize),
    /// A client leaves, or its time is up.
    Leave(usize),
    Poll(usize),
    /// A worker was notified.
    Settle(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => any::<usize>().prop_map(Step::Enter),
        2 => any::<usize>().prop_map(Step::End),
        1 => any::<usize>().prop_map(Step::Leave),
        2 => any::<usize>().prop_map(Step::Poll),
        2 => any::<usize>().prop_map(Step::Settle),
    ];
    proptest::collection::vec(step, 0..120)
}

struct Model {
    permits: Arc<Permits>,
    queues: Vec<Rc<WaitQueue>>,
    settlers: Vec<Task<()>>,
    waits: Vec<Task<Option<Permit>>>,
    held: Vec<Permit>,
    timer: Rc<Timer>,
}

impl Model {
    fn new(most: usize, queue: usize) -> Self {
        let permits = Permits::new(&limits(most, queue), QUEUES).unwrap();
        let new = |worker| WaitQueue::new(&permits, worker, &Arc::default());
        let queues: Vec<_> = (0..QUEUES).map(new).collect();
        let settlers =
            queues.iter().map(|queue| Task::new(Rc::clone(queue).settle_when_woken())).collect();
        let (waits, held, timer) = (Vec::new(), Vec::new(), Timer::new());
        Self { permits, queues, settlers, waits, held, timer }
    }

    fn step(&mut self, step: Step) {
        let pick = |number: usize, len: usize| number.checked_rem(len);
        match step {
            Step::Enter(n) => match self.queues[n % QUEUES].enter() {
                Entered::Now(permit) => self.held.push(permit),
                Entered::Waits(wait) => {
                    let timer = Rc::clone(&self.timer);
                    self.waits.push(Task::new(async move { wait.turn(&timer).await }));
                }
                Entered::Full => {
                    assert!(self.permits.now().1 >= self.permits.waiting_max, "room in the queue");
                }
            },
            Step::End(n) => {
                if let Some(at) = pick(n, self.held.len()) {
                    self.held.swap_remove(at);
                }
            }
            Step::Leave(n) => {
                if let Some(at) = pick(n, self.waits.len()) {
                    self.waits.swap_remove(at);
                }
            }
            Step::Poll(n) => {
                if let Some(at) = pick(n, self.waits.len())
                    && let Some(permit) = self.waits[at].run()
                {
                    self.waits.swap_remove(at);
                    self.held.push(permit.expect("no time is up here"));
                }
            }
            Step::Settle(n) => assert!(self.settlers[n % QUEUES].run().is_none()),
        }
        let (taken, waiting) = self.permits.now();
        assert!(taken <= self.permits.most && waiting <= self.permits.waiting_max);
        assert!(taken >= self.held.len(), "a permit is held that is not counted");
    }

    /// Runs what was woken until nothing is.
    fn calm(&mut self) {
        let is_woken = |flag: &Flag| flag.0.load(SeqCst);
        loop {
            if let Some(n) = self.settlers.iter().position(|task| is_woken(&task.flag)) {
                self.step(Step::Settle(n));
            } else if let Some(n) = self.waits.iter().position(|task| is_woken(&task.flag)) {
                self.step(Step::Poll(n));
            } else {
                return;
            }
        }
    }

    fn check_calm(&self) {
        let (taken, waiting) = self.permits.now();
        assert_eq!((taken, waiting), (self.held.len(), self.waits.len()));
        assert!(waiting == 0 || taken == self.permits.most, "{waiting} wait beside a free permit");
        for queue in &self.queues {
            let first = queue.waiters.borrow().front().map_or(NOBODY, |waiter| waiter.ticket);
            assert_eq!(queue.head().first.load(SeqCst), first);
        }
        let sum = |cell: fn(&ServiceMetrics) -> u64| -> usize {
            let all = self.queues.iter().map(|queue| cell(&queue.metrics)).sum::<u64>();
            usize::try_from(all).unwrap()
        };
        assert_eq!(sum(|cells| cells.queue_places_taken.value()), taken);
        assert_eq!(sum(|cells| cells.queue_waiting.value()), waiting);
    }
}

proptest! {
    #[test]
    fn nobody_waits_beside_a_free_permit(
        most in 1..4_usize,
        queue in 0..6_usize,
        rounds in proptest::collection::vec(steps(), 1..4),
    ) {
        let mut model = Model::new(most, queue);
        for steps in rounds {
            for step in steps {
                model.step(step);
            }
            model.calm();
            model.check_calm();
        }
        // All that is left comes to its turn as permits become free, none is lost on the way.
        let mut left = model.held.len() + model.waits.len();
        while left > 0 {
            model.step(Step::End(0));
            model.calm();
            model.check_calm();
            left -= 1;
        }
        prop_assert_eq!(model.permits.now(), (0, 0));
    }
}

#[test]
fn waiters_are_served_by_age_whichever_worker_a_permit_becomes_free_on() {
    let mut model = Model::new(1, 10);
    model.step(Step::Enter(0));
    let order = [1, 0, 2, 0, 1];
    for worker in order {
        model.step(Step::Enter(worker));
    }
    for worker in order {
        model.step(Step::End(0));
        model.calm();
        assert_eq!(model.held[0].0.worker, worker);
    }
}

#[test]
fn whose_time_is_up_leaves_the_queue_without_a_permit() {
    let limits = ServiceLimits { queue_timeout: Duration::ZERO, ..limits(1, 1) };
    let queue = WaitQueue::new(&Permits::new(&limits, 1).unwrap(), 0, &Arc::default());
    let Entered::Now(permit) = queue.enter() else { unreachable!("all are free") };
    let Entered::Waits(wait) = queue.enter() else { unreachable!("one may wait") };
    assert!(matches!(queue.enter(), Entered::Full));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build_local(tokio::runtime::LocalOptions::default());
    runtime.unwrap().block_on(async {
        let timer = Timer::new();
        tokio::task::spawn_local(Rc::clone(&timer).run(Arc::default()));
        assert!(wait.turn(&timer).await.is_none());
    });
    assert_eq!((queue.permits.now(), queue.metrics.queue_waiting.value()), ((1, 0), 0));
    drop(permit);
    assert_eq!(queue.permits.now(), (0, 0));
}

/// A wake-up that is lost leaves a task waiting for an hour: the deadline of the test finds it.
#[test]
fn threads_lose_no_wake_up_and_no_permit() {
    const WORKERS: usize = 4;
    const TASKS: usize = 16;
    const TURNS: usize = 300;
    let permits = Permits::new(&limits(2, WORKERS * TASKS), WORKERS).unwrap();
    let inside = Arc::new(AtomicUsize::new(0));
    let (done, ends) = std::sync::mpsc::channel();
    for worker in 0..WORKERS {
        let (permits, inside, done) = (Arc::clone(&permits), Arc::clone(&inside), done.clone());
        std::thread::spawn(move || {
            let options = tokio::runtime::LocalOptions::default();
            let runtime = tokio::runtime::Builder::new_current_thread().build_local(options);
            runtime.unwrap().block_on(async {
                let queue = WaitQueue::new(&permits, worker, &Arc::default());
                tokio::task::spawn_local(Rc::clone(&queue).settle_when_woken());
                let tasks: Vec<_> = (0..TASKS)
                    .map(|task| {
                        let seed = (worker * TASKS + task) as u64;
                        let (queue, inside) = (Rc::clone(&queue), Arc::clone(&inside));
                        tokio::task::spawn_local(turns(queue, inside, seed, TURNS))
                    })
                    .collect();
                for task in tasks {
                    task.await.unwrap();
                }
                assert_eq!(queue.metrics.queue_places_taken.value(), 0);
                // Others may still wait for what a notification of this worker brings.
                done.send(()).unwrap();
                std::future::pending::<()>().await;
            });
        });
    }
    for _ in 0..WORKERS {
        ends.recv_timeout(Duration::from_mins(1)).expect("a wake-up was lost");
    }
    assert_eq!((permits.now(), inside.load(SeqCst)), ((0, 0), 0));
}

/// Enters and ends again and again; sometimes it leaves the queue before its turn.
async fn turns(queue: Rc<WaitQueue>, inside: Arc<AtomicUsize>, seed: u64, count: usize) {
    let mut rng = fastrand::Rng::with_seed(seed);
    let timer = Timer::new(); // nobody runs it: no time is ever up
    for _ in 0..count {
        let permit = match queue.enter() {
            Entered::Now(permit) => permit,
            Entered::Full => unreachable!("there is room for all"),
            Entered::Waits(wait) if rng.u8(..4) == 0 => {
                let looks = rng.u8(..3);
                tokio::select! {
                    biased;
                    permit = wait.turn(&timer) => permit.expect("no time is up"),
                    () = yields(looks) => continue,
                }
            }
            Entered::Waits(wait) => wait.turn(&timer).await.expect("no time is up"),
        };
        assert!(inside.fetch_add(1, SeqCst) < queue.permits.most, "more inside than permits");
        yields(rng.u8(..3)).await;
        inside.fetch_sub(1, SeqCst);
        drop(permit);
    }
}

async fn yields(count: u8) {
    for _ in 0..count {
        tokio::task::yield_now().await;
    }
}
