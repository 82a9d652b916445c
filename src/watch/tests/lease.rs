//! Goal: whatever watchers, network and server do, at no moment two may notify, and somebody may again soon
//! after it is over. Method: watchers and one document in simulated time, a step each 50 ms; requests that
//! take their time, answers that are lost, writes that arrive late, pauses longer than the lease, kills,
//! clocks of different speeds. `LEASE_SEEDS=2000` tries more.

use std::time::Duration;

use super::super::lease::{LeaseTurn, LeaseView, Sequence, WatchLease};

const STEP_MS: u64 = 50;
const LENGTH: Duration = Duration::from_secs(45);
const POLL_MS: u64 = 10_000;
const TIMEOUT_MS: u64 = 10_000;
/// Trouble ends here, and the run so much later.
const TROUBLE_MS: u64 = 20 * 60_000;
const QUIET_MS: u64 = 4 * 60_000;

/// The server.
#[derive(Default)]
struct Document {
    number: u64,
    holder: Option<String>,
    write: u64,
}

/// A request on its way.
enum Way {
    Read,
    Write { over: Option<Sequence>, holder: String, write: u64 },
}

enum Answer {
    Read(Option<(Sequence, String, u64)>),
    Written(Sequence),
    Refused,
}

/// What a watcher waits for.
enum Waits {
    Poll {
        at_ms: u64,
    },
    /// Sent; arrives, and its answer comes, unless it is lost.
    Asked {
        arrives_ms: u64,
        way: Option<Way>,
        answers_ms: u64,
        answer: Option<Answer>,
        until_ms: u64,
    },
}

struct Simulated {
    name: String,
    lease: WatchLease,
    /// Its clock: so many parts per thousand of the true one, from another start.
    speed: u64,
    offset_ms: u64,
    waits: Waits,
    paused_until_ms: u64,
}

impl Simulated {
    fn new(name: String, random: &mut fastrand::Rng, now_ms: u64) -> Self {
        Self {
            lease: WatchLease::new(name.clone(), LENGTH),
            name,
            speed: random.u64(950..=1_050),
            offset_ms: random.u64(0..1_000_000),
            waits: Waits::Poll { at_ms: now_ms + random.u64(0..POLL_MS) },
            paused_until_ms: 0,
        }
    }

    fn clock(&self, now_ms: u64) -> Duration {
        Duration::from_millis(self.offset_ms + now_ms * self.speed / 1_000)
    }
}

struct World {
    random: fastrand::Rng,
    now_ms: u64,
    document: Document,
    /// Writes whose sender waits no more: they may still arrive.
    late: Vec<(u64, Way)>,
    watchers: Vec<Simulated>,
    names: u64,
    taken: u64,
}

impl World {
    fn new(seed: u64, count: u64) -> Self {
        let random = fastrand::Rng::with_seed(seed);
        let (document, late, watchers) = (Document::default(), Vec::new(), Vec::new());
        let mut world = Self { random, now_ms: 0, document, late, watchers, names: 0, taken: 0 };
        (0..count).for_each(|_| world.join());
        world
    }

    fn join(&mut self) {
        self.names += 1;
        let name = format!("watcher-{}", self.names);
        self.watchers.push(Simulated::new(name, &mut self.random, self.now_ms));
    }

    fn has_trouble(&self) -> bool {
        self.now_ms < TROUBLE_MS
    }

    /// How long one way takes: mostly little.
    fn delay(&mut self) -> u64 {
        match self.random.u8(..) {
            0..=20 if self.has_trouble() => self.random.u64(0..60_000),
            _ => self.random.u64(1..300),
        }
    }

    fn arrive(&mut self, way: Way) -> Answer {
        let sequence = Sequence { number: self.document.number, term: 1 };
        let is_there = self.document.holder.is_some();
        match way {
            Way::Read => Answer::Read(
                self.document.holder.clone().map(|holder| (sequence, holder, self.document.write)),
            ),
            Way::Write { over, holder, write } => {
                let fits = over.map_or(!is_there, |over| is_there && over == sequence);
                if !fits {
                    return Answer::Refused;
                }
                if self.document.holder.as_ref() != Some(&holder) {
                    self.taken += 1;
                }
                self.document =
                    Document { number: self.document.number + 1, holder: Some(holder), write };
                Answer::Written(Sequence { number: self.document.number, term: 1 })
            }
        }
    }

