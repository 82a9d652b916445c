//! `lbproxy setup`: puts on Elasticsearch or OpenSearch what lbproxy needs there, boards on their dashboards,
//! and the rules of objectives on whoever watches them; or takes it away.
//!
//! Everything is read before anything is changed; a second run changes nothing. Not here: what is
//! installed and how (`elk`), what is printed (`report`).

mod beside;
mod given;
mod report;
mod secret;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::ValueEnum;

use super::output::UsageError;
use super::patience;
use super::signals::unless_ended;
use crate::base::visible::{self, visible};
use crate::config::address::{self, Unfit};
use crate::config::{self, Auth, Compression, Config, Dashboards, Elasticsearch, Secret};
use crate::elk::access::{Credentials, Rights};
use crate::elk::artefact::Kind;
use crate::elk::client::Client;
use crate::elk::findings;
use crate::elk::given::GivenUser;
use crate::elk::installer::{self, Options, Outcome, Plan};
use crate::elk::plan::Mode;
use crate::elk::problem::{Fault, Problem};
use crate::names;
use crate::record::Dataset;
use crate::slo::Targets;
use crate::slo::file::{self, Objectives};
use beside::{Requested, Wanted, channel};
use given::Given;
use report::Report;
use secret::Keeper;

/// Arguments of `lbproxy setup`.
#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "flags of a command line")]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// Configuration; default /etc/lbproxy/proxy.yaml, then ./proxy.yaml.
    #[arg(long, short, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Show what would be changed; change nothing.
    #[arg(long)]
    dry_run: bool,
    /// Only these kinds; default all.
    #[arg(long, value_enum, value_delimiter = ',', value_name = "KIND")]
    only: Vec<KindName>,
    /// Remove what lbproxy has installed. Documents stay, and with them what they need.
    #[arg(long)]
    remove: bool,
    /// With --remove: also delete the streams of telemetry.namespace with all their documents.
    #[arg(long, requires = "remove")]
    data: bool,
    /// Which credentials are made for shipping; API keys on Elasticsearch only.
    #[arg(long, value_enum, default_value_t)]
    credentials: CredentialsName,
    /// Credentials that may not read: whether a document is stored already cannot be looked up then.
    #[arg(long)]
    write_only: bool,
    /// Write the new password or key to this file (mode 600) instead of printing it.
    #[arg(long, value_name = "FILE")]
    credentials_file: Option<PathBuf>,
    /// Print one JSON object instead of text.
    #[arg(long)]
    json: bool,
    /// Server to set up, instead of the first of telemetry.elasticsearch.urls.
    #[arg(long, value_name = "URL", value_parser = super::output::url)]
    url: Option<url::Url>,
    /// Kibana or OpenSearch Dashboards, instead of telemetry.elasticsearch.dashboards.url.
    #[arg(long, value_name = "URL", value_parser = super::output::url)]
    dashboards_url: Option<url::Url>,
    /// Kibana's space or OpenSearch Dashboards' tenant for the boards.
    #[arg(long, value_name = "NAME")]
    space: Option<String>,
    /// Id of OpenSearch Dashboards' workspace for the boards.
    #[arg(long, value_name = "ID")]
    workspace: Option<String>,
    /// Who is told by the rules of objectives: a route of `notify` and the id of a connector or channel.
    #[arg(long = "channel", value_name = "ROUTE=ID", value_parser = channel)]
    channels: Vec<(String, String)>,
    /// Administrator, instead of the credentials in the configuration.
    #[arg(long, value_name = "NAME", requires = "password_file")]
    username: Option<String>,
    /// File with the administrator's password.
    #[arg(long, value_name = "FILE", requires = "username")]
    password_file: Option<PathBuf>,
    /// Give this user the password in the file: lbproxy and lbproxy_watch, which are made, or Elasticsearch's own
    /// kibana_system; may be given for each.
    #[arg(long = "user", value_name = "NAME=FILE", value_parser = given::user, conflicts_with = "remove")]
    users: Vec<(GivenUser, PathBuf)>,
    /// Ask again for so long until the servers answer, instead of ending at once.
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = super::upstream::duration)]
    wait: Duration,
    /// File with an administrator's encoded API key.
    #[arg(long, value_name = "FILE", conflicts_with = "username")]
    api_key_file: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  lbproxy setup --dry-run                                  what would be changed, line by line
  lbproxy setup --username elastic --password-file admin   with the rights of an administrator
  lbproxy setup --only templates,retention                 no user for shipping
  lbproxy setup --credentials-file /run/secrets/shipping   the new password goes there
  lbproxy setup --wait 10m --user lbproxy=/run/secrets/shipping --user kibana_system=/run/secrets/kibana
                                                           beside servers that start: passwords that exist
  lbproxy setup --dashboards-url http://localhost:5601     boards too, and Kibana's alert rules
  lbproxy setup --only alerts --channel on-call=3f2c       the rules of objectives, and who is told
  lbproxy setup --remove                                   what is marked as lbproxy's goes
