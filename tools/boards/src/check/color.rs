//! The colour that products give a figure, by their own rules, held against the words of its alarm.
//!
//! Kibana: `src/plugins/charts/public/services/palettes/helpers.ts` (`workoutColorForValue`), the same from
//! 8.14 to 9.x, and what 9.4 and newer read of it,
//! `kbn-lens-embeddable-utils/config_builder/transforms/coloring/coloring.ts`. Vega: its `isValid` and
//! comparisons. A figure of nothing is a NaN to Kibana, and drawn. Not here: how colours are chosen
//! (`kibana`, `osd::draw`).

use serde_json::{Value, json};

use super::super::model::{Panel, Side};
use super::super::source::{alarm_color, color::NOTHING};
use super::Findings;

/// Beside a level, in parts of it: three steps of those that a palette may take.
const BESIDE: f64 = 3e-9;

/// Where a colour ends.
fn stop(own: &Value) -> f64 {
    own["stop"].as_f64().unwrap_or(f64::NAN)
}

/// What Kibana paints a figure with.
fn of_kibana(params: &Value, figure: Option<f64>) -> Option<&str> {
    let figure = figure?;
    let listed = params["stops"].as_array()?;
    let goes_on = |side: &str| params["continuity"] == side || params["continuity"] == "all";
    let low = if goes_on("below") {
        f64::NEG_INFINITY
    } else {
        params["rangeMin"].as_f64().unwrap_or_else(|| listed.first().map_or(0.0, stop))
    };
    let high = if goes_on("above") {
        f64::INFINITY
    } else {
        params["rangeMax"].as_f64().unwrap_or_else(|| listed.last().map_or(100.0, stop))
    };
    if figure < low || figure > high {
        return None;
    }
    let found = listed.iter().find(|own| figure < stop(own));
    // A NaN is on no side of anything.
    let beyond = || listed.last().filter(|last| figure >= stop(last)).or_else(|| listed.first());
    found.or_else(beyond)?["color"].as_str()
}

/// A palette as Kibana 9.4 writes it again after it has read it.
fn read_again(params: &Value) -> Result<Value, String> {
    let stops = params["stops"].as_array().map_or(&[][..], Vec::as_slice);
    let (low, high) = (&params["rangeMin"], &params["rangeMax"]);
    let last = stops.len().checked_sub(1).ok_or("no colour")?;
    let mut begins = low.as_f64();
    let mut again = Vec::new();
    for (at, own) in stops.iter().enumerate() {
        let ends = if at == last && last > 0 { high.as_f64() } else { own["stop"].as_f64() };
        if begins.zip(ends).is_some_and(|(begins, ends)| begins > ends) {
            return Err(format!("a range from {begins:?} to {ends:?}"));
        }
        again.push(json!({ "color": own["color"], "stop": ends.unwrap_or(f64::MAX) }));
        begins = ends;
    }
    let high = if last == 0 { &stops[0]["stop"] } else { high };
    let continuity = match (low.is_null(), high.is_null()) {
        (true, true) => "all",
        (true, false) => "below",
        (false, true) => "above",
        (false, false) => "none",
    };
    Ok(json!({ "stops": again, "rangeMin": low, "rangeMax": high, "continuity": continuity }))
}

/// What Vega paints a figure with: the colour of the first test that holds.
fn of_vega(spec: &Value, figure: Option<f64>) -> Result<Option<&str>, String> {
    let conditions = spec["layer"][0]["encoding"]["color"]["condition"].as_array();
    for own in conditions.into_iter().flatten() {
        let test = own["test"].as_str().unwrap_or_default();
        if holds(test, figure.unwrap_or(f64::NAN))? {
            return Ok(own["value"].as_str());
        }
    }
    Ok(None)
}

/// Whether a test of Vega's language holds for a figure.
fn holds(test: &str, figure: f64) -> Result<bool, String> {
    let part = |part: &str| match part.split(' ').collect::<Vec<_>>().as_slice() {
        ["isValid(datum.figure)"] => Some(!figure.is_nan()),
        ["datum.figure", "<", level] => Some(figure < level.parse::<f64>().ok()?),
        ["datum.figure", ">", level] => Some(figure > level.parse::<f64>().ok()?),
        _ => None,
    };
    let parts: Option<Vec<_>> = test.split(" && ").map(part).collect();
    Ok(parts.ok_or_else(|| format!("the test `{test}` is not understood"))?.iter().all(|is| *is))
}

/// Holds the colours of a panel against its alarm, on each level and just beside it. `scale` is what
/// the numbers of its field are multiplied with to be in the alarm's unit.
fn check<'c>(
    panel: &Panel,
    scale: f64,
    color: impl Fn(Option<f64>) -> Result<Option<&'c str>, String>,
    findings: &mut Findings,
) {
    let Some(alarm) = panel.alarm else { return };
    let levels: Vec<_> =
        alarm.levels().map(|(name, level, _)| (level / scale, alarm_color(name))).collect();
    let meant = |figure: f64| {
        let is_wrong = |level: f64| match alarm.side {
            Side::Below => figure < level,
            Side::Above => figure > level,
        };
        levels.iter().find(|(level, _)| is_wrong(*level)).map(|(_, color)| *color)
    };
    let mut figures = vec![None, Some(f64::NAN)];
    for (level, _) in &levels {
        let beside = level.abs().max(1.0) * BESIDE;
        figures.extend([level - beside, *level, level + beside].map(Some));
    }
    for figure in figures {
        let found = color(figure).map(|color| color.filter(|own| *own != NOTHING));
        let want = figure.and_then(meant);
        findings.require(
            found == Ok(want),
            format!("{figure:?} is drawn in {found:?}, and its words say {want:?}"),
            "let colours begin beside the level, and none for nothing",
        );
    }
}

/// Checks a panel of Kibana.
pub(super) fn kibana(panel: &Panel, scale: f64, params: &Value, findings: &mut Findings) {
    check(panel, scale, |figure| Ok(of_kibana(params, figure)), findings);
    match read_again(params) {
        Ok(params) => check(panel, scale, |figure| Ok(of_kibana(&params, figure)), findings),
        Err(_) if panel.alarm.is_none() => (),
        Err(error) => {
            findings.add(format!("the palette is refused: {error}"), "let its ranges rise");
        }
    }
}

/// Checks a panel that is drawn by Vega.
pub(super) fn vega(panel: &Panel, spec: &Value, findings: &mut Findings) {
    check(panel, 1.0, |figure| of_vega(spec, figure), findings);
}
