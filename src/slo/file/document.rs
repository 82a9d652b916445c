//! One document: OpenSLO's own keys, and the whole put together.
//!
//! Not here: what stands under `x-lbproxy` (`extension`), indicators (`indicator`), times (`period`).

use super::extension::{self, Extension};
use super::load::Names;
use super::value::{decimal, line, lines};
use super::{indicator, period, windows};
use crate::config::keys::Shape;
use crate::config::map::Map;
use crate::config::tree::Item;
use crate::slo::{Objective, Period, TargetShare};

/// Longest name: `lbp-NAME-WINDOW` is an id of 48 bytes at most.
const NAME_BYTES_MAX: usize = 32;
/// Longest title and description, as OpenSLO has them.
const TITLE_CHARS_MAX: usize = 63;
const DESCRIPTION_CHARS_MAX: usize = 1_050;
/// Longest name of a service: that of `lbproxy.service`.
const SERVICE_CHARS_MAX: usize = 255;
/// Kinds of OpenSLO that may stand in a file and are not read.
const OTHER_KINDS: [&str; 6] =
    ["Service", "SLI", "DataSource", "AlertPolicy", "AlertCondition", "AlertNotificationTarget"];
/// Most items of lists that are not read.
const UNREAD_MAX: usize = 100;

/// The objective of a document; `None` when it has a mistake, or is of another kind.
pub(super) fn objective(root: Item<'_, '_>, names: &mut Names) -> Option<Objective> {
    let (source, before) = (root.source, root.source.found());
    let mut map = root.map()?.means(&[
        ("apiVersion", "Version of OpenSLO."),
        ("kind", "Kind of the document; other kinds of OpenSLO are left alone."),
        ("metadata", "What it is called."),
        ("spec", "What is promised, as OpenSLO has it."),
        (
            "x-lbproxy",
            "What OpenSLO cannot say. As a text it may also be the annotation `x-lbproxy`.",
        ),
    ]);
    let version = map.required("apiVersion", "write `apiVersion: openslo/v1`");
    version.and_then(|item| item.choice(&[("openslo/v1", ())]));
    let kind = map.required("kind", "write `kind: SLO`");
    if kind.is_some_and(|item| is_other(&item)) {
        return None;
    }
    let metadata = map.required("metadata", "write `metadata: {name: availability}`");
    let metadata = metadata.and_then(Item::map).map(|map| metadata_section(map, names));
    let spec = map.required("spec", "write `spec:` with `service` and `objectives`");
    let spec = spec.and_then(Item::map).map(spec_section);
    let (period, target) = spec.as_ref().map_or((None, None), |spec| (spec.period, spec.target));
    let annotation = metadata.as_ref().and_then(|metadata| metadata.extension.as_ref());
    let extension = match (map.get("x-lbproxy"), annotation) {
        (Some(item), annotation) => {
            if let Some(annotation) = annotation {
                annotation.note("stands beside `x-lbproxy`", "keep one of the two");
            }
            item.map()
                .map_or_else(Extension::default, |map| extension::read(map, period, target, names))
        }
        (None, Some(annotation)) => extension::read_inside(annotation, period, target, names),
        (None, None) => Extension::default(),
    };
    let (metadata, spec) = (metadata?, spec?);
    let period = period.map(|period| extension.shift(period));
    let indicator = if extension.has_indicator {
        extension.indicator
    } else if let Some(item) = spec.indicator {
        indicator::openslo(item)
    } else {
        let cure = "write `indicator: {availability: {}}`, or `latency: {bound: 300ms}` in it";
        map.missing("x-lbproxy.indicator", cure);
        None
    };
    map.end();
    let (period, target) = (period?, target?);
    let windows = extension.windows.unwrap_or_else(|| windows::usual(period, target));
    let objective = Objective {
        title: metadata.title.unwrap_or_else(|| metadata.name.clone()),
        name: metadata.name,
        description: spec.description,
        service: spec.service,
        owner: extension.owner,
        runbook: extension.runbook,
        dashboard: extension.dashboard,
        indicator: indicator?,
        target,
        period,
        group_by: extension.group_by,
        windows,
        min_total: extension.min_total,
        min_bad: extension.min_bad,
        no_data: extension.no_data,
        notify: extension.notify,
        maintenance: extension.maintenance,
    };
    (source.found() == before).then_some(objective)
}

/// Whether it names a kind of OpenSLO that is not read.
fn is_other(item: &Item<'_, '_>) -> bool {
    item.shape(|| Shape::Choice(vec!["SLO"]));
    let read = |text: &str| match text {
        "SLO" => Some(false),
        text => OTHER_KINDS.contains(&text).then_some(true),
    };
    let is_other = item.parse_as("a kind of OpenSLO", "`SLO`", read).unwrap_or(false);
    if is_other {
        item.warn("is not read", "lbproxy reads `kind: SLO`; the rest is for other tools");
    }
    is_other
}

/// `metadata`
struct Metadata<'s, 'n> {
    name: String,
    title: Option<String>,
    /// The annotation `x-lbproxy`.
    extension: Option<Item<'s, 'n>>,
}