Exit code 0: all is as it should be. 1: it is not, and the lines say why. 2: usage or configuration.";

/// [`Kind`] on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum KindName {
    /// Index templates and component templates.
    Templates,
    /// How long documents are kept.
    Retention,
    /// Role and credentials for shipping.
    Access,
    /// Boards for Kibana or OpenSearch Dashboards.
    Dashboards,
    /// Rules of objectives: in Kibana, or monitors of OpenSearch.
    Alerts,
}

impl KindName {
    const fn kind(self) -> Kind {
        match self {
            Self::Templates => Kind::Templates,
            Self::Retention => Kind::Retention,
            Self::Access => Kind::Access,
            Self::Dashboards => Kind::Dashboards,
            Self::Alerts => Kind::Alerts,
        }
    }
}

/// [`Credentials`] on the command line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum CredentialsName {
    /// A user with a new password.
    #[default]
    User,
    /// An API key.
    ApiKey,
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let load = |path: PathBuf| config::load_without(&path, &overridden(args));
    let config = match config::find(args.config.clone()).and_then(load) {
        Ok(config) => config,
        Err(report) => return Ok(super::check::refuse(&report)),
    };
    names::configure(&config.resolver);
    let target = target(args, config.telemetry.elasticsearch.as_ref())?;
    let client = Client::new(&target)?;
    let dashboards = dashboards(args, &target)?;
    let kinds: Vec<_> = match args.only.as_slice() {
        [] => Kind::ALL.to_vec(),
        some => some.iter().map(|name| name.kind()).collect(),
    };
    if args.data && !kinds.contains(&Kind::Templates) {
        return Err(UsageError(DATA_IS_OF_TEMPLATES.to_owned()).into());
    }
    let given = given::open(&args.users, &target)?;
    if !given.is_empty() && !kinds.contains(&Kind::Access) {
        return Err(UsageError(USERS_ARE_OF_ACCESS.to_owned()).into());
    }
    let names: Vec<_> = given.iter().map(|one| one.user.name()).collect();
    let options = Options {
        namespace: &config.telemetry.namespace,
        retention: &target.retention,
        credentials: match args.credentials {
            // Whichever was made.
            _ if args.remove => &[Credentials::User, Credentials::ApiKey, Credentials::Watch],
            CredentialsName::User => &[Credentials::User],
            CredentialsName::ApiKey => &[Credentials::ApiKey],
        },
        given: &names,
        rights: if args.write_only { Rights::WriteOnly } else { Rights::Lookup },
        kinds: &kinds,
        mode: if args.remove { Mode::Remove } else { Mode::Setup },
        datasets: &datasets(&config),
        deletes_data: args.data,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start a runtime")?;
    let objectives = file::load(&config);
    let place = match &dashboards {
        Some((client, place)) => Wanted::At(client, place, promised(&objectives)),
        None if args.only == [KindName::Dashboards] => return Err(UsageError(NO_URL.into()).into()),
        None => Wanted::Nowhere,
    };
    let wanted = |kind| kinds.contains(&kind).then_some(place);
    let requested = Requested {
        boards: wanted(Kind::Dashboards),
        alerts: wanted(Kind::Alerts),
        objectives,
        channels: &args.channels,
    };
    runtime.block_on(unless_ended(set_up(args, &client, options, &requested, given)))
}

