//! What objectives ask for, and how far a tool does it: the one table of capabilities. The report of
//! `lbproxy slo compile` and `docs/slo-compile.md` are made of it.

use super::{Loss, Tool};
use crate::slo::{Objective, Period, Silence};

/// Something that an objective can ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Feature {
    /// Burn rates over a long and a short window.
    Windows,
    /// `min_total` and `min_bad`.
    LeastEvents,
    /// `group_by`.
    Groups,
    /// Events of all instances in one figure.
    Instances,
    /// `no_data.after`.
    NoData,
    /// `no_data.firing: keep`.
    KeptFiring,
    /// All windows of a severity are one alert.
    OneAlert,
    /// It fires at the second look and ends after twelve clean minutes.
    Patience,
    /// Whoever was told is told of the end.
    Resolve,
    /// `maintenance`.
    Maintenance,
    /// A budget over a month or week.
    Calendar,
    /// `notify`.
    Routes,
    /// `owner`, `runbook` and `dashboard`.
    Links,
}

/// How far a tool does what is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Support {
    /// As lbproxy itself does; the note says how, or is empty.
    Whole(&'static str),
    /// Otherwise, or in part.
    Partly {
        /// What the tool does.
        why: &'static str,
        /// What to do about it.
        instead: &'static str,
    },
    /// Not at all.
    Absent {
        /// What the tool lacks, or does instead.
        why: &'static str,
        /// What to do about it.
        instead: &'static str,
    },
}

impl Feature {
    /// All, in the order of the documentation.
    pub const ALL: [Self; 13] = [
        Self::Windows,
        Self::LeastEvents,
        Self::Groups,
        Self::Instances,
        Self::NoData,
        Self::KeptFiring,
        Self::OneAlert,
        Self::Patience,
        Self::Resolve,
        Self::Maintenance,
        Self::Calendar,
        Self::Routes,
        Self::Links,
    ];

    /// For people.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Windows => "burn rate over two windows",
            Self::LeastEvents => "`min_total` and `min_bad`",
            Self::Groups => "`group_by`",
            Self::Instances => "events of all instances together",
            Self::NoData => "`no_data.after`",
            Self::KeptFiring => "`no_data.firing: keep`",
            Self::OneAlert => "one alert for all windows of a severity",
            Self::Patience => "fires at the second look, ends after twelve clean minutes",
            Self::Resolve => "the end of an alert is told",
            Self::Maintenance => "`maintenance`",
            Self::Calendar => "budget of a month or week",
            Self::Routes => "`notify`",
            Self::Links => "`owner`, `runbook`, `dashboard`",
        }
    }

    /// Whether an objective asks for it.
    pub fn is_asked_by(self, objective: &Objective) -> bool {
        let has_alerts = !objective.windows.is_empty() || objective.no_data.after.is_some();
        match self {
            Self::Windows => !objective.windows.is_empty(),
            Self::LeastEvents => objective.min_total.max(objective.min_bad) > 1,
            Self::Groups => !objective.group_by.is_empty(),
            Self::NoData => objective.no_data.after.is_some(),
            Self::KeptFiring => {
                !objective.windows.is_empty() && objective.no_data.firing == Silence::Keep
            }
            Self::OneAlert => {
                let severities = objective.windows.iter().map(|window| window.severity);
                severities
                    .clone()
                    .enumerate()
                    .any(|(at, one)| severities.clone().take(at).any(|other| other == one))
            }
            Self::Instances | Self::Patience | Self::Resolve => has_alerts,
            Self::Maintenance => !objective.maintenance.is_empty(),
            Self::Calendar => !matches!(objective.period, Period::Rolling(_)),
            Self::Routes => !objective.notify.is_empty(),
            Self::Links => [&objective.owner, &objective.runbook, &objective.dashboard]
                .iter()
                .any(|text| text.is_some()),
        }
    }
}

/// What an objective loses at a tool.
pub(super) fn losses(tool: &Tool, objective: &Objective) -> Vec<Loss> {
    let asked = Feature::ALL.into_iter().filter(|feature| feature.is_asked_by(objective));
    asked
        .filter_map(|feature| match (tool.support)(feature) {
            Support::Whole(_) => None,
            Support::Partly { why, instead } | Support::Absent { why, instead } => Some(Loss {
                objective: objective.name.clone(),
                what: feature.title().to_owned(),
                why: why.to_owned(),
                instead: instead.to_owned(),
            }),
        })
        .collect()
}