fn metadata_section<'s, 'n>(map: Map<'s, 'n>, names: &mut Names) -> Metadata<'s, 'n> {
    let mut map = map.means(&[
        ("name", "Identity: lower-case letters, digits and `-`, 32 at most; unique in all files."),
        ("displayName", "The name for people, 63 characters at most."),
        ("labels", "For other tools; not kept."),
        ("annotations", "For other tools, but for `x-lbproxy`; not kept."),
    ]);
    let name = map.required("name", "write one, such as `name: availability`").and_then(|item| {
        let what = format!("a name of {NAME_BYTES_MAX} lower-case letters, digits and `-` at most");
        let cure = "one that begins and ends with a letter or digit, such as checkout-latency";
        let name = item.parse(&what, cure, |text| is_name(text).then(|| text.to_owned()))?;
        names.take(&name, &item);
        Some(name)
    });
    let title = map.get("displayName").and_then(|item| line(&item, TITLE_CHARS_MAX));
    map.get("labels").map(|item| item.named(""));
    let annotations = map.get("annotations").map(|item| item.named("")).unwrap_or_default();
    let extension = annotations.into_iter().find(|(name, _)| name == "x-lbproxy");
    map.end();
    Metadata { name: name.unwrap_or_default(), title, extension: extension.map(|(_, item)| item) }
}

/// Whether a text can be the name of an objective.
fn is_name(text: &str) -> bool {
    let is_usual = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = text.as_bytes();
    (1..=NAME_BYTES_MAX).contains(&bytes.len())
        && bytes.iter().all(|&b| is_usual(b) || b == b'-')
        && [bytes.first(), bytes.last()].into_iter().flatten().all(|&b| is_usual(b))
}

/// `spec`
struct Spec<'s, 'n> {
    description: String,
    service: String,
    /// Not read yet: where `x-lbproxy` has one, this is for other tools.
    indicator: Option<Item<'s, 'n>>,
    period: Option<Period>,
    target: Option<TargetShare>,
}

fn spec_section<'s, 'n>(map: Map<'s, 'n>) -> Spec<'s, 'n> {
    let mut map = map.means(&[
        ("description", "What is promised, for people; 1050 characters at most."),
        ("service", "Whose objective it is, for people and routes; it selects no records."),
        (
            "indicator",
            "Read where `x-lbproxy` has none: `spec.ratioMetric` with `good` or `bad`, and \
             `total`, each `metricSource: {type: lbproxy, spec: {filter: …}}`.",
        ),
        ("timeWindow", "Over which time the target holds; one item. The last 30 days when absent."),
        ("budgetingMethod", "How bad events are counted."),
        ("objectives", "The target; one item."),
        ("alertPolicies", "For other tools: alerts are `x-lbproxy.windows`."),
    ]);
    let description = map.get("description").and_then(|item| lines(&item, DESCRIPTION_CHARS_MAX));
    let service = map.required("service", "write whose it is, such as `service: shop`");
    let service = service.and_then(|item| line(&item, SERVICE_CHARS_MAX));
    let indicator = map.get("indicator");
    if let Some(item) = &indicator {
        item.shape(|| Shape::Names);
    }
    if let Some(item) = map.get("indicatorRef") {
        let cure = "write the indicator itself, as `x-lbproxy.indicator` or `spec.indicator`";
        item.note("is not followed", cure);
    }
    let period = match map.get("timeWindow") {
        Some(item) => period::read(item),
        None => Some(period::USUAL),
    };
    let method = map.get("budgetingMethod");
    map.default("budgetingMethod", "Occurrences");
    if let Some(item) = method {
        item.shape(|| Shape::Choice(vec!["Occurrences"]));
        let cure = "`Occurrences`: each event counts once";
        item.parse_as("a method that lbproxy has", cure, |text| {
            (text == "Occurrences").then_some(())
        });
    }
    let cure = "write one, such as `objectives: [{target: 0.999}]`";
    let target = map.required("objectives", cure).and_then(objectives);
    if let Some(item) = map.get("alertPolicies") {
        item.warn("is not read", "alerts are `x-lbproxy.windows`; the usual four when absent");
        for policy in item.bounded_list(UNREAD_MAX) {
            policy.shape(|| Shape::Names);
        }
    }
    map.end();
    Spec {
        description: description.unwrap_or_default(),
        service: service.unwrap_or_default(),
        indicator,
        period,
        target,
    }
}

/// `objectives`: a list of one.
fn objectives(item: Item<'_, '_>) -> Option<TargetShare> {
    let mut items = item.filled_list("write one, such as `- target: 0.999`").into_iter();
    let first = items.next()?;
    if let Some(second) = items.next() {
        second.note("is a second objective", "write a document for each, with a name of its own");
    }
    let mut map = first.map()?.means(&[
        ("displayName", "For other tools; not kept."),
        (
            "target",
            "Share of good events among those that count, such as 0.999; six places at most.",
        ),
        ("targetPercent", "The same in percent, such as 99.9; four places at most."),
    ]);
    map.text("displayName");
    let (share, percent) = map.either("target", "targetPercent", Some("write one, such as 0.999"));
    let share = share.and_then(|item| target(&item, 6, "0.999, or `targetPercent: 99.9`"));
    let percent = percent.and_then(|item| target(&item, 4, "99.9, or `target: 0.999`"));
    map.end();
    share.or(percent)
}

/// A target with so many places.
fn target(item: &Item<'_, '_>, places: usize, cure: &str) -> Option<TargetShare> {
    let whole = if places == 6 { "1" } else { "100" };
    let what = format!("a number from 0 to {whole} with {places} places at most");
    let ppm = item.parse(&what, cure, |text| decimal(text, places))?;
    let target = TargetShare::from_ppm(ppm);
    if target.is_none() {
        let problem =
            if ppm == 0 { "promises nothing" } else { "leaves no budget: one bad event breaks it" };
        item.note(problem, &format!("write less than {whole} and more than 0, such as {cure}"));
    }
    target
}