/// What objectives promise of all requests.
fn promised(objectives: &Objectives) -> Targets {
    for finding in &objectives.findings {
        tracing::warn!("{finding}; boards and rules are put without this objective");
    }
    file::targets(&objectives.objectives, []).all
}

/// Keys that flags take the place of. They are not read: `password_file` may name what is to be made.
fn overridden(args: &Args) -> Vec<String> {
    let is_administrator = args.username.is_some() || args.api_key_file.is_some();
    let mut keys: Vec<_> = config::credential_keys().filter(|_| is_administrator).collect();
    for (is_given, key) in
        [(args.space.is_some(), "space"), (args.workspace.is_some(), "workspace")]
    {
        if is_given {
            keys.push(format!("telemetry.elasticsearch.dashboards.{key}"));
        }
    }
    keys
}

/// Datasets that get documents.
fn datasets(config: &Config) -> Vec<Dataset> {
    let Config { telemetry, slo, .. } = config;
    let is_on = |dataset: &Dataset| match dataset {
        Dataset::Process => telemetry.process_every.is_some(),
        Dataset::Rollup => telemetry.rollup.every.is_some(),
        Dataset::Slo => !slo.is_off(),
        // Gaps are always told.
        Dataset::Access | Dataset::Connection | Dataset::Health => true,
    };
    Dataset::ALL.into_iter().filter(is_on).collect()
}

