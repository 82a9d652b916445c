//! Puts the boards into Kibana or OpenSearch Dashboards, or takes them away.
//!
//! ```text
//! boards ─► object: marked ─┐
//!          server ─► survey ┴─► what is to be done ─► apply: import ─► answer
//! ```
//! Another server than the one that stores the documents, so what is wrong with it is a finding and
//! leaves the rest of set-up alone. Only what differs is imported; what is not marked as ours is never
//! overwritten or deleted, nor what a newer lbproxy has put. What an older one has put and this one has no
//! more goes, after the rest has been imported. Not here: the boards (`boards`), printing (`cli::setup`).

mod answer;
mod object;
mod workspace;

use elasticsearch::http::Method;
use serde_json::{Value, json};

use super::client::{Call, Client, Reply};
use super::findings::{ASK_AN_ADMINISTRATOR, Finding, and_more};
use super::installer::Outcome;
use super::plan::{Action, Mode};
use super::problem::{Fault, Problem};
use super::server::Version;
use super::{Product, boards};
use crate::slo::Targets;
use answer::Imported;
pub(crate) use object::Object;

/// Most imports of one run: each leaves out what failed in the one before.
const IMPORTS_MAX: usize = 4;
/// Between the parts of a form. No line of JSON begins with it.
const BOUNDARY: &str = "lbproxy-saved-objects";
/// Objects that are asked for at once when looking for those of an older lbproxy, and most of such pages.
const PAGE: usize = 500;
/// See [`PAGE`].
const PAGES_MAX: usize = 20;
/// What is looked for there, besides the types.
const FIND: &str =
    "fields=description&search_fields=description&search=%22managed%20by%20lbproxy%22";
/// Where the address comes from.
const URL_KEYS: &str = "telemetry.elasticsearch.dashboards.url or --dashboards-url";

#[derive(Debug, Clone, Copy)]
pub(crate) struct Target<'a> {
    pub(crate) client: &'a Client,
    /// Kibana's space or OpenSearch Dashboards' tenant; the default one when absent.
    pub(crate) space: Option<&'a str>,
    /// Id of OpenSearch Dashboards' workspace; outside of all of them when absent.
    pub(crate) workspace: Option<&'a str>,
    /// What stores the documents, and thereby which dashboards are wanted.
    pub(crate) product: Product,
    /// What the boards are held against.
    pub(crate) targets: Targets,
}

/// One object and what is to be done about it.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) object: Object,
    /// What is to be done.
    pub(crate) action: Action,
}

/// What is to be done, in order.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    /// Which dashboards answer; `None` when they do not say.
    pub(crate) product: Option<Product>,
    pub(crate) version: Option<Version>,
    pub(crate) steps: Vec<Step>,
    /// What a person has to know or mend.
    pub(crate) findings: Vec<Finding>,
}

/// The name of a product's dashboards.
pub(crate) const fn title(product: Product) -> &'static str {
    match product {
        Product::Elasticsearch => "Kibana",
        Product::OpenSearch => "OpenSearch Dashboards",
    }
}

impl Target<'_> {
    /// Whether it is ready to answer.
    ///
    /// # Errors
    /// Why it does not: it starts, or the credentials do not suffice.
    pub(crate) async fn answers(&self) -> Result<(), Problem> {
        self.ask(Method::Get, STATUS, Body::None).await.map(drop)
    }

    /// Where a part of the API is: Kibana has a space in the path, OpenSearch Dashboards a workspace.
    pub(super) fn path(&self, rest: &str) -> String {
        match (self.product, self.space, self.workspace) {
            (Product::Elasticsearch, Some(space), _) => format!("/s/{space}/api/{rest}"),
            (Product::OpenSearch, _, Some(workspace)) => format!("/w/{workspace}/api/{rest}"),
            _ => format!("/api/{rest}"),
        }
    }

    /// Sends a request; its answer as JSON, or null for what is none.
    pub(super) async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Body,
    ) -> Result<(Reply, Value), Problem> {
        let (content, body) = match body {
            Body::None => (String::new(), String::new()),
            Body::Json(body) => (String::new(), body.to_string()),
            Body::Form(body) => (format!("multipart/form-data; boundary={BOUNDARY}"), body),
        };
        let mut fields = match self.product {
            Product::Elasticsearch => vec![("kbn-xsrf", "true")],
            Product::OpenSearch => vec![("osd-xsrf", "true")],
        };
        if let Some(tenant) = self.space.filter(|_| self.product == Product::OpenSearch) {
            fields.push(("securitytenant", tenant));
        }
        let call = Call { body: body.into(), content: &content, fields: &fields, opaque_id: "" };
        let reply = self.client.call(method, path, call).await?;
        let answer = serde_json::from_slice(&reply.body).unwrap_or_default();
        Ok((reply, answer))
    }
}

