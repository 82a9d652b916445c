//! Goal: a chart with more values of a split than it draws shows those with most of the whole range.
//! Method: more services than that, each of which is first in one minute, in the real servers; what the
//! panel's own search finds is held against the largest by their number.

use std::collections::BTreeSet;

use lbproxy_boards::source::BOARDS;

use super::data::{CROWD, Loaded};
use super::{Asked, Objects};
use crate::server::{RealServer, on_both};

#[test]
fn splits_over_time_are_the_largest_of_the_whole_range() {
    on_both(|product| {
        let server = RealServer::shared(product);
        let (loaded, objects) = (Loaded::crowd_into(server), Objects::of(product));
        for (board_id, panel_id) in [
            ("overview", "service-time"),
            ("endpoints", "share"),
            ("endpoints", "failing"),
            ("endpoints", "first-byte"),
            ("endpoints", "connect"),
        ] {
            let board = BOARDS.iter().find(|board| board.id == board_id).unwrap();
            let panel = board.panels().find(|panel| panel.id == panel_id).unwrap();
            let asked = Asked::new(server, &objects, &loaded);
            let figures = asked.panel(product, board, panel).figures.0;
            let found: BTreeSet<_> = figures.keys().map(|(_, split, _)| split.as_str()).collect();
            let want = CROWD[CROWD.len() - usize::from(panel.splits[0].size)..].iter().copied();
            assert_eq!(found, want.collect(), "{product:?} {board_id}/{panel_id}");
        }
    });
}
