//! `lbproxy schema`: what lbproxy reads and writes, for editors, servers and people.

use std::io::Write as _;
use std::process::ExitCode;

use clap::{Subcommand, ValueEnum};

use crate::config;
use crate::elk::{Product, templates, templates::Types};
use crate::record::{self, Dataset, FieldSpec, Stream};

/// Arguments of `lbproxy schema`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// Of what.
    #[command(subcommand)]
    what: What,
}

/// Shown below `lbproxy schema --help`.
const EXAMPLES: &str = "\
Examples:
  lbproxy schema config > proxy.schema.json
  lbproxy schema slo > slo.schema.json
  lbproxy schema record
  lbproxy schema template --product opensearch";

/// Shown below `lbproxy schema config --help`.
const EXAMPLES_CONFIG: &str = "\
Examples:
  lbproxy schema config > proxy.schema.json
  # yaml-language-server: $schema=proxy.schema.json       as the first line of proxy.yaml
  lbproxy schema config --format markdown                 every key with type, default and meaning
`lbproxy check` knows more than a schema can say: files that must exist, names used twice.";

/// Shown below `lbproxy schema slo --help`.
const EXAMPLES_SLO: &str = "\
Examples:
  lbproxy schema slo > slo.schema.json
  # yaml-language-server: $schema=slo.schema.json         as the first line of slo/latency.yaml
`lbproxy slo check` knows more: filters, names used twice, windows that can never fire.";

/// Shown below `lbproxy schema record --help`.
const EXAMPLES_RECORD: &str = "\
Examples:
  lbproxy schema record --stream access | column -t -s $'\\t'
  lbproxy schema record --format json | jq -r '.[].field'";

/// Shown below `lbproxy schema template --help`.
const EXAMPLES_TEMPLATE: &str = "\
Examples:
  lbproxy schema template | jq .template.mappings
  lbproxy schema template --product opensearch --stream health
`lbproxy setup` installs it, together with the component templates that it is composed of.";

/// What a schema can be of.
#[derive(Debug, Subcommand)]
enum What {
    /// The configuration: JSON Schema for editors, or a page for people.
    #[command(after_help = EXAMPLES_CONFIG)]
    Config {
        /// How to print it.
        #[arg(long, value_enum, default_value_t)]
        format: ConfigFormat,
    },
    /// A file of service level objectives: JSON Schema for editors.
    #[command(after_help = EXAMPLES_SLO)]
    Slo,
    /// Fields of the records.
    #[command(after_help = EXAMPLES_RECORD)]
    Record {
        /// How to print them.
        #[arg(long, value_enum, default_value_t)]
        format: Format,
        /// Only the kinds of this data stream (text and JSON).
        #[arg(long, value_enum)]
        stream: Option<StreamName>,
    },
    /// Index template, the body of `PUT _index_template/NAME`.
    #[command(after_help = EXAMPLES_TEMPLATE)]
    Template {
        /// For which product.
        #[arg(long, value_enum, default_value_t)]
        product: ProductName,
        /// For which data stream.
        #[arg(long, value_enum, default_value_t)]
        stream: StreamName,
    },
}

/// How the configuration's schema is printed.
#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum ConfigFormat {
    /// JSON Schema, draft 2020-12.
    #[default]
    Json,
    /// The page `docs/config.md`.
    Markdown,
}

/// How fields are printed.
#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum Format {
    /// A line each: kind, field, type, unit, meaning, with tabs between.
    #[default]
    Text,
    /// One JSON array.
    Json,
    /// The page `docs/records.md`.
    Markdown,
}

/// [`Dataset`] on the command line.
#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum StreamName {
    /// Requests.
    #[default]
    Access,
    /// Connections without a readable request.
    Connection,
    /// Gaps, heartbeats, changes of state.
    Health,
    /// Samples of the process.
    Process,
    /// Requests added up by minute.
    Rollup,
    /// What objectives saw, by minute.
    Slo,
}

impl StreamName {
    const fn dataset(self) -> Dataset {
        match self {
            Self::Access => Dataset::Access,
            Self::Connection => Dataset::Connection,
            Self::Health => Dataset::Health,
            Self::Process => Dataset::Process,
            Self::Rollup => Dataset::Rollup,
            Self::Slo => Dataset::Slo,
        }
    }
}

/// [`Product`] on the command line.
#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum ProductName {
    /// Elasticsearch.
    #[default]
    Elasticsearch,
    /// OpenSearch.
    Opensearch,
}

impl ProductName {
    const fn product(self) -> Product {
        match self {
            Self::Elasticsearch => Product::Elasticsearch,
            Self::Opensearch => Product::OpenSearch,
        }
    }
}

pub(super) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let Args { what } = args;
    let text = match what {
        What::Config { format: ConfigFormat::Json } => config::json_schema(),
        What::Config { format: ConfigFormat::Markdown } => config::reference_markdown(),
        What::Slo => crate::slo::file::json_schema(),
        What::Record { format: Format::Markdown, .. } => record::records_markdown(),
        What::Record { format: Format::Text, stream } => {
            fields(stream).map(|(stream, field)| line(stream, field)).collect()
        }
        What::Record { format: Format::Json, stream } => {
            let rows: Vec<_> =
                fields(stream).map(|(stream, field)| object(stream, field)).collect();
            serde_json::to_string_pretty(&rows)? + "\n"
        }
        What::Template { product, stream } => {
            let (product, dataset) = (product.product(), stream.dataset());
            templates::to_text(&templates::index_template(product, dataset, Types::Usual))
        }
    };
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

/// The fields of the kinds of one data stream or of all.
fn fields(only: Option<StreamName>) -> impl Iterator<Item = (Stream, &'static FieldSpec)> {
    Stream::ALL
        .into_iter()
        .filter(move |&stream| only.is_none_or(|only| only.dataset() == stream.dataset()))
        .flat_map(|stream| stream.document_fields().map(move |field| (stream, field)))
}

/// A field as a line of text.
fn line(stream: Stream, field: &FieldSpec) -> String {
    let FieldSpec { path, kind, doc, .. } = field;
    format!("{}\t{path}\t{}\t{}\t{doc}\n", stream.as_str(), kind.index_type, kind.unit)
}

fn object(stream: Stream, field: &FieldSpec) -> serde_json::Value {
    serde_json::json!({
        "stream": stream.dataset().as_str(), "kind": stream.as_str(), "field": field.path, "type": field.kind.index_type,
        "unit": field.kind.unit, "otel": field.otel, "meaning": field.doc,
    })
}