/// Where dashboards say how they are.
const STATUS: &str = "/api/status";

/// The body of a request.
pub(super) enum Body {
    None,
    Json(Value),
    /// A form, whole.
    Form(String),
}

/// Reads what is there; changes nothing. What keeps it from that is a finding.
pub(crate) async fn survey(target: Target<'_>, mode: Mode) -> Plan {
    let mut plan = Plan::default();
    if let Err(finding) = look(target, mode, &mut plan).await {
        plan.findings.push(finding);
    }
    plan
}

/// Reads what is there into a plan.
async fn look(target: Target<'_>, mode: Mode, plan: &mut Plan) -> Result<(), Finding> {
    identify(target, plan).await?;
    workspace::check(target, mode).await?;
    plan.steps = steps(target, mode).await?;
    plan.findings.extend(of_steps(&plan.steps, target.product));
    Ok(())
}

/// Asks which dashboards answer, into a plan; those that cannot be used are a finding.
pub(super) async fn identify(target: Target<'_>, plan: &mut Plan) -> Result<(), Finding> {
    let url = target.client.url();
    let (_, status) = match target.ask(Method::Get, STATUS, Body::None).await {
        Err(problem) if problem.is_no_such_api() => return Err(not_dashboards(url)),
        answered => answered.map_err(|problem| unasked(url, &problem))?,
    };
    let product = product(&status).ok_or_else(|| not_dashboards(url))?;
    plan.product = Some(product);
    plan.version = status["version"]["number"].as_str().and_then(Version::parse);
    let (is, wanted) = (title(product), title(target.product));
    if product != target.product {
        let problem = format!("{url} is {is}, but the documents are on {}", target.product.title());
        return Err(Finding::new(problem, format!("name the address of {wanted} in {URL_KEYS}")));
    }
    if status["version"]["build_flavor"] == "serverless" {
        return Err(closed(url));
    }
    let oldest = boards::OLDEST.iter().find(|(known, _)| *known == product);
    let oldest = oldest.and_then(|(_, oldest)| Version::parse(oldest));
    if let (Some(version), Some(oldest)) = (plan.version, oldest)
        && version < oldest
    {
        let problem = format!("{is} {version} is too old for the boards");
        return Err(Finding::new(problem, format!("upgrade it to {oldest} or newer")));
    }
    Ok(())
}

/// Compares each object with what is there.
async fn steps(target: Target<'_>, mode: Mode) -> Result<Vec<Step>, Finding> {
    let url = target.client.url();
    let objects = object::all(target.product, &target.targets);
    let fields = object::asked(target.product);
    let asked =
        objects.iter().map(|own| json!({ "type": own.kind, "id": own.id, "fields": fields }));
    // Not below a workspace, where newer versions hide what is in another.
    let path = Target { workspace: None, ..target }.path("saved_objects/_bulk_get");
    let (reply, answer) = target
        .ask(Method::Post, &path, Body::Json(asked.collect()))
        .await
        .map_err(|problem| unasked(url, &problem))?;
    let Some(found) = answer["saved_objects"].as_array() else {
        let place = target.space.map_or(String::new(), |space| format!(" in the space {space}"));
        let problem = format!("{url} shows no saved objects{place} (status {})", reply.status);
        let cure = "create that space, or name one that is there with \
                    telemetry.elasticsearch.dashboards.space or --space";
        return Err(Finding::new(problem, cure));
    };
    workspace::is_here(target, mode, found)?;
    let unanswered = json!({ "error": { "statusCode": 0, "message": "the answer lacks it" } });
    let action = |object: Object| {
        let is_it = |one: &&Value| one["type"] == object.kind && one["id"] == object.id;
        let action = object.action(found.iter().find(is_it).unwrap_or(&unanswered), mode);
        Step { object, action }
    };
    let mut steps: Vec<_> = objects.into_iter().map(action).collect();
    let newest = steps.iter().filter_map(|step| match step.action {
        Action::Newer(revision) => Some(revision),
        _ => None,
    });
    if let Some(newest) = newest.max() {
        // What is missing beside a newer lbproxy's boards may be what it has taken away.
        for step in steps.iter_mut().filter(|step| step.action == Action::Create) {
            step.action = Action::Newer(newest);
        }
    }
    let left_over = left_over(target, &steps).await?;
    steps.extend(left_over.into_iter().map(|object| Step { object, action: Action::Remove }));
    if mode == Mode::Remove {
        steps.reverse();
    }
    Ok(steps)
}

