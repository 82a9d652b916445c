//! What `lbproxy setup` prints: the servers, each step with its differences, what a person has to
//! mend, and the sum.
//!
//! ```text
//! + made   ~ changed   - removed   = as it should be   ! stays, and why   x failed
//! ```
//! Not here: doing any of it.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::given::Given;
use super::secret;
use crate::base::visible::visible;
use crate::elk::alerts::AlertPlan;
use crate::elk::artefact::Kind;
use crate::elk::installer::{Finding, Outcome, Plan};
use crate::elk::plan::{Action, Change};
use crate::elk::saved_objects::{self, Target};
use crate::elk::secret::NewSecret;
use crate::elk::server::Server;

/// Differences of one artefact that are shown; the rest is counted.
const CHANGES_MAX: usize = 12;
/// Lines of the same sort that are shown one by one; more are counted.
const LINES_MAX: usize = 12;
/// Most characters of a value in a difference.
const VALUE_CHARS_MAX: usize = 80;

/// What there is to tell of the boards.
#[derive(Debug)]
pub(super) struct Boards {
    url: String,
    /// Their space, if it is not the default one.
    space: Option<String>,
    workspace: Option<String>,
    pub(super) plan: saved_objects::Plan,
    /// What came of it, step by step; nothing when it was not tried.
    pub(super) outcomes: Vec<Outcome>,
}

impl Boards {
    pub(super) fn new(target: Target<'_>, plan: saved_objects::Plan) -> Self {
        let [space, workspace] = [target.space, target.workspace].map(|own| own.map(str::to_owned));
        Self { url: target.client.url().to_owned(), space, workspace, plan, outcomes: Vec::new() }
    }

    /// What was found out about the server, on one line.
    fn about(&self) -> String {
        let title = self.plan.product.map_or("unknown", saved_objects::title);
        let version = self.plan.version.map_or(String::new(), |version| format!(" {version}"));
        let space = self.space.as_ref().map_or("default", String::as_str);
        let workspace = self.workspace.as_ref().map(|id| format!(", workspace {id}"));
        format!("{title}{version} at {}, space {space}{}", self.url, workspace.unwrap_or_default())
    }
}

/// What there is to tell of the rules of objectives.
#[derive(Debug)]
pub(super) struct Alerts {
    /// Address of the server that watches.
    pub(super) url: String,
    /// What it is given.
    pub(super) title: &'static str,
    pub(super) plan: AlertPlan,
    /// What came of it, step by step; nothing when it was not tried.
    pub(super) outcomes: Vec<Outcome>,
}

impl Alerts {
    /// What it is about, on one line.
    fn about(&self) -> String {
        let Self { url, title, plan, .. } = self;
        if plan.is_unsupported {
            return format!("not installed: {url} has no alerting; install opensearch-alerting");
        }
        format!("{title} at {url}")
    }
}

/// What there is to tell.
#[derive(Debug)]
pub(super) struct Report<'a> {
    pub(super) url: &'a str,
    pub(super) plan: &'a Plan,
    /// What came of it, step by step; nothing when it was not tried.
    pub(super) outcomes: &'a [Outcome],
    /// Users that are given their passwords.
    pub(super) given: &'a [Given],
    /// The boards, where there is a place for them.
    pub(super) boards: Option<&'a Boards>,
    /// The rules of objectives, where somebody watches them.
    pub(super) alerts: Option<&'a Alerts>,
    /// Kinds that are wanted, and that there is no place for.
    pub(super) lacks: &'a [Kind],
    /// Whether it was only to be shown.
    pub(super) is_dry_run: bool,
    /// Whether things were to go.
    pub(super) is_removal: bool,
    /// A secret that came into being and is not told yet.
    pub(super) secret: Option<&'a NewSecret>,
    /// The file that it is in.
    pub(super) saved: Option<&'a str>,
}

/// A step of either server.
struct Row<'a> {
    /// What it is good for.
    kind: Kind,
    /// What people call such things.
    title: &'static str,
    name: &'a str,
    body: &'a Value,
    /// What is to be done.
    action: &'a Action,
    outcome: Option<&'a Outcome>,
}

/// How a step stands in the list.
#[derive(PartialEq)]
struct Line {
    sign: char,
    /// Colour of the sign on a terminal.
    colour: &'static str,
    /// Why it is so, where that is not plain.
    why: String,
}

