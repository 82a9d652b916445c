//! Where each series stands as metrics: bounded by the objectives and their groups.

use super::alert::AlertState;
use super::objective::Severity;
use super::rows::ratio;
use super::status::SeriesStatus;
use crate::metrics::{Exposition, SloSeriesMetrics};

/// Adds every series to a page.
pub fn expose(statuses: &[SeriesStatus], page: &mut Exposition) {
    for status in statuses {
        let cells = SloSeriesMetrics::default();
        cells.valid_total.set(status.total.valid);
        cells.bad_total.set(status.total.bad);
        cells.valid.set(status.budget.count.valid);
        cells.bad.set(status.budget.count.bad);
        cells.budget_left.set(ratio(status.budget.left).0);
        cells.budget_spent.set(ratio(1.0 - status.budget.left).0);
        let burns = [
            &cells.burn_5m,
            &cells.burn_30m,
            &cells.burn_1h,
            &cells.burn_2h,
            &cells.burn_6h,
            &cells.burn_1d,
            &cells.burn_3d,
        ];
        for (cell, rate) in burns.into_iter().zip(status.rates) {
            cell.set_known(rate.map(|rate| ratio(rate).0));
        }
        let fires = |state: AlertState| u64::from(state.is_firing());
        cells.firing_page.set(fires(status.alert(Severity::Page)));
        cells.firing_ticket.set(fires(status.alert(Severity::Ticket)));
        cells.firing_no_data.set(fires(status.absent));
        let mut labels = vec![("objective", status.objective.name.as_str())];
        let group = status.group.iter();
        labels.extend(group.map(|(dimension, value)| (dimension.as_str(), value.as_str())));
        cells.expose(&labels, page);
    }
}
