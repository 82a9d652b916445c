//! Before the first batch, and again after a connection was lost: which product answers, and are the
//! index templates there? Without them the first document would make a plain index with guessed
//! types instead of a data stream.
//!
//! Not here: retention, dashboards, roles: what an operator installs once.

use elasticsearch::http::Method;
use serde_json::Value;
use tokio::sync::Mutex;
use tracing::Instrument as _;

use super::answer::{Fault, Problem};
use super::client::{Call, Client, Reply};
use crate::elk::{Product, templates, templates::Types};
use crate::record::Dataset;

/// What was found out about the server.
#[derive(Debug, Default)]
pub(super) struct Session {
    /// The product, once the templates were seen to.
    ready: Mutex<Option<Product>>,
}

impl Session {
    /// The next request finds out anew: the connection was lost.
    pub(super) async fn forget(&self) {
        *self.ready.lock().await = None;
    }

    /// Sees to it that records can be sent. Costs nothing when that is known.
    ///
    /// # Errors
    /// What the server says, or that it is another product.
    pub(super) async fn ready(&self, client: &Client) -> Result<Product, Problem> {
        let mut ready = self.ready.lock().await;
        if let Some(product) = *ready {
            return Ok(product);
        }
        let product = set_up(client).await?;
        *ready = Some(product);
        Ok(product)
    }
}

/// Finds out what the server is, and puts the templates that are missing.
///
/// # Errors
/// What the server says, or that it is another product.
async fn set_up(client: &Client) -> Result<Product, Problem> {
    let span = tracing::info_span!("ship setup", "otel.status_code" = tracing::field::Empty);
    let setting_up = async {
        let (product, version) = detect(client).await?;
        tracing::info!(product = product.as_str(), version, url = client.url(), "shipping to");
        for dataset in Dataset::ALL {
            template(client, product, dataset).await?;
        }
        Ok(product)
    };
    let result = setting_up.instrument(span.clone()).await;
    if result.is_err() {
        span.record("otel.status_code", "ERROR");
    }
    result
}

/// Asks what the server is. A build of Elasticsearch without `GET /` tells by a header.
///
/// # Errors
/// When it cannot be asked, or is neither.
async fn detect(client: &Client) -> Result<(Product, String), Problem> {
    let reply = match client.call(Method::Get, "/", Call::default()).await {
        Ok(reply) => reply,
        // Only a product with rights of its own answers so; what it is shows in the next answers.
        Err(problem) if matches!(problem.fault, Fault::Forbidden | Fault::Refused) => {
            client.call(Method::Get, &template_path(Dataset::Access), Call::default()).await?
        }
        Err(problem) => return Err(problem),
    };
    product(&reply).ok_or_else(|| {
        Problem::new(Fault::Refused, "the server is neither Elasticsearch nor OpenSearch")
    })
}

/// What an answer tells of its product and version.
fn product(reply: &Reply) -> Option<(Product, String)> {
    let body: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
    let version = body["version"]["number"].as_str().unwrap_or("unknown").to_owned();
    if body["version"]["distribution"] == "opensearch" {
        Some((Product::OpenSearch, version))
    } else if reply.is_elastic || body["tagline"] == "You Know, for Search" {
        Some((Product::Elasticsearch, version))
    } else if body["index_templates"].is_array() || body["error"]["type"].is_string() {
        // Speaks the API and is not Elasticsearch, which always says so.
        Some((Product::OpenSearch, version))
    } else {
        None
    }
}

/// Path of a data stream's template.
fn template_path(dataset: Dataset) -> String {
    format!("/_index_template/{}", templates::template_name(dataset))
}

/// Puts a template that is missing or older. Somebody else's of that name stays.
///
/// # Errors
/// What the server says. Credentials that may not see templates are no error: then somebody else
/// installs them.
async fn template(client: &Client, product: Product, dataset: Dataset) -> Result<(), Problem> {
    let path = template_path(dataset);
    let found = match client.call(Method::Get, &path, Call::default()).await {
        Ok(found) => found,
        Err(problem) if problem.fault == Fault::Forbidden => {
            tracing::debug!(path, "shipping: the credentials may not see templates");
            return Ok(());
        }
        Err(problem) => return Err(problem),
    };
    let wanted = templates::template_version(dataset) as u64;
    if found.status == 200 {
        let body: Value = serde_json::from_slice(&found.body).unwrap_or_default();
        let found = &body["index_templates"][0]["index_template"];
        let is_ours = found["_meta"]["managed_by"] == "lbproxy";
        let is_current = found["version"].as_u64().is_some_and(|version| version >= wanted);
        if !is_ours || is_current {
            return Ok(());
        }
    }
    let put = async |types| {
        let body = templates::index_template(product, dataset, types).into();
        client.call(Method::Put, &path, Call { body, ..Call::default() }).await
    };
    let mut answer = put(Types::Usual).await;
    let may_lack_types = templates::needs_usual_types(product, dataset);
    if may_lack_types && matches!(&answer, Err(problem) if problem.fault == Fault::Refused) {
        answer = put(Types::Smallest).await;
    }
    match answer {
        Ok(_) => {
            tracing::info!(template = templates::template_name(dataset), "shipping: template put");
            Ok(())
        }
        Err(problem) => Err(Problem::new(
            problem.fault,
            format!(
                "index template {} cannot be put: {}",
                templates::template_name(dataset),
                problem.reason
            ),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_are_told_apart_by_what_they_say() {
        let rows: [(&str, bool, &[u8], Option<Product>); 7] = [
            (
                "OpenSearch",
                false,
                br#"{"version":{"distribution":"opensearch","number":"2.19.4"}}"#,
                Some(Product::OpenSearch),
            ),
            (
                "Elasticsearch",
                true,
                br#"{"version":{"number":"8.19.2"},"tagline":"You Know, for Search"}"#,
                Some(Product::Elasticsearch),
            ),
            (
                "Elasticsearch without GET /",
                true,
                br#"{"error":"no handler"}"#,
                Some(Product::Elasticsearch),
            ),
            (
                "OpenSearch that may not",
                false,
                br#"{"index_templates":[]}"#,
                Some(Product::OpenSearch),
            ),
            (
                "OpenSearch without a template",
                false,
                br#"{"error":{"type":"resource_not_found_exception"}}"#,
                Some(Product::OpenSearch),
            ),
            ("a web server", false, b"<html>hello</html>", None),
            ("another API", false, br#"{"status":"ok"}"#, None),
        ];
        for (name, is_elastic, body, want) in rows {
            let reply = Reply { status: 200, is_elastic, body: body.to_vec() };
            assert_eq!(product(&reply).map(|(product, _)| product), want, "{name}");
        }
    }
}
