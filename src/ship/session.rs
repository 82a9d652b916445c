//! Before the first batch, and again after a connection was lost: which product answers, and is what
//! documents need there? Without the index templates the first document would make a plain index
//! with guessed types instead of a data stream: then records wait, also where nothing is to be put in
//! place (`docs/adr/012-no-stream-with-guessed-types.md`).
//!
//! What is missing or older is put in place, unless the configuration says otherwise: at the start, and
//! again when a stream turns out to be without its template. Credentials
//! that may do nothing but ship are no fault: then an operator has run `lbproxy setup`. Not here:
//! what is put, and how (`elk`).

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, OnceLock};

use tokio::sync::Mutex;
use tracing::Instrument as _;

use crate::config::{Retention, Setup};
use crate::elk::Product;
use crate::elk::access::Rights;
use crate::elk::artefact::Kind;
use crate::elk::client::Client;
use crate::elk::installer::{self, Options, Step};
use crate::elk::mapping::{self, Mapping};
use crate::elk::plan::{Action, Mode};
use crate::elk::problem::{Fault, Problem};
use crate::record::Dataset;

/// What was found out about the server.
#[derive(Debug)]
pub(super) struct Session {
    /// Whether anything is put in place.
    setup: Setup,
    /// How long documents are kept.
    retention: Retention,
    /// The product, once the templates were seen to.
    ready: Mutex<Option<Product>>,
    /// The first one, for others.
    first: Arc<OnceLock<Product>>,
    /// Last part of the streams' names.
    namespace: String,
    /// Datasets whose streams have types.
    mapped: RefCell<HashSet<Dataset>>,
    /// What was told last of each node, stream and artefact, however often the server is asked.
    told: RefCell<HashMap<String, String>>,
}

impl Session {
    /// A session in which nothing was found out yet.
    pub(super) fn new(
        setup: Setup,
        retention: Retention,
        first: Arc<OnceLock<Product>>,
        namespace: &str,
    ) -> Self {
        let namespace = namespace.to_owned();
        let (mapped, told) = (RefCell::default(), RefCell::default());
        Self { setup, retention, ready: Mutex::new(None), first, namespace, mapped, told }
    }

    /// Whether something else, or nothing, was told of this `subject` last. What a server says is never
    /// a subject: it could say something new each time.
    fn is_news(&self, subject: &str, what: &str) -> bool {
        let before = self.told.borrow_mut().insert(subject.to_owned(), what.to_owned());
        before.as_deref() != Some(what)
    }

    /// The next request finds out anew: the connection was lost, or a stream.
    pub(super) async fn forget(&self) {
        *self.ready.lock().await = None;
        self.mapped.borrow_mut().clear();
    }

    /// Sees to it that records can be sent. Costs nothing when that is known.
    pub(super) async fn ready(&self, client: &Client) -> Result<Product, Problem> {
        let mut ready = self.ready.lock().await;
        if let Some(product) = *ready {
            return Ok(product);
        }
        let span = tracing::info_span!("ship setup", "otel.status_code" = tracing::field::Empty);
        let result = self.set_up(client).instrument(span.clone()).await;
        match &result {
            Ok(product) => *ready = Some(*product),
            Err(_) => {
                span.record("otel.status_code", "ERROR");
            }
        }
        result
    }

