//! Users whose passwords are given to `setup`: from which files, what is to be done, what came of it.
//!
//! Not here: how a password is tried and set (`elk::given`).

use std::path::PathBuf;

use crate::base::nearest::nearest;
use crate::cli::output::{UsageError, pair};
use crate::config::{Auth, Elasticsearch, Secret};
use crate::elk::Product;
use crate::elk::client::Client;
use crate::elk::findings::Finding;
use crate::elk::given::{self, GivenUser};
use crate::elk::installer::Outcome;
use crate::elk::plan::Action;
use crate::elk::problem::Problem;

/// For clap: a user and the file of its password.
pub(super) fn user(text: &str) -> Result<(GivenUser, PathBuf), String> {
    let (name, file) = pair(text, "write NAME=FILE, such as lbproxy=/run/secrets/shipping")?;
    let names = || GivenUser::ALL.map(GivenUser::name).into_iter();
    let user = GivenUser::ALL.into_iter().find(|user| user.name() == name).ok_or_else(|| {
        let hint = nearest(&name, names()).map(|known| format!("; did you mean {known}?"));
        let names: Vec<_> = names().collect();
        format!("write one of {}{}", names.join(", "), hint.unwrap_or_default())
    })?;
    Ok((user, file.into()))
}

/// One of them.
#[derive(Debug)]
pub(super) struct Given {
    pub(super) user: GivenUser,
    password: Secret,
    /// The server, asked as this user.
    itself: Client,
    /// What is to be done; `Unchanged` until it is looked at.
    pub(super) action: Action,
    /// What came of it; nothing when it was not tried.
    pub(super) outcome: Option<Outcome>,
}

/// Reads the files.
///
/// # Errors
/// A user that is named twice; a file that holds no password.
pub(super) fn open(
    named: &[(GivenUser, PathBuf)],
    server: &Elasticsearch,
) -> anyhow::Result<Vec<Given>> {
    let mut all: Vec<Given> = Vec::new();
    for (user, file) in named {
        let (user, name) = (*user, user.name());
        if all.iter().any(|one| one.user == user) {
            return Err(UsageError(format!("--user {name} stands twice; leave one out")).into());
        }
        let password = Secret::File(file.clone());
        let problem = match password.reveal() {
            Ok(text) if text.is_empty() => "is empty".to_owned(),
            Ok(_) => String::new(),
            Err(error) => format!("cannot be read: {error}"),
        };
        if !problem.is_empty() {
            let file = file.display();
            let text =
                format!("--user {name}={file}: the file {problem}; write the password into it");
            return Err(UsageError(text).into());
        }
        let auth = Auth::Basic { username: name.to_owned(), password: password.clone() };
        let itself = Client::new(&Elasticsearch { auth, ..server.clone() })?;
        all.push(Given { user, password, itself, action: Action::Unchanged, outcome: None });
    }
    Ok(all)
}

/// Looks at all of them; changes nothing. What a person has to know.
///
/// # Errors
/// No answer.
pub(super) async fn survey(
    all: &mut [Given],
    admin: &Client,
    product: Product,
) -> Result<Vec<Finding>, Problem> {
    let mut findings = Vec::new();
    for one in all {
        one.action = given::survey(admin, &one.itself, one.user, product).await?;
        findings.extend(given::finding(one.user, &one.action, product));
    }
    Ok(findings)
}

/// Gives those that `is_meant` their passwords, up to the first that fails.
pub(super) async fn apply(
    all: &mut [Given],
    admin: &Client,
    product: Product,
    is_meant: impl Fn(GivenUser) -> bool,
) {
    let mut has_failed = false;
    for one in all.iter_mut().filter(|one| is_meant(one.user)) {
        let outcome = if !one.action.is_change() {
            Outcome::Nothing
        } else if has_failed {
            Outcome::NotTried
        } else {
            let tried = given::apply(admin, one.user, &one.password, product).await;
            has_failed = tried.is_err();
            tried.map_or_else(Outcome::Failed, |()| Outcome::Done(None))
        };
        one.outcome = Some(outcome);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_one_of_three_and_has_a_file() {
        for (text, want) in [
            ("lbproxy=/run/s", Ok(GivenUser::Shipping)),
            ("lbproxy_watch=s", Ok(GivenUser::Watch)),
            ("kibana_system=a=b", Ok(GivenUser::Kibana)),
            ("elastic=s", Err("write one of lbproxy, lbproxy_watch, kibana_system")),
            ("kibana_sytem=s", Err("did you mean kibana_system?")),
            ("lbproxy=", Err("write NAME=FILE")),
            ("lbproxy", Err("write NAME=FILE")),
        ] {
            match (user(text), want) {
                (Ok((user, file)), Ok(want)) => {
                    assert_eq!(user, want, "{text}");
                    assert_eq!(file, PathBuf::from(text.split_once('=').unwrap().1), "{text}");
                }
                (Err(told), Err(want)) => assert!(told.contains(want), "{text}: {told}"),
                (got, want) => panic!("{text}: {got:?}, not {want:?}"),
            }
        }
    }
}
