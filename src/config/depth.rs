//! How deep a YAML text nests, told from the parser's events: whoever builds, walks or drops a tree
//! recurses, and a few KiB of `- - - -` would end the process by an overflow of its stack.
//!
//! What an alias stands for counts where it stands: anchors within anchors nest without brackets.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser};

use super::tree::Place;

/// Most lists and mappings within each other.
pub(crate) const DEPTH_MAX: usize = 64;

/// A list or mapping that has begun.
#[derive(Debug, Default)]
struct Open {
    /// 0 for none.
    anchor: usize,
    /// Lists and mappings within each other, inside it.
    height: usize,
}

/// Where a text first nests deeper than [`DEPTH_MAX`]. Stops at what is no YAML.
pub(crate) fn too_deep(text: &str) -> Option<Place> {
    let mut open: Vec<Open> = Vec::new();
    let mut heights: HashMap<usize, usize> = HashMap::new();
    for event in Parser::new_from_iter(text.chars()) {
        let (event, span) = event.ok()?;
        let height = match event {
            Event::SequenceStart(anchor, _) | Event::MappingStart(anchor, _) => {
                open.push(Open { anchor, height: 0 });
                0
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let Open { anchor, height } = open.pop().unwrap_or_default();
                heights.insert(anchor, height + 1);
                height + 1
            }
            Event::Alias(anchor) => heights.get(&anchor).copied().unwrap_or(0),
            _ => continue,
        };
        if open.len() + height > DEPTH_MAX {
            return Some(Place { line: span.start.line(), column: span.start.col() + 1 });
        }
        if let Some(around) = open.last_mut() {
            around.height = around.height.max(height);
        }
    }
    None
}