/// What an older lbproxy has put and this one has no more.
async fn left_over(target: Target<'_>, steps: &[Step]) -> Result<Vec<Object>, Finding> {
    let wanted: Vec<_> = steps.iter().map(|step| step.object.clone()).collect();
    let mut found = Vec::new();
    for page in 1..=PAGES_MAX {
        let types = object::left(target.product).join("&type=");
        let query = format!("{FIND}&type={types}&per_page={PAGE}&page={page}");
        let path = target.path(&format!("saved_objects/_find?{query}"));
        let url = target.client.url();
        let (_, answer) = target
            .ask(Method::Get, &path, Body::None)
            .await
            .map_err(|problem| unasked(url, &problem))?;
        let listed = answer["saved_objects"].as_array().map_or(&[][..], Vec::as_slice);
        found.extend(
            listed.iter().filter_map(|one| Object::left_over(target.product, one, &wanted)),
        );
        if listed.len() < PAGE {
            break;
        }
    }
    found.sort_by(|one, other| other.rank().cmp(&one.rank()).then_with(|| one.id.cmp(&other.id)));
    Ok(found)
}

/// Which dashboards answer so to `GET /api/status`.
fn product(status: &Value) -> Option<Product> {
    let overall = &status["status"]["overall"];
    let parts = status["status"]["statuses"].as_array().into_iter().flatten();
    let mut parts = parts.filter_map(|part| part["id"].as_str());
    // Kibana 7 has colours too, but says what stores its documents.
    if overall["level"].is_string() || parts.any(|id| id.starts_with("core:elasticsearch")) {
        Some(Product::Elasticsearch)
    } else {
        overall["state"].is_string().then_some(Product::OpenSearch)
    }
}

/// Something else answers.
fn not_dashboards(url: &str) -> Finding {
    let problem = format!("{url} is neither Kibana nor OpenSearch Dashboards");
    Finding::new(
        problem,
        format!("name the address of one in {URL_KEYS}; its port is 5601 as a rule"),
    )
}

/// Saved objects are not for programs there.
fn closed(url: &str) -> Finding {
    let problem =
        format!("{url} is of Elastic Serverless or set so, and shows programs no saved objects");
    let cure = "import dashboards/kibana/lbproxy.ndjson there by hand, under Saved Objects";
    Finding::new(problem, cure)
}

/// Nothing that can be used is answered.
fn unasked(url: &str, problem: &Problem) -> Finding {
    if problem.reason.contains("not available with the current configuration") {
        return closed(url);
    }
    let cure = match problem.fault {
        Fault::Unauthorized => {
            "correct the credentials of telemetry.elasticsearch.dashboards, or give --username and \
             --password-file"
                .to_owned()
        }
        Fault::Forbidden => ASK_AN_ADMINISTRATOR.to_owned(),
        Fault::NotSent => format!("start it, or correct {URL_KEYS}"),
        Fault::Overloaded => "wait until it is ready, and run this again".to_owned(),
        _ => "see its log, and run this again".to_owned(),
    };
    Finding::new(format!("the boards stay as they are: {url}: {}", problem.reason), cure)
}

/// What the steps have found.
fn of_steps(steps: &[Step], product: Product) -> Vec<Finding> {
    let first = |is: fn(&Action) -> bool| {
        let mut all = steps.iter().filter(|step| is(&step.action));
        let first = all.next()?;
        let more = and_more(all.count());
        let name = format!("{} {}", first.object.type_title(product), first.object.id);
        Some((format!("{name}{more}"), &first.action))
    };
    let foreign = first(|action| *action == Action::Foreign).map(|(names, _)| {
        let cure = "rename or delete it under Saved Objects, then run this again; ours says that it \
                    is managed by lbproxy";
        Finding::new(format!("{names}: somebody else's, and stays as it is"), cure)
    });
    let hidden = first(|action| matches!(action, Action::MayNotLook(_)));
    let hidden = hidden.and_then(|(names, action)| match action {
        Action::MayNotLook(reason) => {
            let problem = format!("the credentials may not see {names}: {reason}");
            Some(Finding::new(problem, ASK_AN_ADMINISTRATOR))
        }
        _ => None,
    });
    let newer = first(|action| matches!(action, Action::Newer(_))).map(|(names, _)| {
        let problem = format!("{names}: of a newer lbproxy, and left alone");
        Finding::new(
            problem,
            "set the boards up with the newest lbproxy that writes to this server",
        )
    });
    foreign.into_iter().chain(hidden).chain(newer).collect()
}