    /// Sees to it that documents of these datasets get types that somebody chose. Costs nothing when
    /// that is known.
    ///
    /// # Errors
    /// What the server says, or that the types would be guessed.
    pub(super) async fn mapped(
        &self,
        client: &Client,
        datasets: impl Iterator<Item = Dataset>,
    ) -> Result<(), Problem> {
        for dataset in datasets {
            if self.mapped.borrow().contains(&dataset) {
                continue;
            }
            let stream = dataset.data_stream(&self.namespace);
            let mut found = mapping::of(client, dataset, &self.namespace).await?;
            if found == Mapping::Guessed && self.setup == Setup::OnStart {
                // Its template was there, and somebody has taken it away.
                self.forget().await;
                self.ready(client).await?;
                found = mapping::of(client, dataset, &self.namespace).await?;
            }
            match found {
                Mapping::Own => (),
                Mapping::Others(from) => {
                    if self.is_news(&stream, "mapped by others") {
                        tracing::warn!(
                            stream,
                            from,
                            "shipping: fields have the types that somebody else chose; boards need \
                             those of `lbproxy setup`, which says what is in their way"
                        );
                    }
                }
                Mapping::Unknown => {
                    tracing::debug!(stream, "shipping: cannot tell where its types come from");
                }
                Mapping::Guessed => {
                    let reason = format!(
                        "{stream} has no index template: its first document would make a plain index \
                         with guessed types"
                    );
                    let cure = "run `lbproxy setup --only templates`, or set \
                                telemetry.elasticsearch.setup to on_start, or put an index template of \
                                your own for that name";
                    return Err(Problem { cure, ..Problem::new(Fault::Blocked, reason) });
                }
            }
            self.mapped.borrow_mut().insert(dataset);
        }
        Ok(())
    }

    /// Finds out what the server is, and puts in place what is missing.
    async fn set_up(&self, client: &Client) -> Result<Product, Problem> {
        let kinds: &[_] = match self.setup {
            Setup::OnStart => &[Kind::Templates, Kind::Retention],
            Setup::Off => &[],
        };
        let options = Options {
            namespace: "",
            retention: &self.retention,
            credentials: &[],
            given: &[],
            rights: Rights::Lookup,
            kinds,
            mode: Mode::Start,
            datasets: &[],
            deletes_data: false,
        };
        let plan = installer::survey(client, options).await?;
        let product = plan.server.product;
        self.first.get_or_init(|| product);
        let version = plan.server.version.map_or("unknown".to_owned(), |v| v.to_string());
        let (product_name, url) = (product.as_str(), client.url());
        if self.is_news(url, &format!("{product_name} {version}")) {
            tracing::info!(product = product_name, version, url, "shipping to");
        }
        for step in &plan.steps {
            self.see_to(client, step).await?;
        }
        Ok(product)
    }

    /// Carries out one step, or says why it is left.
    ///
    /// # Errors
    /// What the server says, when documents cannot be sent without it.
    async fn see_to(&self, client: &Client, step: &Step) -> Result<(), Problem> {
        let (artefact, name) = (step.artefact.api.title(), step.artefact.name.as_str());
        let subject = format!("{artefact} {name}");
        match &step.action {
            Action::Create | Action::Update(_) => (),
            Action::Differs(_) if !self.is_news(&subject, "differs") => {
                return Ok(());
            }
            Action::Differs(changes) => {
                let (differences, first) =
                    (changes.len(), changes.first().map(|change| &change.path));
                tracing::info!(
                    artefact,
                    name,
                    differences,
                    first,
                    "shipping: differs from the configuration and stays; `lbproxy setup` changes it"
                );
                return Ok(());
            }
            Action::MayNotLook(reason) => {
                tracing::debug!(artefact, name, reason, "shipping: the credentials may not see it");
                return Ok(());
            }
            action => {
                tracing::debug!(
                    artefact,
                    name,
                    action = action.as_str(),
                    "shipping: left as it is"
                );
                return Ok(());
            }
        }
        match installer::carry_out(client, step).await {
            Ok(()) => tracing::info!(artefact, name, "shipping: put in place"),
            Err(problem) if is_needed(step, &problem) => {
                let reason = format!("{artefact} {name} cannot be put: {}", problem.reason);
                return Err(Problem { reason, ..problem });
            }
            Err(_) if !self.is_news(&subject, "cannot be put") => (),
            Err(problem) => tracing::warn!(
                artefact,
                name,
                reason = problem.reason,
                "shipping: cannot be put and is left; `lbproxy setup` tells more"
            ),
        }
        Ok(())
    }
}

/// Whether documents have to wait until somebody mends it: a missing template, or a server that
/// cannot be reached.
fn is_needed(step: &Step, problem: &Problem) -> bool {
    let is_for_good = matches!(problem.fault, Fault::Forbidden | Fault::Refused);
    let is_template = step.artefact.kind == Kind::Templates && step.action == Action::Create;
    !is_for_good || is_template
}
