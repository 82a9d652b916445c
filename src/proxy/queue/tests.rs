//! Goal: places are never taken twice, never lost, and nobody waits beside a free one. Method: lines of
//! several workers on one thread, every step of every one of them in an order that proptest draws, the
//! bells' answers included; then the same on real threads, whose steps nobody puts in order.

use std::pin::Pin;
use std::sync::atomic::AtomicBool;
use std::task::{Context, Wake};

use proptest::prelude::*;

use super::*;

const LINES: usize = 3;

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
    /// A worker answers its bell.
    Keep(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => any::<usize>().prop_map(Step::Enter),
        2 => any::<usize>().prop_map(Step::End),
        1 => any::<usize>().prop_map(Step::Leave),
        2 => any::<usize>().prop_map(Step::Poll),
        2 => any::<usize>().prop_map(Step::Keep),
    ];
    proptest::collection::vec(step, 0..120)
}

struct Model {
    places: Arc<Places>,
    lines: Vec<Rc<Line>>,
    keepers: Vec<Task<()>>,
    waits: Vec<Task<Option<Place>>>,
    held: Vec<Place>,
    timer: Rc<Timer>,
}

impl Model {
    fn new(most: usize, queue: usize) -> Self {
        let places = Places::new(&limits(most, queue), LINES).unwrap();
        let line = |worker| Line::new(&places, worker, &Arc::default());
        let lines: Vec<_> = (0..LINES).map(line).collect();
        let keepers = lines.iter().map(|line| Task::new(Rc::clone(line).keep())).collect();
        let (waits, held, timer) = (Vec::new(), Vec::new(), Timer::new());
        Self { places, lines, keepers, waits, held, timer }
    }