    fn ask(&mut self, way: Way) -> Waits {
        let (there, back) = (self.delay(), self.delay());
        let arrives_ms = self.now_ms + there;
        let until_ms = self.now_ms + TIMEOUT_MS;
        Waits::Asked {
            arrives_ms,
            way: Some(way),
            answers_ms: arrives_ms + back,
            answer: None,
            until_ms,
        }
    }

    fn step(&mut self) {
        self.now_ms += STEP_MS;
        let now_ms = self.now_ms;
        let mut late = std::mem::take(&mut self.late);
        late.retain_mut(|(at_ms, way)| {
            if *at_ms > now_ms {
                return true;
            }
            self.arrive(std::mem::replace(way, Way::Read));
            false
        });
        self.late.append(&mut late);
        for place in 0..self.watchers.len() {
            self.watch(place);
        }
    }

    /// What one watcher does in this step; what it sent goes on while it is paused.
    fn watch(&mut self, place: usize) {
        let mut waits =
            std::mem::replace(&mut self.watchers[place].waits, Waits::Poll { at_ms: 0 });
        if let Waits::Asked { arrives_ms, way, answer, .. } = &mut waits
            && *arrives_ms <= self.now_ms
            && let Some(way) = way.take()
        {
            *answer = Some(self.arrive(way));
        }
        let is_paused = self.watchers[place].paused_until_ms > self.now_ms;
        self.watchers[place].waits = if is_paused { waits } else { self.go_on(place, waits) };
    }

    fn go_on(&mut self, place: usize, waits: Waits) -> Waits {
        let now_ms = self.now_ms;
        match waits {
            Waits::Poll { at_ms } if at_ms > now_ms => waits,
            Waits::Poll { .. } => self.ask(Way::Read),
            Waits::Asked { answers_ms, answer: Some(answer), until_ms, .. }
                if answers_ms <= now_ms && answers_ms <= until_ms =>
            {
                self.answered(place, answer)
            }
            Waits::Asked { way, arrives_ms, until_ms, .. } if until_ms <= now_ms => {
                if let Some(way) = way {
                    self.late.push((arrives_ms, way));
                }
                Waits::Poll { at_ms: now_ms + POLL_MS }
            }
            waits @ Waits::Asked { .. } => waits,
        }
    }

    fn answered(&mut self, place: usize, answer: Answer) -> Waits {
        let now = self.watchers[place].clock(self.now_ms);
        let watcher = &mut self.watchers[place];
        let again = Waits::Poll { at_ms: self.now_ms + POLL_MS };
        match answer {
            Answer::Read(found) => {
                let found = found.as_ref().map(|(sequence, holder, write)| LeaseView {
                    sequence: *sequence,
                    holder,
                    write: *write,
                    length: LENGTH,
                });
                let over = match watcher.lease.read(found, now) {
                    LeaseTurn::Wait => return again,
                    LeaseTurn::Take(over) => over,
                    LeaseTurn::Renew(over) => Some(over),
                };
                let write = watcher.lease.sending(now);
                let holder = watcher.name.clone();
                self.ask(Way::Write { over, holder, write })
            }
            Answer::Written(sequence) => {
                watcher.lease.written(sequence);
                again
            }
            Answer::Refused => {
                watcher.lease.forget();
                again
            }
        }
    }

    /// Who may notify now, the paused and those that wait included.
    fn holders(&self) -> Vec<&str> {
        let holds = |one: &&Simulated| one.lease.may_notify(one.clock(self.now_ms));
        self.watchers.iter().filter(holds).map(|one| one.name.as_str()).collect()
    }

    /// Kills and pauses.
    fn harm(&mut self) {
        let place = self.random.usize(0..self.watchers.len());
        match self.random.u16(..) {
            0..=20 => {
                let gone = self.watchers.swap_remove(place);
                if let Waits::Asked { way: Some(way), arrives_ms, .. } = gone.waits {
                    self.late.push((arrives_ms, way));
                }
                self.join();
            }
            21..=60 => {
                let pause_ms = self.random.u64(0..180_000);
                self.watchers[place].paused_until_ms = self.now_ms + pause_ms;
            }
            _ => (),
        }
    }
}

