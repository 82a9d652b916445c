//! Users whose passwords are given, where a Secret of Kubernetes or a file has them before the server does:
//! those of lbproxy, which are made or changed, and `kibana_system`, which Elasticsearch has of its own.
//!
//! A password is tried before it is set, so that a second run changes nothing, and one that was changed in its
//! file reaches the server. Not here: passwords that lbproxy makes (`secret`).

use serde_json::json;

use super::artefact::{self, Artefact, Request};
use super::client::Client;
use super::findings::{self, Finding};
use super::installer::{ask, look, must};
use super::plan::{self, Action, Change, Mode};
use super::problem::{Fault, Problem};
use super::{Product, access, secret};
use crate::config::Secret;
use crate::web::Secrets;

/// A user that can be given a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GivenUser {
    /// Ships records.
    Shipping,
    /// Evaluates objectives over all instances.
    Watch,
    /// Kibana's own.
    Kibana,
}

impl GivenUser {
    pub(crate) const ALL: [Self; 3] = [Self::Shipping, Self::Watch, Self::Kibana];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Shipping => access::USER,
            Self::Watch => access::WATCH_USER,
            Self::Kibana => "kibana_system",
        }
    }

    /// What people call it.
    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::Shipping | Self::Watch => "user",
            Self::Kibana => "built-in user",
        }
    }

    /// What it is to be, where it is made.
    pub(crate) fn artefact(self, product: Product) -> Option<Artefact> {
        let role = match self {
            Self::Shipping => access::ROLE,
            Self::Watch => access::WATCH_ROLE,
            Self::Kibana => return None,
        };
        Some(artefact::user(product, self.name(), role))
    }
}

/// Looks at a user, as an administrator and as the user itself; changes nothing.
///
/// # Errors
/// No answer, or rights that do not suffice.
pub(crate) async fn survey(
    admin: &Client,
    itself: &Client,
    user: GivenUser,
    product: Product,
) -> Result<Action, Problem> {
    let action = match user.artefact(product) {
        Some(wanted) => plan::action(&wanted, &look(admin, &wanted).await?, Mode::Setup, &[]),
        None if product == Product::OpenSearch => Action::NoApi,
        None => Action::Unchanged,
    };
    let mut changes = match action {
        Action::Unchanged => Vec::new(),
        Action::Update(changes) => changes,
        other => return Ok(other),
    };
    match ask(itself, &Request::new("GET", artefact::who_am_i(product).0)).await {
        Ok((reply, _)) if reply.status == 404 => return Ok(Action::NoApi),
        Ok(_) => (),
        Err(problem) if problem.is_no_such_api() => return Ok(Action::NoApi),
        Err(problem) if problem.fault == Fault::Unauthorized => changes.push(Change {
            path: "password".to_owned(),
            from: Some("another".to_owned()),
            to: Some("the one in its file".to_owned()),
        }),
        Err(problem) => return Err(problem),
    }
    Ok(if changes.is_empty() { Action::Unchanged } else { Action::Update(changes) })
}

/// Makes a user, or changes it.
///
/// # Errors
/// What the server says, without the password.
pub(crate) async fn apply(
    admin: &Client,
    user: GivenUser,
    password: &Secret,
    product: Product,
) -> Result<(), Problem> {
    let unread = |error| Problem::new(Fault::Refused, format!("its file cannot be read: {error}"));
    let password = password.reveal().map_err(unread)?;
    let told = if let Some(wanted) = user.artefact(product) {
        let mut body = wanted.body.clone();
        body["password"] = password.as_str().into();
        secret::made(admin, &wanted, body).await.map(drop)
    } else {
        let path = format!("/_security/user/{}/_password", user.name());
        let request = Request::new("POST", path).with(json!({ "password": password }));
        must(admin, &request).await.map(drop)
    };
    told.map_err(|problem| {
        let reason = Secrets::default().and([password]).mask(&problem.reason);
        Problem { reason, ..problem }
    })
}

/// What a person has to know where a user cannot be given its password.
pub(crate) fn finding(user: GivenUser, action: &Action, product: Product) -> Option<Finding> {
    let name = user.name();
    let (problem, cure) = match action {
        Action::NoApi if product == Product::OpenSearch && user == GivenUser::Kibana => (
            format!("{name} is a user of Elasticsearch, and this is OpenSearch"),
            format!(
                "leave out --user {name}; its internal_users.yml has the user of the dashboards"
            ),
        ),
        Action::NoApi => (
            format!("user {name} cannot have a password: security is off"),
            format!("switch it on, or leave out --user {name}"),
        ),
        Action::MayNotLook(reason) => (
            format!("whether there is a user {name} may not be seen: {reason}"),
            findings::ASK_AN_ADMINISTRATOR.to_owned(),
        ),
        _ => return findings::of_step(&user.artefact(product)?, action),
    };
    Some(Finding::new(problem, cure))
}
