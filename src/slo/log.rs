//! Notices in the log: each change once.

use super::notice::{AlertStatus, Notice};

/// Tells the log of a notice.
pub fn log(notice: &Notice) {
    let group: Vec<_> = notice.group.iter().map(|(_, value)| value.as_str()).collect();
    let (objective, group) = (notice.objective.name.as_str(), group.join(" "));
    let (severity, key) = (notice.severity.as_str(), notice.key.as_str());
    let (trigger, budget_left) = (notice.trigger, notice.budget_left);
    match notice.status {
        AlertStatus::Firing => tracing::warn!(
            objective,
            group,
            severity,
            ?trigger,
            budget_left,
            key,
            "an objective is not kept: alert fires"
        ),
        AlertStatus::Resolved { .. } => {
            tracing::info!(objective, group, severity, budget_left, key, "alert is over");
        }
    }
}
