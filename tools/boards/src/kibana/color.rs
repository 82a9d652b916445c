//! The colours of an alarm as Lens has them.

use serde_json::{Value, json};

use super::lens_scale;
use crate::model::{Alarm, Panel, Side};
use crate::source::{alarm_color, color::NOTHING};

/// Beside a level, in parts of it. Kibana gives a figure that is just a level the colour that begins there,
/// and the words say below or above.
const BESIDE: f64 = 1e-9;

/// The palette of an alarm: colours only on its wrong side, so that all else is the theme's. A figure of
/// nothing is a NaN to Kibana, which gives it the first colour; so that one stands where no figure is.
pub(super) fn palette(panel: &Panel, alarm: &Alarm) -> Value {
    // In the numbers of the field, whose format turns them into what people read.
    let scale = panel.metrics.first().map_or(1.0, |metric| lens_scale(panel, metric));
    let mut levels: Vec<_> =
        alarm.levels().map(|(name, level, _)| (level / scale, alarm_color(name))).collect();
    levels.sort_by(|one, other| one.0.total_cmp(&other.0));
    let beside = |level: f64| level.abs().max(1.0) * BESIDE;
    // Where each colour ends, that of nothing first.
    let (ends, range, continuity): (Vec<f64>, _, _) = match alarm.side {
        Side::Above => {
            let begins: Vec<_> =
                levels.iter().map(|(level, _)| level + 2.0 * beside(*level)).collect();
            let first = levels.first().map(|(level, _)| level + beside(*level));
            (begins.into_iter().chain([f64::from(u32::MAX)]).collect(), [first, None], "above")
        }
        Side::Below => {
            let mut ends: Vec<_> =
                [-1.0].into_iter().chain(levels.iter().map(|own| own.0)).collect();
            let last = ends.last_mut().map(|last| {
                *last -= beside(*last);
                *last
            });
            (ends, [None, last], "below")
        }
    };
    // Beside it where each begins.
    let begins = [range[0]].into_iter().chain(ends.iter().copied().map(Some));
    let stop = |(color, stop): (&str, Option<f64>)| json!({ "color": color, "stop": stop });
    let colors = [NOTHING].into_iter().chain(levels.iter().map(|own| own.1));
    let stops: Vec<_> = colors.clone().zip(ends.iter().copied().map(Some)).map(stop).collect();
    let color_stops: Vec<_> = colors.zip(begins).map(stop).collect();
    json!({
        "name": "custom", "type": "palette",
        "params": {
            "name": "custom", "steps": stops.len(), "maxSteps": 5, "reverse": false,
            "progression": "fixed", "continuity": continuity,
            "rangeType": "number", "rangeMin": range[0], "rangeMax": range[1],
            "stops": stops, "colorStops": color_stops,
        },
    })
}

#[cfg(test)]
mod tests {
    use lbproxy::record::Dataset;

    use super::*;
    use crate::model::{Form, Metric, Unit, Value as Worked, panel};
    use crate::source::SUCCESS;

    /// A figure in the unit of its field, which is not the one that people read.
    const LATE: Metric = Metric {
        label: "p99",
        value: Worked::Merged("lbproxy.rollup.duration_us", 99),
        unit: Unit::Ms,
        is_rate: false,
        color: None,
        is_day_before: false,
    };

    #[test]
    fn colours_of_an_alarm_begin_and_end_where_the_source_says_in_the_units_of_the_field() {
        let above = panel("a", "", "", Dataset::Rollup, Form::Figure, &[LATE])
            .red_above(300.0, "hurt")
            .amber_above(240.0, "near");
        let params = &palette(&above, &above.alarm.unwrap())["params"];
        let (amber, red) = (alarm_color("amber"), "#DB4437");
        let rounded = |stops: &Value| -> Vec<(String, f64)> {
            let stops = stops.as_array().unwrap().iter();
            let stop = |own: &Value| (own["stop"].as_f64().unwrap_or(f64::NAN) * 1e6).round() / 1e6;
            stops.map(|own| (own["color"].as_str().unwrap().to_owned(), stop(own))).collect()
        };
        let stop = |color: &str, stop: f64| (color.to_owned(), stop);
        assert_eq!(
            rounded(&params["stops"]),
            [
                stop(NOTHING, 240_000.000_48),
                stop(amber, 300_000.000_6),
                stop(red, f64::from(u32::MAX))
            ]
        );
        assert_eq!(params["colorStops"][1]["stop"], params["stops"][0]["stop"]);
        assert_eq!(params["continuity"], "above", "nothing below amber has a colour");

        let below = panel("b", "", "", Dataset::Rollup, Form::Figure, &[SUCCESS])
            .red_below(0.99, "hurt")
            .amber_below(0.999, "near");
        let params = &palette(&below, &below.alarm.unwrap())["params"];
        assert_eq!(
            rounded(&params["stops"]),
            [stop(NOTHING, -1.0), stop(red, 0.99), stop(amber, 0.999)]
        );
        assert_eq!(params["rangeMax"], params["stops"][2]["stop"]);
        assert!(params["rangeMax"].as_f64().unwrap() < 0.999, "0.999 itself has no colour");
    }
}