/// Reads, changes, verifies, reports.
async fn set_up(
    args: &Args,
    client: &Client,
    options: Options<'_>,
    requested: &Requested<'_>,
    mut given: Vec<Given>,
) -> anyhow::Result<ExitCode> {
    let mut plan = look(args.wait, client, options, &mut given).await?;
    let product = plan.server.product;
    let is_blocked = plan.findings.iter().any(|finding| finding.blocks);
    let is_tried = !args.dry_run && !is_blocked;
    if is_tried {
        // Kibana does not start before.
        given::apply(&mut given, client, product, |user| user == GivenUser::Kibana).await;
        requested.wait(args.wait, &plan.server).await;
    }
    let mut beside = requested.survey(client, &plan.server, options).await;
    let file = args.credentials_file.as_deref().filter(|_| options.mode == Mode::Setup);
    if let Some(path) = file.filter(|path| !path.exists() || secret::holds_nothing(path)) {
        let name = path.display().to_string();
        let steps = plan.steps.iter();
        plan.findings.extend(
            steps.filter_map(|step| findings::unknown_secret(&step.artefact, &step.action, &name)),
        );
    }
    let mut keeper = Keeper::open(file.filter(|_| is_tried && makes_secret(&plan)), !args.json)?;
    let mut outcomes = Vec::new();
    if is_tried {
        outcomes = installer::apply(client, &plan, &mut |secret: &_| keeper.keep(secret)).await;
        let is_whole = !outcomes.iter().any(|outcome| matches!(outcome, Outcome::Failed(_)));
        if options.mode == Mode::Setup && is_whole {
            let verified = installer::verify(client, &plan, options.namespace).await;
            plan.findings.extend(verified.findings);
            if let Some((stream, problem)) = verified.unseen {
                warn_of_unseen(&stream, &problem);
            }
        }
        if is_whole {
            given::apply(&mut given, client, product, |user| user != GivenUser::Kibana).await;
        }
        beside.apply().await;
    }
    let has_printed = keeper.has_printed();
    let saved = keeper.end(&mut outcomes);
    let secret = outcomes.iter().find_map(|outcome| match outcome {
        Outcome::Done(secret) => secret.as_ref().filter(|_| !has_printed),
        _ => None,
    });
    let lacks = [
        (Kind::Dashboards, requested.boards.is_some() && beside.boards.is_none()),
        (Kind::Alerts, requested.alerts.is_some() && beside.alerts.is_none()),
    ];
    let lacks: Vec<_> =
        lacks.into_iter().filter_map(|(kind, is_so)| is_so.then_some(kind)).collect();
    let report = Report {
        url: client.url(),
        plan: &plan,
        outcomes: &outcomes,
        given: &given,
        boards: beside.boards.as_ref(),
        alerts: beside.alerts.as_ref(),
        lacks: &lacks,
        is_dry_run: args.dry_run,
        is_removal: args.remove,
        secret,
        saved: saved.as_ref().ok().and_then(Option::as_deref),
    };
    print(&report, args.json)?;
    let is_well = report.is_well();
    saved?;
    Ok(if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What was done, on standard output.
fn print(report: &Report<'_>, is_json: bool) -> anyhow::Result<()> {
    let text = if is_json {
        visible::json(&serde_json::to_string_pretty(&report.json())?).into_owned() + "\n"
    } else {
        report.text(super::output::has_colours())
    };
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    Ok(out.flush()?)
}

/// Looks at the server, as long as it takes to answer; changes nothing.
///
/// # Errors
/// Why it cannot be looked at.
async fn look(
    wait: Duration,
    client: &Client,
    options: Options<'_>,
    given: &mut [Given],
) -> anyhow::Result<Plan> {
    let look = async || {
        let mut plan = installer::survey(client, options).await?;
        if !plan.findings.iter().any(|finding| finding.blocks) {
            let findings = given::survey(given, client, plan.server.product).await?;
            plan.findings.extend(findings);
        }
        Ok(plan)
    };
    patience::ask(wait, PAUSES, |problem, left| waits(client, problem, left), look).await.map_err(
        |problem| {
            let (url, cure) = (client.url(), cure(&problem));
            let reason = visible(problem.reason.as_bytes());
            anyhow::anyhow!("{url}: {reason}; {cure}; nothing was changed")
        },
    )
}

/// Says what is waited for.
fn waits(client: &Client, problem: &Problem, left: Duration) {
    let (url, reason) = (client.url(), visible(problem.reason.as_bytes()));
    tracing::info!("setup: {url}: {reason}; asking again, for {} s more", left.as_secs());
}

/// Says that nobody knows whether a stream has its mapping.
fn warn_of_unseen(stream: &str, problem: &Problem) {
    let cure = cure(problem);
    tracing::warn!(
        stream,
        reason = problem.reason,
        "setup: all is put in place, but whether the stream has its mapping cannot be seen; {cure}, and \
         run this again, or look at GET /{stream}/_mapping"
    );
}

/// What a person can do about a server that cannot be looked at.
const fn cure(problem: &Problem) -> &'static str {
    if !problem.cure.is_empty() {
        return problem.cure;
    }
    match problem.fault {
        Fault::NotSent => "start the server, or correct telemetry.elasticsearch.urls or --url",
        Fault::Unauthorized => {
            "correct user, password or key of telemetry.elasticsearch, or give an administrator's with \
             --username and --password-file"
        }
        Fault::Forbidden => findings::ASK_AN_ADMINISTRATOR,
        Fault::Overloaded => "wait until the server has started and has room",
        Fault::Blocked => "take the block that the reason names off the index or the cluster",
        Fault::Unknown => {
            "look at the server's own log; where it asks for TLS, write https:// in \
             telemetry.elasticsearch.urls or --url"
        }
        Fault::Refused | Fault::TooLarge | Fault::DeadLetters => {
            "mend what the reason says, or correct telemetry.elasticsearch.urls or --url"
        }
    }
}

/// Shortest and longest pause before a server that does not answer is asked again.
const PAUSES: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(10));

/// What is said when users are to be made and nothing of their kind.
const USERS_ARE_OF_ACCESS: &str =
    "--user is of the kind access, which --only leaves out; add access to it";