#[test]
fn at_no_moment_two_may_notify_and_soon_somebody_may() {
    let seeds = std::env::var("LEASE_SEEDS").ok().and_then(|text| text.parse().ok());
    let (mut taken, mut held_ms) = (0, 0);
    for seed in 0..seeds.unwrap_or(60) {
        let mut world = World::new(seed, 2 + seed % 2);
        while world.now_ms < TROUBLE_MS + QUIET_MS {
            if world.has_trouble() {
                world.harm();
            }
            world.step();
            let holders = world.holders();
            assert!(holders.len() <= 1, "seed {seed}, {} ms: {holders:?}", world.now_ms);
            held_ms += STEP_MS * holders.len() as u64;
        }
        let holders = world.holders();
        assert_eq!(holders.len(), 1, "seed {seed}: when trouble is over somebody notifies");
        taken += world.taken;
    }
    // The world is one in which the lease goes from hand to hand.
    assert!(taken > 100 && held_ms > 0, "{taken} times taken");
}

/// A watcher in a table: its clock starts at 0.
struct Alone(WatchLease);

impl Alone {
    fn new() -> Self {
        Self(WatchLease::new("own".to_owned(), LENGTH))
    }

    fn read(&mut self, found: Option<(u64, &str, u64)>, seconds: u64) -> LeaseTurn {
        let found = found.map(|(number, holder, write)| LeaseView {
            sequence: Sequence { number, term: 1 },
            holder,
            write,
            length: LENGTH,
        });
        self.0.read(found, Duration::from_secs(seconds))
    }
}

#[test]
fn the_lease_is_taken_when_nobody_has_it() {
    let over = |number| LeaseTurn::Take(Some(Sequence { number, term: 1 }));
    for (name, reads, want) in [
        ("there is none", &[(None, 0)][..], LeaseTurn::Take(None)),
        ("released", &[(Some((7, "", 3)), 0)], over(7)),
        ("another's", &[(Some((7, "b", 3)), 0)], LeaseTurn::Wait),
        (
            "unchanged for a little",
            &[(Some((7, "b", 3)), 0), (Some((7, "b", 3)), 44)],
            LeaseTurn::Wait,
        ),
        ("unchanged for its length", &[(Some((7, "b", 3)), 0), (Some((7, "b", 3)), 45)], over(7)),
        ("changed meanwhile", &[(Some((7, "b", 3)), 0), (Some((8, "b", 4)), 45)], LeaseTurn::Wait),
        (
            "changed, and back at an old number never",
            &[(Some((7, "b", 3)), 0), (Some((8, "b", 4)), 30), (Some((8, "b", 4)), 74)],
            LeaseTurn::Wait,
        ),
    ] {
        let mut lease = Alone::new();
        let turns: Vec<_> = reads.iter().map(|&(found, at)| lease.read(found, at)).collect();
        assert_eq!(turns.last(), Some(&want), "{name}");
    }
}

#[test]
fn the_holder_counts_from_before_it_wrote() {
    let second = Duration::from_secs;
    let mut lease = Alone::new();
    assert_eq!(lease.read(None, 0), LeaseTurn::Take(None));
    assert_eq!(lease.0.sending(second(100)), 1);
    assert!(!lease.0.may_notify(second(100)), "sent is not written");
    lease.0.written(Sequence { number: 1, term: 1 });
    // 45 s × 3/4 = 33.75 s.
    for (seconds, want) in [(100, true), (133, true), (134, false)] {
        assert_eq!(lease.0.may_notify(second(seconds)), want, "at {seconds} s");
    }
    // The answer to the next write is lost: a read finds that it counts, from when it was sent.
    assert_eq!(lease.0.sending(second(120)), 2);
    assert_eq!(
        lease.read(Some((2, "own", 2)), 140),
        LeaseTurn::Renew(Sequence { number: 2, term: 1 })
    );
    assert_eq!(lease.0.ends(), Some(Duration::from_millis(153_750)));
    // A write is refused: nobody is told anything until a read says that it was an own one.
    lease.0.sending(second(141));
    lease.0.forget();
    assert!(!lease.0.may_notify(second(141)));
    lease.read(Some((3, "own", 3)), 142);
    assert_eq!(lease.0.ends(), Some(Duration::from_millis(174_750)));
    // Another has it.
    assert_eq!(lease.read(Some((4, "b", 1)), 143), LeaseTurn::Wait);
    assert!(!lease.0.may_notify(second(143)));
}