    fn step(&mut self, step: Step) {
        let pick = |number: usize, len: usize| number.checked_rem(len);
        match step {
            Step::Enter(n) => match self.lines[n % LINES].enter() {
                Entered::At(place) => self.held.push(place),
                Entered::Waits(wait) => {
                    let timer = Rc::clone(&self.timer);
                    self.waits.push(Task::new(async move { wait.turn(&timer).await }));
                }
                Entered::Full => {
                    assert!(self.places.now().1 >= self.places.waiting_max, "room in the line");
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
                    && let Some(place) = self.waits[at].run()
                {
                    self.waits.swap_remove(at);
                    self.held.push(place.expect("no time is up here"));
                }
            }
            Step::Keep(n) => assert!(self.keepers[n % LINES].run().is_none()),
        }
        let (taken, waiting) = self.places.now();
        assert!(taken <= self.places.most && waiting <= self.places.waiting_max);
        assert!(taken >= self.held.len(), "a place is held that is not taken");
    }

    /// Runs what was woken until nothing is.
    fn calm(&mut self) {
        let is_woken = |flag: &Flag| flag.0.load(SeqCst);
        loop {
            if let Some(n) = self.keepers.iter().position(|task| is_woken(&task.flag)) {
                self.step(Step::Keep(n));
            } else if let Some(n) = self.waits.iter().position(|task| is_woken(&task.flag)) {
                self.step(Step::Poll(n));
            } else {
                return;
            }
        }
    }

    fn check_calm(&self) {
        let (taken, waiting) = self.places.now();
        assert_eq!((taken, waiting), (self.held.len(), self.waits.len()));
        assert!(waiting == 0 || taken == self.places.most, "{waiting} wait beside a free place");
        for line in &self.lines {
            let first = line.waiters.borrow().front().map_or(NOBODY, |waiter| waiter.ticket);
            assert_eq!(line.door().first.load(SeqCst), first);
        }
        let sum = |cell: fn(&ServiceMetrics) -> u64| -> usize {
            let all = self.lines.iter().map(|line| cell(&line.metrics)).sum::<u64>();
            usize::try_from(all).unwrap()
        };
        assert_eq!(sum(|cells| cells.queue_places_taken.value()), taken);
        assert_eq!(sum(|cells| cells.queue_waiting.value()), waiting);
    }
}

proptest! {
    #[test]
    fn nobody_waits_beside_a_free_place(
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
        // All that is left comes to its turn as places become free, none is lost on the way.
        let mut left = model.held.len() + model.waits.len();
        while left > 0 {
            model.step(Step::End(0));
            model.calm();
            model.check_calm();
            left -= 1;
        }
        prop_assert_eq!(model.places.now(), (0, 0));
    }
}

#[test]
fn the_line_is_served_by_age_whichever_worker_a_place_becomes_free_on() {
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
fn whose_time_is_up_leaves_the_line_without_a_place() {
    let limits = ServiceLimits { queue_timeout: Duration::ZERO, ..limits(1, 1) };
    let line = Line::new(&Places::new(&limits, 1).unwrap(), 0, &Arc::default());
    let Entered::At(place) = line.enter() else { unreachable!("all are free") };
    let Entered::Waits(wait) = line.enter() else { unreachable!("one may wait") };
    assert!(matches!(line.enter(), Entered::Full));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build_local(tokio::runtime::LocalOptions::default());
    runtime.unwrap().block_on(async {
        let timer = Timer::new();
        tokio::task::spawn_local(Rc::clone(&timer).run(Arc::default()));
        assert!(wait.turn(&timer).await.is_none());
    });
    assert_eq!((line.places.now(), line.metrics.queue_waiting.value()), ((1, 0), 0));
    drop(place);
    assert_eq!(line.places.now(), (0, 0));
}

/// A wake-up that is lost leaves a task waiting for an hour: the deadline of the test finds it.
#[test]
fn threads_lose_no_wake_up_and_no_place() {
    const WORKERS: usize = 4;
    const TASKS: usize = 16;
    const TURNS: usize = 300;
    let places = Places::new(&limits(2, WORKERS * TASKS), WORKERS).unwrap();
    let inside = Arc::new(AtomicUsize::new(0));
    let (done, ends) = std::sync::mpsc::channel();
    for worker in 0..WORKERS {
        let (places, inside, done) = (Arc::clone(&places), Arc::clone(&inside), done.clone());
        std::thread::spawn(move || {
            let options = tokio::runtime::LocalOptions::default();
            let runtime = tokio::runtime::Builder::new_current_thread().build_local(options);
            runtime.unwrap().block_on(async {
                let line = Line::new(&places, worker, &Arc::default());
                tokio::task::spawn_local(Rc::clone(&line).keep());
                let tasks: Vec<_> = (0..TASKS)
                    .map(|task| {
                        let seed = (worker * TASKS + task) as u64;
                        let (line, inside) = (Rc::clone(&line), Arc::clone(&inside));
                        tokio::task::spawn_local(turns(line, inside, seed, TURNS))
                    })
                    .collect();
                for task in tasks {
                    task.await.unwrap();
                }
                assert_eq!(line.metrics.queue_places_taken.value(), 0);
                // Others may still wait for what this worker's bell brings.
                done.send(()).unwrap();
                std::future::pending::<()>().await;
            });
        });
    }
    for _ in 0..WORKERS {
        ends.recv_timeout(Duration::from_mins(1)).expect("a wake-up was lost");
    }
    assert_eq!((places.now(), inside.load(SeqCst)), ((0, 0), 0));
}

/// Enters and ends again and again; sometimes it leaves the line before its turn.
async fn turns(line: Rc<Line>, inside: Arc<AtomicUsize>, seed: u64, count: usize) {
    let mut rng = fastrand::Rng::with_seed(seed);
    let timer = Timer::new(); // nobody runs it: no time is ever up
    for _ in 0..count {
        let place = match line.enter() {
            Entered::At(place) => place,
            Entered::Full => unreachable!("there is room for all"),
            Entered::Waits(wait) if rng.u8(..4) == 0 => {
                let looks = rng.u8(..3);
                tokio::select! {
                    biased;
                    place = wait.turn(&timer) => place.expect("no time is up"),
                    () = yields(looks) => continue,
                }
            }
            Entered::Waits(wait) => wait.turn(&timer).await.expect("no time is up"),
        };
        assert!(inside.fetch_add(1, SeqCst) < line.places.most, "more inside than places");
        yields(rng.u8(..3)).await;
        inside.fetch_sub(1, SeqCst);
        drop(place);
    }
}

async fn yields(count: u8) {
    for _ in 0..count {
        tokio::task::yield_now().await;
    }
}
