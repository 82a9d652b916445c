//! Damage to the files, and what of the list it costs.

#![expect(clippy::cast_possible_truncation, reason = "small files, single bits")]

use std::path::Path;

use super::super::Damage;
use super::super::disk::{self, COPY};
use super::super::expected::{Fate, Use};
use super::checks::acked;
use super::{Name, READERS, World, pick};

impl World {
    /// Damage while the journal is in use: segments that nobody writes to, and frames.
    pub(super) fn damage_in_use(&mut self, damage: &Damage) {
        self.locate();
        self.damage(damage, true);
    }

    /// Whether no later use of its lane is known.
    fn is_newest(&self, name: Name) -> bool {
        !self.uses.keys().any(|other| other.0 == name.0 && other.1 > name.1)
    }

    /// A use that is there, and of which something may be damaged.
    fn pick_use(&self, number: usize, in_use: bool) -> Option<Name> {
        // What everybody has acknowledged may be used again at any moment.
        let is_held = |usage: &Use| usage.records.end > acked(&self.cursors, usage.key).0;
        let there = self.uses.iter().filter(|(_, usage)| usage.is_there);
        let there: Vec<Name> =
            there.filter(|(_, usage)| !in_use || is_held(usage)).map(|(name, _)| *name).collect();
        pick(&there, number).copied()
    }

    pub(super) fn damage(&mut self, damage: &Damage, in_use: bool) {
        match *damage {
            Damage::Frame { pick, bit } => self.hurt_frame(pick, bit, in_use),
            Damage::Header { pick, copy, bit } => self.hurt_header(pick, copy, bit, in_use),
            Damage::Page { pick, page } => {
                // The lane writes to its newest segment.
                let name = self.pick_use(pick, in_use);
                let Some(name) = name.filter(|&name| !in_use || !self.is_newest(name)) else {
                    return;
                };
                self.hurt(name, |path| {
                    if let Some(page) = page.checked_rem(length(path) / 4096) {
                        disk::blank(path, page * 4096, page * 4096 + 4096);
                    }
                });
            }
            _ if in_use => (), // removal in use: see `folder`
            Damage::Remove(pick) => {
                if let Some(name) = self.pick_use(pick, false) {
                    self.hurt(name, |path| std::fs::remove_file(path).unwrap());
                }
            }
            Damage::Unused { pick, bit } => self.litter(pick, bit),
            Damage::Torn { pick, at } => self.tear(pick, at),
            Damage::Cut { pick, at } => {
                let Some(name) = self.pick_use(pick, false) else { return };
                self.hurt(name, |path| {
                    let file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
                    file.set_len((at % (length(path) + 1)) as u64).unwrap();
                });
            }
            Damage::Cursor { reader, file, bit } => {
                let reader = reader % 2;
                let path = self.dir().join(format!("cursor-{}.{file}", READERS[reader]));
                if self.cursors[reader].files[file].take().is_some() {
                    disk::flip(&path, bit / 8 % 32, (bit % 8) as u8);
                }
            }
            Damage::Identity { slot, bit } => {
                let at = slot * 4096 + bit / 8 % 24;
                disk::flip(&self.dir().join("identity"), at, (bit % 8) as u8);
            }
        }
    }

    fn hurt_frame(&mut self, number: usize, bit: usize, in_use: bool) {
        let Some(name) = self.pick_use(number, in_use) else { return };
        let usage = &self.uses[&name];
        let list = &self.lists[&usage.key];
        let is_whole = |at: &usize| list.records[*at].fate == Fate::Whole;
        let whole: Vec<_> = usage.records.clone().filter(is_whole).collect();
        let Some(&at) = pick(&whole, bit / 7) else { return };
        let (from, to) = list.records[at].place;
        let at = from + bit % (to - from);
        self.hurt(name, |path| disk::flip(path, at, (bit / 13 % 8) as u8));
    }

    fn hurt_header(&mut self, number: usize, copy: usize, bit: usize, in_use: bool) {
        let Some(name) = self.pick_use(number, in_use) else { return };
        let hurt = self.uses[&name].copies_hurt;
        if hurt[copy] || in_use && hurt[1 - copy] && self.is_newest(name) {
            return;
        }
        let at = copy * COPY + bit / 8 % COPY;
        self.hurt(name, |path| {
            if at < length(path) {
                disk::flip(path, at, (bit % 8) as u8);
            }
        });
    }

    fn litter(&mut self, number: usize, bit: usize) {
        let Some(name) = self.pick_use(number, false) else { return };
        let end = self.uses[&name].end;
        self.hurt(name, |path| {
            if end < length(path) {
                let at = end + bit % (length(path) - end).min(64);
                disk::flip(path, at, (bit / 64 % 8) as u8);
            }
        });
        self.uses.get_mut(&name).unwrap().is_littered = true;
    }

    fn tear(&mut self, number: usize, at: usize) {
        let there = self.uses.iter().filter(|(_, usage)| usage.is_there).map(|(name, _)| *name);
        let newest: Vec<_> = there.filter(|&name| self.is_newest(name)).collect();
        let Some(&name) = pick(&newest, number) else { return };
        let usage = &self.uses[&name];
        let Some(record) = usage.records.clone().last() else { return };
        let (from, to) = self.lists[&usage.key].records[record].place;
        self.hurt(name, |path| {
            if length(path) >= to {
                disk::blank(path, from + at % (to - from), to);
            }
        });
    }

    /// Does something to the file of a use, and takes note of what it cost.
    fn hurt(&mut self, name: Name, act: impl FnOnce(&Path)) {
        let usage = self.uses.get_mut(&name).unwrap();
        let path = self.dir.path().join(&usage.file);
        let before = std::fs::read(&path).unwrap();
        act(&path);
        let mut after = std::fs::read(&path).unwrap_or_default();
        usage.is_there = path.exists();
        after.resize(before.len(), 0);
        usage.copies_hurt = disk::copies(&after).map(|copy| copy.is_none());
        let is_present = usage.is_present() || self.live.is_some() && usage.is_there;
        let list = self.lists.get_mut(&usage.key).unwrap();
        for at in usage.records.clone() {
            let record = &mut list.records[at];
            let (from, to) = record.place;
            let same = |from: usize, to: usize| {
                before.get(from..to).is_some_and(|bytes| bytes == &after[from..to])
            };
            if record.fate == Fate::Whole && !(is_present && same(from, to)) {
                record.fate = Fate::Hurt;
                record.has_head = same(from, from + 4) && same(from + 8, from + 16);
            } else if !(same(from, from + 4) && same(from + 8, from + 16)) {
                record.has_head = false;
            }
        }
    }
}

fn length(path: &Path) -> usize {
    path.metadata().unwrap().len() as usize
}