/// Carries out a plan: one outcome for each step, and what else is to be said.
pub(crate) async fn apply(target: Target<'_>, plan: &Plan) -> (Vec<Outcome>, Vec<Finding>) {
    let mut outcomes: Vec<_> = plan.steps.iter().map(|_| Outcome::Nothing).collect();
    let mut findings = Vec::new();
    let mut imports = Vec::new();
    for (place, (step, outcome)) in plan.steps.iter().zip(&mut outcomes).enumerate() {
        if step.action.is_change() {
            *outcome = Outcome::NotTried;
        }
        if matches!(step.action, Action::Create | Action::Update(_)) {
            imports.push(place);
        }
    }
    for _ in 0..IMPORTS_MAX {
        if imports.is_empty() {
            break;
        }
        let objects: Vec<_> = imports.iter().map(|&place| &plan.steps[place].object).collect();
        match import(target, &objects).await {
            Err(problem) => {
                outcomes[imports[0]] = Outcome::Failed(problem);
                break;
            }
            Ok(imported) => {
                findings.extend(moved(&imported));
                let before = imports.len();
                imports.retain(|&place| {
                    let outcome = outcome(&imported, &plan.steps[place].object);
                    let is_waiting = matches!(outcome, Outcome::NotTried);
                    outcomes[place] = outcome;
                    is_waiting
                });
                // The rest, unless what holds it back cannot be told.
                if imports.len() == before {
                    break;
                }
            }
        }
    }
    // What is to go may still be on a board that could not be imported.
    let has_failed = |outcome: &Outcome| matches!(outcome, Outcome::Failed(_));
    if !outcomes.iter().any(has_failed) {
        for (step, outcome) in plan.steps.iter().zip(&mut outcomes) {
            if step.action == Action::Remove {
                *outcome = delete(target, &step.object).await;
            }
        }
    }
    (outcomes, findings)
}

/// What an import has done with an object; [`Outcome::NotTried`] when others have held it back.
fn outcome(imported: &Imported, object: &Object) -> Outcome {
    let failed = |reason: &str| Outcome::Failed(Problem::new(Fault::Refused, reason));
    match imported.error(object) {
        Some(reason) => failed(reason),
        None if imported.is_held_back => Outcome::NotTried,
        None if imported.has(object) => Outcome::Done(None),
        None => failed("the server does not say what became of it; run this again"),
    }
}

/// Imports objects. Only they are overwritten, so what came into being since the survey is not safe:
/// the API has no finer grain.
///
/// # Errors
/// What the server says of the import as a whole.
async fn import(target: Target<'_>, objects: &[&Object]) -> Result<Imported, Problem> {
    let lines: String = objects.iter().map(|object| object.body.to_string() + "\n").collect();
    let form = format!(
        "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"lbproxy.ndjson\"\r\n\
         Content-Type: application/ndjson\r\n\r\n{lines}\r\n--{BOUNDARY}--\r\n"
    );
    let path = target.path("saved_objects/_import?overwrite=true");
    let (reply, answer) = target.ask(Method::Post, &path, Body::Form(form)).await?;
    Imported::read(&answer, target.product).ok_or_else(|| {
        let reason = format!("what the server answers ({}) is not about an import", reply.status);
        Problem::new(Fault::Unknown, reason)
    })
}

/// Deletes an object; one that is not there any more is fine.
async fn delete(target: Target<'_>, object: &Object) -> Outcome {
    let path = target.path(&format!("saved_objects/{}", object.path()));
    match target.ask(Method::Delete, &path, Body::None).await {
        Ok(_) => Outcome::Done(None),
        Err(problem) => Outcome::Failed(problem),
    }
}

/// Objects that got another id, because theirs is taken in another space.
fn moved(imported: &Imported) -> Option<Finding> {
    let mut moved = imported.moved();
    let (id, other) = moved.next()?;
    let more = moved.count();
    let problem =
        format!("{id} is taken in another space; here it is {other} ({more} more like it)");
    let cure = "links between the boards do not lead there: install them in one space, and share or \
                copy them from it";
    Some(Finding::new(problem, cure))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_says_which_dashboards_answer() {
        let kibana = json!({"status": {"overall": {"level": "available"}}});
        let old = json!({"status": {"overall": {"state": "green"},
                                    "statuses": [{"id": "core:elasticsearch@7.17.9"}]}});
        let open = json!({"status": {"overall": {"state": "green"},
                                     "statuses": [{"id": "core:opensearch@2.19.4"}]}});
        for (name, status, want) in [
            ("Kibana", kibana, Some(Product::Elasticsearch)),
            ("Kibana 7", old, Some(Product::Elasticsearch)),
            ("OpenSearch Dashboards", open, Some(Product::OpenSearch)),
            ("a web page", Value::Null, None),
            ("another API", json!({"status": "ok"}), None),
        ] {
            assert_eq!(product(&status), want, "{name}");
        }
    }
}
