//! What a compiled file says of where it is from: the tool, the source and its hash. No time and no version, so
//! that the same objectives give the same bytes.

use std::fmt::Write as _;
use std::sync::Arc;

use ring::digest::{SHA256, digest};

use super::{Subject, Tool};
use crate::slo::Objective;
use crate::slo::file;

/// Where a file is from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// Name of the tool.
    tool: &'static str,
    /// Names of the objectives.
    names: Vec<String>,
    /// See [`source_hash`].
    pub hash: String,
}

/// SHA-256 in hex of objectives as they are in effect: each as OpenSLO with every default written out. What a
/// file leaves out, or how it is spelled, changes nothing.
pub fn source_hash<'o>(objectives: impl IntoIterator<Item = &'o Arc<Objective>>) -> String {
    let texts = objectives.into_iter().map(|objective| file::print(objective));
    hex(texts.collect::<String>().as_bytes())
}

impl Header {
    /// Of a file that some objectives become.
    pub fn new(tool: &Tool, subjects: &[Subject]) -> Self {
        let names = subjects.iter().map(|subject| subject.objective.name.clone()).collect();
        let hash = source_hash(subjects.iter().map(|subject| &subject.objective));
        Self { tool: tool.name, names, hash }
    }

    /// One line, for formats without comments.
    pub fn line(&self) -> String {
        let Self { tool, names, hash } = self;
        format!("lbproxy slo compile --to {tool}: {} (sha256:{hash})", names.join(", "))
    }

    /// As comments of YAML.
    pub fn yaml(&self) -> String {
        let Self { tool, names, hash } = self;
        format!(
            "# Made by lbproxy slo compile --to {tool}; a change here is lost at the next run.\n\
             # Objectives: {}\n\
             # sha256:{hash}\n",
            names.join(", ")
        )
    }
}

/// SHA-256 in hex.
pub(super) fn hex(bytes: &[u8]) -> String {
    digest(&SHA256, bytes).as_ref().iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}"); // writing to a String cannot fail
        text
    })
}
