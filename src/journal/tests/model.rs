//! Goal: whatever befalls a journal, what was stored and is whole is read in order until it is
//! acknowledged and not again, nothing else is ever read, and what is missing is counted. Method: any
//! sequence of steps against a plain list of what was stored (`world`). Nothing runs beside the test:
//! what the threads of a journal do is a step, so the same steps always end the same way. Crashes go on
//! from a copy of the files as they were in the middle of an append; damage is done by a reading of the
//! format of its own (`disk`), which knows what it costs. Segments are of two to four pages, so that
//! nearly every run uses them again and again.
//!
//! The same cases every time; `PROPTEST_CASES=5000 cargo test --lib journal::tests::model` takes others.

mod expected;
mod world;

use proptest::prelude::*;
use proptest::test_runner::{Config, FileFailurePersistence, RngSeed};

use super::disk;
use world::World;

/// A step of a run; numbers choose among what there is.
#[derive(Debug, Clone)]
enum Step {
    /// So many records of this lane, stream and length.
    Append { lane: usize, stream: u8, bytes: usize, count: usize },
    /// A reader reads about so many bytes.
    Read { reader: usize, bytes: usize },
    /// A reader acknowledges what it had read some reads ago, and then what it had read before that.
    Acknowledge { reader: usize, back: usize, again: usize },
    /// Both readers read and acknowledge all there is: what is stored next uses segments again.
    CatchUp,
    /// A reader goes back to what it acknowledged.
    Rewind(usize),
    /// A reader ends and is opened again.
    Reopen(usize),
    /// The threads have their turn: segments are made ready, all is synced.
    Background,
    /// The next sync of a lane's segment fails.
    SyncError(usize),
    /// A free segment cannot be made ready.
    NoSpace(usize),
    /// It can again.
    Space,
    /// Something is damaged while the journal is in use.
    Damage(Damage),
    /// The process is gone; the files are damaged; another one starts.
    Crash { damage: Vec<Damage>, size: Size },
    /// The journal is closed and opened again.
    Reload(Size),
}

/// Damage to files.
#[derive(Debug, Clone)]
enum Damage {
    /// A bit of a frame.
    Frame { pick: usize, bit: usize },
    /// A bit where no frame stands.
    Unused { pick: usize, bit: usize },
    /// A bit of a header copy.
    Header { pick: usize, copy: usize, bit: usize },
    /// A page reads as zeros.
    Page { pick: usize, page: usize },
    /// The file is gone. While nobody writes only, as all below.
    Remove(usize),
    /// The newest frame of a lane was written in part.
    Torn { pick: usize, at: usize },
    /// The file is shorter.
    Cut { pick: usize, at: usize },
    /// A bit of a file of a cursor.
    Cursor { reader: usize, file: usize, bit: usize },
    /// A bit of the identity.
    Identity { slot: usize, bit: usize },
}

/// What a start is told.
#[derive(Debug, Clone, Copy)]
struct Size {
    segments: u64,
    segment_pages: u32,
    workers: u8,
}

const SIZE: Size = Size { segments: 16, segment_pages: 2, workers: 1 };

fn damage() -> impl Strategy<Value = Damage> {
    let n = any::<usize>;
    prop_oneof![
        6 => (n(), n()).prop_map(|(pick, bit)| Damage::Frame { pick, bit }),
        1 => (n(), n()).prop_map(|(pick, bit)| Damage::Unused { pick, bit }),
        2 => (n(), 0..2_usize, n()).prop_map(|(pick, copy, bit)| Damage::Header { pick, copy, bit }),
        1 => (n(), n()).prop_map(|(pick, page)| Damage::Page { pick, page }),
        1 => n().prop_map(Damage::Remove),
        2 => (n(), n()).prop_map(|(pick, at)| Damage::Torn { pick, at }),
        1 => (n(), n()).prop_map(|(pick, at)| Damage::Cut { pick, at }),
        1 => (n(), 0..2_usize, n()).prop_map(|(reader, file, bit)| Damage::Cursor { reader, file, bit }),
        1 => (0..2_usize, n()).prop_map(|(slot, bit)| Damage::Identity { slot, bit }),
    ]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let n = any::<usize>;
    let bytes = prop_oneof![4 => 0..300_usize, 3 => 300..1500_usize, 1 => 3000..5000_usize];
    let size = (12..24_u64, 2..5_u32, 1..3_u8)
        .prop_map(|(segments, segment_pages, workers)| Size { segments, segment_pages, workers });
    let harm = proptest::collection::vec(damage(), 0..4);
    let step = prop_oneof![
        10 => (n(), 1..4_u8, bytes, 1..40_usize)
            .prop_map(|(lane, stream, bytes, count)| Step::Append { lane, stream, bytes, count }),
        6 => (n(), prop_oneof![0..4000_usize, Just(1 << 20)])
            .prop_map(|(reader, bytes)| Step::Read { reader, bytes }),
        5 => (n(), prop_oneof![Just(0_usize), 0..4_usize], 0..3_usize)
            .prop_map(|(reader, back, again)| Step::Acknowledge { reader, back, again }),
        3 => Just(Step::CatchUp),
        4 => Just(Step::Background),
        1 => n().prop_map(Step::Rewind),
        1 => n().prop_map(Step::Reopen),
        1 => n().prop_map(Step::SyncError),
        1 => n().prop_map(Step::NoSpace),
        1 => Just(Step::Space),
        1 => damage().prop_map(Step::Damage),
        3 => (harm, size.clone()).prop_map(|(damage, size)| Step::Crash { damage, size }),
        1 => size.prop_map(Step::Reload),
    ];
    proptest::collection::vec(step, 1..40)
}

fn config() -> Config {
    let mut config = Config {
        failure_persistence: Some(Box::new(FileFailurePersistence::Off)),
        max_shrink_time: 30_000,
        ..Config::default()
    };
    if std::env::var_os("PROPTEST_CASES").is_none() {
        (config.cases, config.rng_seed) = (120, RngSeed::Fixed(5));
    }
    config
}

proptest! {
    #![proptest_config(config())]
    #[test]
    fn a_journal_is_a_list_of_what_was_stored_whatever_befalls_it(steps in steps()) {
        let mut world = World::new();
        for step in steps {
            world.step(step);
        }
        world.finish();
    }
}
