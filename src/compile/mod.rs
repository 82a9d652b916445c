//! Objectives as rules of other tools: one file per tool, and what each of them cannot say.
//!
//! ```text
//! Objective ─► Subject: ids, factors, least counts ─► Tool::compile ─► files
//!          └─► Feature::is_asked_by ─► Tool::support ─► losses
//! ```
//! Invariants: the same objectives give the same bytes; ids stay while name and windows do; nothing is lost in
//! silence: whatever an objective asks for and a tool does not do is a [`Loss`]. No tool is given a predicate:
//! lbproxy says which events are good, in records (`fields`) and on `/metrics`, and tools add up. Not here:
//! reading objectives (`slo::file`), writing files (`cli`), sending to servers (`elk`).

pub mod alert_object;
mod docs;
mod elastalert2;
mod feature;
pub mod fields;
mod header;
pub mod kibana_query;
mod kibana_rule;
pub mod kibana_slo;
pub mod opensearch;
mod prometheus;
mod prometheus_terms;
mod subject;
mod told;
mod yaml;

use std::sync::Arc;

pub use docs::compile_markdown;
pub use feature::{Feature, Support};
pub use header::{Header, source_hash};
pub use subject::{AbsenceRule, BurnRule, ID_BYTES_MAX, Subject, number, subjects};

use crate::slo::Objective;

/// A tool that objectives are compiled for.
#[derive(Debug)]
pub struct Tool {
    /// For `--to`: lower-case letters, digits and `-`.
    pub name: &'static str,
    /// For people.
    pub title: &'static str,
    /// How its files are loaded, for `docs/slo-compile.md`: Markdown.
    pub loading: &'static str,
    /// What it does of what objectives ask for.
    pub support: fn(Feature) -> Support,
    /// Its files, and what these objectives lose beyond `support`.
    pub compile: fn(&[Subject], &Site) -> Compiled,
}

/// Every tool, in the order of the documentation. One more: its file, `mod` above, and its line here.
pub static TOOLS: [&Tool; 5] = [
    &prometheus::TOOL,
    &elastalert2::TOOL,
    &kibana_query::TOOL,
    &kibana_slo::TOOL,
    &opensearch::TOOL,
];

/// Where compiled files are used.
#[derive(Debug, Clone)]
pub struct Site {
    /// Last part of the names of data streams: `telemetry.namespace`.
    pub namespace: String,
    /// Base of links to Kibana or OpenSearch Dashboards, without `/` at the end.
    pub dashboards: Option<String>,
    /// Base address of Alertmanager, for tools that hand alerts to it.
    pub alertmanager: Option<String>,
    /// Names of routes, and what stands for them at the tool: ids of connectors or channels.
    pub channels: Vec<(String, String)>,
}

/// A file to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputFile {
    /// Below the folder of the output, with `/`.
    pub path: String,
    /// Ends in a line feed.
    pub text: String,
}

/// What a tool makes of objectives.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Compiled {
    /// In the order of their paths.
    pub files: Vec<OutputFile>,
    /// In the order of objectives.
    pub losses: Vec<Loss>,
}

/// Something that an objective asks for and a tool does not do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loss {
    /// Name of the objective.
    pub objective: String,
    /// What is lost: the title of a [`Feature`], or a window.
    pub what: String,
    /// Why, and what happens instead.
    pub why: String,
    /// What to do about it.
    pub instead: String,
}

impl Tool {
    /// The tool with this name.
    pub fn find(name: &str) -> Option<&'static Self> {
        TOOLS.into_iter().find(|tool| tool.name == name)
    }

    /// Compiles objectives; the same ones always give the same.
    pub fn run(&self, objectives: &[Arc<Objective>], site: &Site) -> Compiled {
        let subjects = subjects(objectives);
        let mut compiled = (self.compile)(&subjects, site);
        compiled.files.sort_by(|a, b| a.path.cmp(&b.path));
        let own = std::mem::take(&mut compiled.losses);
        for subject in &subjects {
            let name = &subject.objective.name;
            compiled.losses.extend(feature::losses(self, &subject.objective));
            compiled.losses.extend(own.iter().filter(|loss| loss.objective == *name).cloned());
        }
        compiled
    }
}

#[cfg(test)]
mod server_tests;
#[cfg(test)]
mod tests;
