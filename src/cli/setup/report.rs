//! What `lbproxy setup` prints: the server, each step with its differences, what a person has to
//! mend, and the sum.
//!
//! ```text
//! + made   ~ changed   - removed   = as it should be   ! stays, and why   x failed
//! ```
//! Not here: doing any of it.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::elk::installer::{NewSecret, Outcome, Plan, Step};
use crate::elk::plan::{Action, Change};
use crate::elk::server::Server;

/// Differences of one artefact that are shown; the rest is counted.
const CHANGES_MAX: usize = 12;
/// Most characters of a value in a difference.
const VALUE_CHARS_MAX: usize = 80;

/// What there is to tell.
#[derive(Debug)]
pub(super) struct Report<'a> {
    /// Address of the server.
    pub(super) url: &'a str,
    /// What was planned.
    pub(super) plan: &'a Plan,
    /// What came of it, step by step; nothing when it was not tried.
    pub(super) outcomes: &'a [Outcome],
    /// Whether it was only to be shown.
    pub(super) is_dry_run: bool,
    /// Whether things were to go.
    pub(super) is_removal: bool,
    /// A secret that came into being.
    pub(super) secret: Option<&'a NewSecret>,
    /// The file that it is in.
    pub(super) saved: Option<&'a str>,
}

/// How a step stands in the list.
struct Line {
    /// Its sign.
    sign: char,
    /// Colour of the sign on a terminal.
    colour: &'static str,
    /// Why it is so, where that is not plain.
    why: String,
}

impl Report<'_> {
    /// Whether everything is as it should be now, or would be.
    pub(super) fn is_well(&self) -> bool {
        let is_whole = !self.outcomes.iter().any(|outcome| matches!(outcome, Outcome::Failed(_)));
        self.plan.findings.is_empty() && is_whole
    }

    /// Steps with what came of them.
    fn steps(&self) -> impl Iterator<Item = (&Step, Option<&Outcome>)> {
        let outcomes = self.outcomes.iter().map(Some).chain(std::iter::repeat(None));
        self.plan.steps.iter().zip(outcomes)
    }

    /// For people.
    pub(super) fn text(&self, has_colours: bool) -> String {
        let mut text = format!("server   {}\n", server(&self.plan.server, self.url));
        for (step, outcome) in self.steps() {
            let Line { sign, colour, why } = line(step, outcome);
            let (title, name) = (step.artefact.api.title(), &step.artefact.name);
            let why = if why.is_empty() { why } else { format!(": {why}") };
            let sign = painted(&sign.to_string(), colour, has_colours);
            let _ = writeln!(text, "  {sign} {title} {name}{why}");
            text.push_str(&changes(&step.action));
        }
        for finding in &self.plan.findings {
            let mark = painted("finding", "33", has_colours);
            let _ = writeln!(text, "{mark}  {}; {}", finding.problem, finding.cure);
        }
        text.push_str(&self.credentials());
        text + &self.sum() + "\n"
    }

    /// The new secret, or where it is.
    fn credentials(&self) -> String {
        let Some(secret) = self.secret else { return String::new() };
        let (lines, key, value) = match secret {
            NewSecret::Password { username, password } => {
                (format!("           username: {username}\n"), "password", password)
            }
            NewSecret::ApiKey(key) => (String::new(), "api_key", key),
        };
        let head = "for shipping, below telemetry.elasticsearch";
        if let Some(path) = self.saved {
            return format!("secret   {head}:\n{lines}           {key}_file: {path}\n");
        }
        let value = value.reveal().unwrap_or_default();
        let once = "it is not shown again; keep it in a file and name that";
        format!("secret   {head} ({once}):\n{lines}           {key}: {value}\n")
    }

    /// The last line.
    fn sum(&self) -> String {
        let count = |is: &dyn Fn(&Action) -> bool| {
            self.plan.steps.iter().filter(|step| is(&step.action)).count()
        };
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
            let rest = self.plan.steps.len() - fine;
            let rest =
                if rest == 0 { String::new() } else { format!(", {rest} left, as said above") };
            return format!("nothing to do: {fine} {what}{rest}");
        }
        if self.is_dry_run {
            return made("dry run");
        }
        let ended = |is: fn(&Outcome) -> bool| self.outcomes.iter().filter(|one| is(one)).count();
        let done = ended(|outcome| matches!(outcome, Outcome::Done(_)));
        let failed = ended(|outcome| matches!(outcome, Outcome::Failed(_)));
        if failed > 0 {
            let left = ended(|outcome| matches!(outcome, Outcome::NotTried));
            return format!(
                "NOT COMPLETE: {done} of {planned} changes done, {failed} failed, {left} not tried; \
                 mend it and run this again"
            );
        }
        let word = if self.is_removal { "removed" } else { "put in place" };
        format!("done: {done} {word}, {} left as they were", self.plan.steps.len() - done)
    }

    /// For programs.
    pub(super) fn json(&self) -> Value {
        let steps: Vec<_> = self
            .steps()
            .map(|(step, outcome)| {
                let mut object = json!({
                    "kind": step.artefact.kind.as_str(), "type": step.artefact.api.title(),
                    "name": step.artefact.name, "action": step.action.as_str(),
                    "body": step.artefact.body,
                });
                if let Action::Update(all) | Action::Differs(all) = &step.action {
                    let all = all.iter();
                    let all = all.map(|c| json!({"path": c.path, "from": c.from, "to": c.to}));
                    object["changes"] = all.collect();
                }
                let result = match outcome {
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
        let findings = self.plan.findings.iter();
        let findings: Vec<_> =
            findings.map(|f| json!({ "problem": f.problem, "cure": f.cure })).collect();
        let Server { product, version, licence, user, plugins } = &self.plan.server;
        let mut object = json!({
            "server": {
                "url": self.url, "product": product.as_str(),
                "version": version.map(|version| version.to_string()), "licence": licence,
                "user": user, "plugins": plugins,
            },
            "steps": steps, "findings": findings, "dry_run": self.is_dry_run,
            "well": self.is_well(),
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

/// Sign and reason of a step.
fn line(step: &Step, outcome: Option<&Outcome>) -> Line {
    const GREEN: &str = "32";
    const YELLOW: &str = "33";
    const RED: &str = "31";
    let new = |sign, colour, why: &str| Line { sign, colour, why: why.to_owned() };
    match outcome {
        Some(Outcome::Failed(problem)) => return new('x', RED, &problem.reason),
        Some(Outcome::NotTried) => return new('x', RED, "not tried after the failure above"),
        _ => (),
    }
    match &step.action {
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
        let shown = |value: &Option<String>| {
            value.as_ref().map_or("nothing".to_owned(), |value| {
                let mut shown: String = value.chars().take(VALUE_CHARS_MAX).collect();
                if shown.len() < value.len() {
                    shown.push('…');
                }
                shown
            })
        };
        let _ = writeln!(text, "      {path}: {} -> {}", shown(from), shown(to));
    }
    if all.len() > CHANGES_MAX {
        let _ = writeln!(text, "      and {} more (--json shows all)", all.len() - CHANGES_MAX);
    }
    text
}

/// A text in a colour.
fn painted(text: &str, colour: &str, has_colours: bool) -> String {
    if has_colours && !colour.is_empty() {
        format!("\u{1b}[{colour}m{text}\u{1b}[0m")
    } else {
        text.to_owned()
    }
}