/// What is said when boards are wanted and there is no place for them.
const NO_URL: &str = "boards need Kibana or OpenSearch Dashboards: set \
                      telemetry.elasticsearch.dashboards.url or --dashboards-url";

/// What is said when streams are to go and what makes them is to stay.
const DATA_IS_OF_TEMPLATES: &str = "--data deletes streams, which are of the kind templates; add \
                                    templates to --only, or leave out --data";

/// The way to the dashboards, and the place there. `target` has an administrator's credentials if some
/// were given; they go before those of the configuration.
fn dashboards(args: &Args, target: &Elasticsearch) -> anyhow::Result<Option<(Client, Dashboards)>> {
    let configured = target.dashboards.as_ref();
    if let Some(url) = &args.dashboards_url {
        check_url("--dashboards-url", url)?;
    }
    let name = |flag: &str, given: &Option<String>, configured: Option<&String>| {
        let Some(given) = given else { return Ok(configured.cloned()) };
        Dashboards::space(given).map(Some).ok_or_else(|| {
            UsageError(format!("{flag} {given} is not a name of letters, digits, - and _"))
        })
    };
    let space = name("--space", &args.space, configured.and_then(|own| own.space.as_ref()))?;
    let workspace = configured.and_then(|own| own.workspace.as_ref());
    let workspace = name("--workspace", &args.workspace, workspace)?;
    let url = args.dashboards_url.as_ref().or(configured.map(|dashboards| &dashboards.url));
    let Some(url) = url else {
        let has_place = args.space.is_some() || args.workspace.is_some();
        return if has_place { Err(UsageError(NO_URL.to_owned()).into()) } else { Ok(None) };
    };
    // Nothing but Elasticsearch is known to take packed bodies.
    let mut way =
        Elasticsearch { urls: vec![url.clone()], compression: Compression::None, ..target.clone() };
    let is_administrator = args.username.is_some() || args.api_key_file.is_some();
    if let Some(auth) = configured.and_then(|dashboards| dashboards.auth.clone())
        && !is_administrator
    {
        way.auth = auth;
    }
    let space = space.filter(|space| space != "default");
    let place = Dashboards { url: url.clone(), space, workspace, auth: None };
    Ok(Some((Client::new(&way)?, place)))
}

/// Refuses a URL that leads nowhere.
fn check_url(flag: &str, url: &url::Url) -> Result<(), UsageError> {
    address::check(url).map_err(|unfit| {
        let cure = match unfit {
            Unfit::Credentials => "use --username and --password-file",
            unfit => unfit.cure(),
        };
        UsageError(format!("{flag} {}; {cure}", unfit.problem()))
    })
}

/// Where to, and as whom.
fn target(args: &Args, configured: Option<&Elasticsearch>) -> Result<Elasticsearch, UsageError> {
    let Some(configured) = configured else {
        let text = "telemetry.elasticsearch is not set; write `urls` there, such as \
                    `elasticsearch: {urls: [https://localhost:9200]}`";
        return Err(UsageError(text.to_owned()));
    };
    let mut target = configured.clone();
    if let Some(url) = &args.url {
        check_url("--url", url)?;
        target.urls = vec![url.clone()];
    }
    let secret = |path: &Path| {
        std::fs::read(path).map_err(|error| {
            UsageError(format!("{} cannot be read: {error}; correct path or mode", path.display()))
        })?;
        Ok(Secret::File(path.to_owned()))
    };
    if let (Some(username), Some(path)) = (&args.username, &args.password_file) {
        if !Auth::is_user(username) {
            let text = "--username holds a colon or a control character; write the name alone";
            return Err(UsageError(text.to_owned()));
        }
        target.auth = Auth::Basic { username: username.clone(), password: secret(path)? };
    } else if let Some(path) = &args.api_key_file {
        target.auth = Auth::ApiKey(secret(path)?);
    }
    Ok(target)
}

/// Whether a password or key will come into being.
fn makes_secret(plan: &Plan) -> bool {
    plan.steps
        .iter()
        .any(|step| step.artefact.is_secret() && step.action == crate::elk::plan::Action::Create)
}