impl Report<'_> {
    /// Whether everything is as it should be now, or would be.
    pub(super) fn is_well(&self) -> bool {
        let is_failure = |row: &Row<'_>| matches!(row.outcome, Some(Outcome::Failed(_)));
        self.findings().next().is_none() && !self.rows().iter().any(is_failure)
    }

    /// What a person has to know or mend.
    fn findings(&self) -> impl Iterator<Item = &Finding> {
        let of_boards = self.boards.into_iter().flat_map(|boards| &boards.plan.findings);
        let of_alerts = self.alerts.into_iter().flat_map(|alerts| &alerts.plan.findings);
        self.plan.findings.iter().chain(of_boards).chain(of_alerts)
    }

    /// Steps of the server with what came of them, then users with given passwords, then those of the boards, then those of the rules.
    fn rows(&self) -> Vec<Row<'_>> {
        let mut rows = Vec::new();
        for (place, step) in self.plan.steps.iter().enumerate() {
            rows.push(Row {
                kind: step.artefact.kind,
                title: step.artefact.api.title(),
                name: &step.artefact.name,
                body: &step.artefact.body,
                action: &step.action,
                outcome: self.outcomes.get(place),
            });
        }
        for Given { user, action, outcome, .. } in self.given {
            rows.push(Row {
                kind: Kind::Access,
                title: user.title(),
                name: user.name(),
                body: &Value::Null,
                action,
                outcome: outcome.as_ref(),
            });
        }
        if let Some(Boards { plan, outcomes, .. }) = self.boards {
            for (place, step) in plan.steps.iter().enumerate() {
                rows.push(Row {
                    kind: Kind::Dashboards,
                    title: step.object.type_title(self.plan.server.product),
                    name: &step.object.id,
                    body: &step.object.body,
                    action: &step.action,
                    outcome: outcomes.get(place),
                });
            }
        }
        if let Some(Alerts { plan, outcomes, .. }) = self.alerts {
            for (place, step) in plan.steps.iter().enumerate() {
                rows.push(Row {
                    kind: Kind::Alerts,
                    title: step.object.api.title(),
                    name: &step.object.id,
                    body: &step.object.body,
                    action: &step.action,
                    outcome: outcomes.get(place),
                });
            }
        }
        rows
    }

    pub(super) fn text(&self, has_colours: bool) -> String {
        let mut text = format!("server   {}\n", shown(&server(&self.plan.server, self.url)));
        let rows = self.rows();
        let (of_server, rest) = rows.split_at(self.plan.steps.len() + self.given.len());
        let boards = self.boards.map_or(0, |boards| boards.plan.steps.len());
        let (of_boards, of_alerts) = rest.split_at(boards);
        let left = if self.is_removal { "left where they are" } else { "not installed" };
        text.push_str(&listed(of_server, has_colours));
        if let Some(boards) = self.boards {
            let _ = writeln!(text, "boards   {}", shown(&boards.about()));
            text.push_str(&listed(of_boards, has_colours));
        } else if self.lacks.contains(&Kind::Dashboards) {
            let how = "set telemetry.elasticsearch.dashboards.url or --dashboards-url";
            let _ = writeln!(text, "boards   {left}: {how}");
        }
        if let Some(alerts) = self.alerts {
            let _ = writeln!(text, "alerts   {}", shown(&alerts.about()));
            text.push_str(&listed(of_alerts, has_colours));
        } else if self.lacks.contains(&Kind::Alerts) {
            let how = "Kibana alone has rules: set telemetry.elasticsearch.dashboards.url or \
                       --dashboards-url";
            let _ = writeln!(text, "alerts   {left}: {how}");
        }
        for finding in self.findings() {
            let mark = painted("finding", "33", has_colours);
            let (problem, cure) = (shown(&finding.problem), shown(&finding.cure));
            let _ = writeln!(text, "{mark}  {problem}; {cure}");
        }
        if let Some(secret) = self.secret {
            text.push_str(&secret::lines(secret, self.saved));
        }
        text + &self.sum() + "\n"
    }

    fn sum(&self) -> String {
        let rows = self.rows();
        let count = |is: &dyn Fn(&Action) -> bool| rows.iter().filter(|row| is(row.action)).count();
        let is_blocked = self.plan.findings.iter().any(|finding| finding.blocks);
        let planned = count(&Action::is_change);
        let made = |word: &str| {
            let parts = [
                (count(&|action| *action == Action::Create), "to make"),
                (count(&|action| matches!(action, Action::Update(_))), "to change"),
                (count(&|action| *action == Action::Remove), "to remove"),
            ];
            let parts = parts.iter().filter(|(count, _)| *count > 0);
            let parts: Vec<_> = parts.map(|(count, what)| format!("{count} {what}")).collect();
            format!("{word}: {}; nothing was changed", parts.join(", "))
        };
        if is_blocked {
            return "nothing was changed: see the findings".to_owned();
        }
        if planned == 0 {
            let (what, fine) = if self.is_removal {
                ("not there", count(&|action| *action == Action::Absent))
            } else {
                ("as they should be", count(&|action| *action == Action::Unchanged))
            };
            let rest = rows.len() - fine;
            let rest =
                if rest == 0 { String::new() } else { format!(", {rest} left, as said above") };
            return format!("nothing to do: {fine} {what}{rest}");
        }
        if self.is_dry_run {
            return made("dry run");
        }
        let ended = |is: fn(&Outcome) -> bool| {
            rows.iter().filter_map(|row| row.outcome).filter(|outcome| is(outcome)).count()
        };
        let done = ended(|outcome| matches!(outcome, Outcome::Done(_)));
        let failed = ended(|outcome| matches!(outcome, Outcome::Failed(_)));
        if failed > 0 {
            let left = ended(|outcome| matches!(outcome, Outcome::NotTried));
            return format!(
                "NOT COMPLETE: {done} of {planned} changes done, {failed} failed, {left} not tried; \
                 mend it and run this again"
            );
        }
        let is_gone = |row: &&Row<'_>| {
            *row.action == Action::Remove && matches!(row.outcome, Some(Outcome::Done(_)))
        };
        let gone = rows.iter().filter(is_gone).count();
        let parts = [(done - gone, "put in place"), (gone, "removed")];
        let parts = parts.iter().filter(|(count, _)| *count > 0);
        let parts: Vec<_> = parts.map(|(count, what)| format!("{count} {what}")).collect();
        format!("done: {}, {} left as they were", parts.join(", "), rows.len() - done)
    }

    pub(super) fn json(&self) -> Value {
        let rows = self.rows();
        let steps: Vec<_> = rows
            .iter()
            .map(|row| {
                let mut object = json!({
                    "kind": row.kind.as_str(), "type": row.title, "name": row.name,
                    "action": row.action.as_str(), "body": row.body,
                });
                if let Action::Update(all) | Action::Differs(all) = row.action {
                    let all = all.iter();
                    let all = all.map(|c| json!({"path": c.path, "from": c.from, "to": c.to}));
                    object["changes"] = all.collect();
                }
                let result = match row.outcome {
                    None | Some(Outcome::Nothing) => return object,
                    Some(Outcome::Done(_)) => "done",
                    Some(Outcome::NotTried) => "not_tried",
                    Some(Outcome::Failed(problem)) => {
                        object["reason"] = problem.reason.clone().into();
                        "failed"
                    }
                };
                object["result"] = result.into();
                object
            })
            .collect();
        let findings: Vec<_> =
            self.findings().map(|f| json!({ "problem": f.problem, "cure": f.cure })).collect();
        let Server { product, version, licence, user, plugins, .. } = &self.plan.server;
        let mut object = json!({
            "server": {
                "url": self.url, "product": product.as_str(),
                "version": version.map(|version| version.to_string()), "licence": licence,
                "user": user, "plugins": plugins,
            },
            "steps": steps, "findings": findings, "dry_run": self.is_dry_run,
            "well": self.is_well(),
            "dashboards": self.boards.map(|boards| json!({
                "url": boards.url, "space": boards.space.as_deref().unwrap_or("default"),
                "workspace": boards.workspace,
                "product": boards.plan.product.map(saved_objects::title),
                "version": boards.plan.version.map(|version| version.to_string()),
            })),
            "alerts": self.alerts.map(|alerts| json!({
                "url": alerts.url, "what": alerts.title, "supported": !alerts.plan.is_unsupported,
            })),
        });
        match self.secret.filter(|_| self.saved.is_none()) {
            Some(NewSecret::Password { username, password }) => {
                object["username"] = (*username).into();
                object["password"] = password.reveal().unwrap_or_default().into();
            }
            Some(NewSecret::ApiKey(key)) => {
                object["api_key"] = key.reveal().unwrap_or_default().into();
            }
            None => (),
        }
        object
    }
}

/// What was found out about the server, on one line.
fn server(server: &Server, url: &str) -> String {
    let version = server.version.map_or("of unknown version".to_owned(), |v| v.to_string());
    let licence = server.licence.as_ref().map(|licence| format!(", licence {licence}"));
    let user = server.user.as_ref().map(|user| format!(", as user {user}"));
    let plugins = server.plugins.join(" ");
    let plugins = (!plugins.is_empty()).then(|| format!(", plugins {plugins}"));
    format!(
        "{} {version} at {url}{}{}{}",
        server.product.title(),
        licence.unwrap_or_default(),
        user.unwrap_or(", without users".to_owned()),
        plugins.unwrap_or_default()
    )
}

/// Steps as lines. Of a long run of the same sort there is one line with their number.
fn listed(rows: &[Row<'_>], has_colours: bool) -> String {
    let mut text = String::new();
    for rows in rows.chunk_by(|a, b| a.title == b.title && line(a) == line(b)) {
        let Some(first) = rows.first() else { continue };
        let Line { sign, colour, why } = line(first);
        let why = if why.is_empty() { why } else { format!(": {}", shown(&why)) };
        let sign = painted(&sign.to_string(), colour, has_colours);
        // What is nowhere needs no list.
        let most = if *first.action == Action::NoApi { 1 } else { LINES_MAX };
        if rows.len() > most {
            let (count, title) = (rows.len(), first.title);
            let _ = writeln!(text, "  {sign} {count} of {title}{why} (--json lists them)");
            continue;
        }
        for row in rows {
            let _ = writeln!(text, "  {sign} {} {}{why}", row.title, shown(row.name));
            text.push_str(&changes(row.action));
        }
    }
    text
}

/// Sign and reason of a step.
fn line(row: &Row<'_>) -> Line {
    const GREEN: &str = "32";
    const YELLOW: &str = "33";
    const RED: &str = "31";
    let new = |sign, colour, why: &str| Line { sign, colour, why: why.to_owned() };
    match row.outcome {
        Some(Outcome::Failed(problem)) => return new('x', RED, &problem.reason),
        Some(Outcome::NotTried) => return new('x', RED, "not tried after the failure above"),
        _ => (),
    }
    match row.action {
        Action::Create => new('+', GREEN, ""),
        Action::Update(_) => new('~', YELLOW, ""),
        Action::Remove => new('-', RED, ""),
        Action::Unchanged | Action::Absent => new('=', "", ""),
        Action::Differs(_) => new('!', YELLOW, "differs and stays"),
        Action::Newer(version) => {
            new('!', YELLOW, &format!("version {version} of a newer lbproxy stays"))
        }
        Action::Foreign => new('!', YELLOW, "somebody else's stays"),
        Action::Conflict => new('!', YELLOW, "cannot stand beside somebody else's"),
        Action::InUse(streams) => {
            new('!', YELLOW, &format!("stays as long as {}", streams.join(", ")))
        }
        Action::NoApi => new('!', YELLOW, "this server has no such things"),
        Action::MayNotLook(_) => new('!', YELLOW, "the credentials may not see it"),
    }
}

/// The differences of a step, one on a line.
fn changes(action: &Action) -> String {
    let (Action::Update(all) | Action::Differs(all)) = action else { return String::new() };
    let mut text = String::new();
    for Change { path, from, to } in all.iter().take(CHANGES_MAX) {
        let in_short = |value: &Option<String>| {
            value.as_ref().map_or("nothing".to_owned(), |value| {
                let mut short: String = value.chars().take(VALUE_CHARS_MAX).collect();
                if short.len() < value.len() {
                    short.push('…');
                }
                shown(&short)
            })
        };
        let path = shown(path);
        let _ = writeln!(text, "      {path}: {} -> {}", in_short(from), in_short(to));
    }
    if all.len() > CHANGES_MAX {
        let _ = writeln!(text, "      and {} more (--json shows all)", all.len() - CHANGES_MAX);
    }
    text
}

/// Words that may be a server's: on one line, and without power over a terminal.
fn shown(words: &str) -> String {
    visible(words.as_bytes()).to_string()
}

/// A text in a colour.
fn painted(text: &str, colour: &str, has_colours: bool) -> String {
    if has_colours && !colour.is_empty() {
        format!("\u{1b}[{colour}m{text}\u{1b}[0m")
    } else {
        text.to_owned()
    }
}
