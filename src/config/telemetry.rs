//! `telemetry` of the configuration: names, journal, shipping; and secrets.

use std::path::PathBuf;
use std::time::Duration;

use super::address::{self, Unfit};
use super::file;
use super::map::Map;
use super::otlp;
use super::read::{GIB, KIB, seconds};
use super::tls;
use super::tree::Item;
use super::types::{
    Auth, Batch, Compression, Dashboards, Docs, Elasticsearch, Journal, Keep, Retention, Rollup,
    Secret, Setup, Telemetry, WhenFull,
};
use crate::base::units;

/// Smallest journal per worker: four segments of 1 MiB, so that writing, preparing and reading
/// never wait for each other.
const JOURNAL_BYTES_PER_LANE: u64 = 4 * 1024 * KIB;

/// Time between two heartbeats, and between two samples of the process.
const VITALS_EVERY: Duration = Duration::from_secs(10);
/// The shortest such time: each costs a connection to every listener, or some reads of /proc.
const VITALS_EVERY_MIN: Duration = Duration::from_millis(100);
/// Length of a rollup's window.
const ROLLUP_EVERY: Duration = Duration::from_mins(1);
/// What that length must divide.
const DAY: Duration = Duration::from_hours(24);

/// `telemetry`; all of it has defaults.
pub(super) fn section(map: Option<Map<'_, '_>>, hostname: &str, workers: usize) -> Telemetry {
    let mut telemetry = Telemetry {
        instance: hostname.to_owned(),
        namespace: "default".to_owned(),
        journal: Journal {
            path: PathBuf::from(super::JOURNAL_PATH),
            size_bytes: 256 * 1024 * KIB,
            sync: seconds(1),
            when_full: WhenFull::DropNew,
        },
        elasticsearch: None,
        heartbeat_every: Some(VITALS_EVERY),
        process_every: Some(VITALS_EVERY),
        rollup: Rollup { every: Some(ROLLUP_EVERY) },
        otlp: None,
    };
    let least = JOURNAL_BYTES_PER_LANE * (workers as u64 + 1);
    telemetry.journal.size_bytes = telemetry.journal.size_bytes.max(least);
    let Some(map) = map else { return telemetry };
    let mut map = map.means(Telemetry::DOCS).means(&[
        ("heartbeat", "Checks of listeners and endpoints, a record for each."),
        ("process", "Samples of the process, its workers and endpoints, a record for each."),
    ]);
    if let Some(instance) = map.text("instance") {
        telemetry.instance = instance;
    }
    if let Some(item) = map.get("namespace") {
        map.default("namespace", &telemetry.namespace);
        let cure = "lower-case letters, digits, `_` or `.`, at most 100";
        telemetry.namespace = item
            .parse("a namespace of data streams", cure, |text| {
                let is_byte =
                    |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'.';
                let fits = !text.is_empty() && text.len() <= 100 && text.bytes().all(is_byte);
                fits.then(|| text.to_owned())
            })
            .unwrap_or(telemetry.namespace);
    }
    if let Some(journal) = map.map("journal") {
        let mut journal = journal.means(Journal::DOCS).means(&[(
            "size",
            "Most bytes on disk, 4MiB for each worker and 4MiB more at least. Reserved at the start; \
             what somebody removes or cuts, or a failed sync spoils, has to be reserved again, and \
             drops records where it cannot be.",
        )]);
        let defaults = &mut telemetry.journal;
        journal.default("path", defaults.path.display());
        if let Some(path) = journal.file("path") {
            defaults.path = PathBuf::from(path);
        }
        defaults.size_bytes = journal.bytes("size", defaults.size_bytes, least, 1024 * GIB);
        defaults.sync = journal.duration("sync", defaults.sync);
        let choices = [("drop_new", WhenFull::DropNew), ("reject", WhenFull::Reject)];
        defaults.when_full = journal.choice("when_full", defaults.when_full, &choices);
        journal.end();
    }
    telemetry.elasticsearch = map.map("elasticsearch").and_then(elasticsearch);
    telemetry.heartbeat_every = every(map.map("heartbeat"));
    telemetry.process_every = every(map.map("process"));
    if let Some(map) = map.map("rollup") {
        telemetry.rollup = rollup(map.means(Rollup::DOCS));
    }
    telemetry.otlp = map.map("otlp").and_then(otlp::section);
    map.end();
    telemetry
}

/// `telemetry.rollup`. Windows start at whole multiples of their length, so that those of all instances
/// meet.
fn rollup(mut map: Map<'_, '_>) -> Rollup {
    let item = map.get("every");
    map.default("every", "1m");
    let read = |text: &str| match text {
        "0" | "off" | "false" => Some(None),
        text => units::parse_duration(text)
            .filter(|span| (seconds(1)..=Duration::from_hours(1)).contains(span))
            .filter(|span| DAY.as_millis().is_multiple_of(span.as_millis()))
            .map(Some),
    };
    let what = "a duration from 1s to 1h that divides a day, or off";
    let every =
        item.map_or(Some(Some(ROLLUP_EVERY)), |item| item.parse(what, "1m, 10s or `off`", read));
    map.end();
    Rollup { every: every.flatten() }
}

/// `telemetry.journal.path` of a whole file, if it is set.
pub(super) fn journal_path(root: Item<'_, '_>) -> Option<PathBuf> {
    let path = root.map()?.map("telemetry")?.map("journal")?.file("path")?;
    Some(PathBuf::from(path))
}

/// `every` of `heartbeat` or `process`: a span, or off.
fn every(map: Option<Map<'_, '_>>) -> Option<Duration> {
    let Some(map) = map else { return Some(VITALS_EVERY) };
    let mut map = map.means(&[("every", "Time from one to the next; `off` for none.")]);
    let item = map.get("every");
    map.default("every", "10s");
    let every = item.map_or(Some(Some(VITALS_EVERY)), |item| {
        let read = |text: &str| match text {
            "0" | "off" | "false" => Some(None),
            text => units::parse_duration(text)
                .filter(|span| (VITALS_EVERY_MIN..=Duration::from_hours(1)).contains(span))
                .map(Some),
        };
        item.parse("a duration from 100ms to 1h, or off", "one, such as 10s, or `off`", read)
    });
    map.end();
    every.flatten()
}

/// Most characters of the name of a space.
const SPACE_CHARS_MAX: usize = 255;

pub(super) const AUTH_DOCS: Docs = &[
    ("username", "User name; needs a password."),
    ("password", "The user's password."),
    ("password_file", "File that holds it; read again at each use, so that it can be rotated."),
    ("api_key", "Encoded API key, instead of user name and password."),
    ("api_key_file", "File that holds it; read again at each use."),
    ("bearer", "Bearer token, instead of user name and password."),
    ("bearer_file", "File that holds it; read again at each use."),
];

/// Paths of the keys that credentials of the server and its dashboards stand in.
pub fn credential_keys() -> impl Iterator<Item = String> {
    let sections = ["telemetry.elasticsearch", "telemetry.elasticsearch.dashboards"];
    sections.into_iter().flat_map(|at| AUTH_DOCS.iter().map(move |(key, _)| format!("{at}.{key}")))
}

/// Where credentials of a URL belong.
pub(super) const CREDENTIALS: &str = "use `username` and `password_file` instead";
/// Bytes of dead letters that are kept.
const DEAD_LETTERS: u64 = 16 << 20;
/// Most bytes that can be asked for.
const DEAD_LETTERS_MOST: u64 = 1 << 40;

fn elasticsearch(map: Map<'_, '_>) -> Option<Elasticsearch> {
    let mut map = map.means(Elasticsearch::DOCS).means(AUTH_DOCS);
    let cure = "write at least one, such as `urls: [https://localhost:9200]`";
    let urls: Vec<_> = map
        .required_list("urls", cure)
        .into_iter()
        .filter_map(|item| bare_url(&item, "http://host:9200 or https://host:9200", CREDENTIALS))
        .collect();
    let auth = auth(&mut map);
    let tls = tls::client(map.map("tls"));
    let choices =
        [("auto", Compression::Auto), ("gzip", Compression::Gzip), ("none", Compression::None)];
    let compression = map.choice("compression", Compression::Auto, &choices);
    let batch = batch(map.map("batch"));
    let timeout = map.duration("timeout", seconds(30));
    let dead_letters = map.bytes("dead_letters", DEAD_LETTERS, 64 << 10, DEAD_LETTERS_MOST);
    let proxy = map.get("proxy").and_then(|item| proxy_url(&item));
    let choices = [("on_start", Setup::OnStart), ("off", Setup::Off)];
    let setup = map.choice("setup", Setup::OnStart, &choices);
    let retention = retention(map.map("retention"));
    let dashboards = map.map("dashboards").and_then(dashboards);
    map.end();
    (!urls.is_empty()).then_some(Elasticsearch {
        urls,
        auth,
        tls,
        compression,
        batch,
        dead_letters,
        timeout,
        proxy,
        setup,
        retention,
        dashboards,
    })
}

/// An address; credentials stand in keys of their own, which `cure` names.
pub(super) fn bare_url(item: &Item<'_, '_>, example: &str, cure: &str) -> Option<url::Url> {
    let url = any_url(item, example)?;
    match address::check(&url) {
        Ok(()) => return Some(url),
        Err(Unfit::NoAddress) => item.note("is not a URL of HTTP", &format!("write {example}")),
        Err(unfit @ Unfit::Credentials) => item.note(unfit.problem(), cure),
        Err(unfit) => item.note(unfit.problem(), unfit.cure()),
    }
    None
}

/// A URL. A text that is none is shown only if it can hold no secret.
fn any_url(item: &Item<'_, '_>, example: &str) -> Option<url::Url> {
    let read = |text: &str| match url::Url::parse(text) {
        Ok(url) => Some(Some(url)),
        Err(_) if address::is_harmless(text) => None,
        Err(_) => Some(None),
    };
    let url = item.parse("a URL", example, read)?;
    if url.is_none() {
        item.note("is not a URL", &format!("write {example}"));
    }
    url
}

/// An HTTP proxy. It may have credentials, for they have no other place; nothing shows them.
pub(super) fn proxy_url(item: &Item<'_, '_>) -> Option<Secret> {
    let url = any_url(item, "http://host:3128")?;
    let mut bare = url.clone();
    let _ = bare.set_username("").and_then(|()| bare.set_password(None)); // neither where there is no host
    if let Err(unfit) = address::check(&bare) {
        item.note(unfit.problem(), unfit.cure());
        return None;
    }
    Some(Secret::Inline(url.into()))
}

fn dashboards(map: Map<'_, '_>) -> Option<Dashboards> {
    let mut map = map.means(Dashboards::DOCS).means(AUTH_DOCS);
    let url = map.required("url", "write it, such as `url: http://localhost:5601`");
    let url =
        url.and_then(|item| bare_url(&item, "http://host:5601 or https://host:5601", CREDENTIALS));
    let space = map.get("space").and_then(|item| {
        let what = "a name of letters, digits, - and _";
        item.parse(what, "the space as its URL has it, such as `operations`", Dashboards::space)
    });
    let workspace = map.get("workspace").and_then(|item| {
        let what = "an id of letters, digits, - and _";
        item.parse(
            what,
            "the id as its URL has it, such as `hWNZls` of /w/hWNZls",
            Dashboards::space,
        )
    });
    let auth = match auth(&mut map) {
        Auth::None => None,
        auth => Some(auth),
    };
    map.end();
    Some(Dashboards { url: url?, space, workspace, auth })
}

impl Dashboards {
    /// Reads the name of a space, tenant or workspace: a part of a path, or the value of a field.
    pub fn space(text: &str) -> Option<String> {
        let is_usual = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        let is_space = (1..=SPACE_CHARS_MAX).contains(&text.len()) && text.bytes().all(is_usual);
        is_space.then(|| text.to_owned())
    }
}

fn retention(map: Option<Map<'_, '_>>) -> Retention {
    let days = |days: u32| Keep::For(DAY * days);
    let mut retention = Retention {
        records: days(7),
        health: days(30),
        process: days(30),
        rollup: days(400),
        slo: days(400),
    };
    if let Some(map) = map {
        let mut map = map.means(Retention::DOCS);
        for (key, keep) in [
            ("records", &mut retention.records),
            ("health", &mut retention.health),
            ("process", &mut retention.process),
            ("rollup", &mut retention.rollup),
            ("slo", &mut retention.slo),
        ] {
            *keep = kept(&mut map, key, *keep);
        }
        map.end();
    }
    retention
}

/// A retention. Less than an hour would delete what nobody has seen yet.
fn kept(map: &mut Map<'_, '_>, key: &'static str, default: Keep) -> Keep {
    let item = map.get(key);
    if let Keep::For(span) = default {
        map.default(key, units::write_duration(u64::try_from(span.as_micros()).unwrap_or(0)));
    }
    let read = |text: &str| match text {
        "forever" => Some(Keep::Forever),
        "off" | "false" => Some(Keep::Off),
        text => units::parse_duration(text)
            .filter(|span| (Duration::from_hours(1)..=DAY * 10_000).contains(span))
            .map(Keep::For),
    };
    let what = "a duration from 1h to 10000d, forever or off";
    item.and_then(|item| item.parse(what, "7d, `forever` or `off`", read)).unwrap_or(default)
}

/// Credentials: at most one kind.
pub(super) fn auth(map: &mut Map<'_, '_>) -> Auth {
    let before = map.found();
    let username = map.get("username").and_then(|item| {
        let name = item.text()?;
        if !Auth::is_user(&name) {
            // Not shown: people write `user:password` there.
            let problem = "holds a colon or a control character, which no user name may have";
            item.note(problem, "write the name alone, and `password_file` beside it");
        }
        Some(name)
    });
    let password = secret(map, "password", "password_file", Carrier::Basic);
    let api_key = secret(map, "api_key", "api_key_file", Carrier::Field);
    let bearer = secret(map, "bearer", "bearer_file", Carrier::Field);
    let kinds = [password.is_some(), api_key.is_some(), bearer.is_some()];
    if kinds.iter().filter(|&&given| given).count() > 1 {
        map.note("has more than one kind of credentials", "keep one of password, api_key, bearer");
        return Auth::None;
    }
    if map.found() > before {
        // What cannot be used is told, and is not missing.
        return Auth::None;
    }
    match (username, password, api_key, bearer) {
        (Some(username), Some(password), ..) => Auth::Basic { username, password },
        (None, Some(_), ..) => {
            map.missing("username", "write the user that the password belongs to");
            Auth::None
        }
        (Some(_), None, ..) => {
            map.missing("password_file", "write the file that holds the user's password");
            Auth::None
        }
        (None, None, Some(key), _) => Auth::ApiKey(key),
        (None, None, None, Some(token)) => Auth::Bearer(token),
        (None, None, None, None) => Auth::None,
    }
}

/// What a secret is sent in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Carrier {
    /// The value of a header field, or the end of one.
    Field,
    /// Base64 of a user name and it (RFC 7617).
    Basic,
}

/// What is wrong with a secret that nobody could send, and the cure; never a part of it.
fn unsendable(secret: &str, carrier: Carrier) -> Option<(&'static str, &'static str)> {
    if secret.is_empty() {
        return Some(("is empty", "write the secret"));
    }
    match carrier {
        Carrier::Field if !secret.bytes().all(|byte| matches!(byte, b' '..=b'~')) => Some((
            "holds a line end or a character that no HTTP header can carry",
            "write printable ASCII alone",
        )),
        Carrier::Field if secret != secret.trim_matches(' ') => {
            Some(("begins or ends with a space, which HTTP takes off", "write it without"))
        }
        Carrier::Basic if secret.chars().any(char::is_control) => {
            Some(("holds a line end or another control character", "write it without"))
        }
        Carrier::Field | Carrier::Basic => None,
    }
}

/// A secret, in place or in a file that can be read now.
pub(super) fn secret(
    map: &mut Map<'_, '_>,
    key: &'static str,
    file_key: &'static str,
    carrier: Carrier,
) -> Option<Secret> {
    let (inline, file) = map.either(key, file_key, None);
    let inline = inline.and_then(|item| {
        let text = item.text()?;
        if let Some((problem, cure)) = unsendable(&text, carrier) {
            item.note(problem, cure);
        }
        Some(Secret::Inline(text))
    });
    inline.or(file.and_then(|item| secret_file(&item, carrier)))
}

/// A secret in a file that can be read now.
fn secret_file(item: &Item<'_, '_>, carrier: Carrier) -> Option<Secret> {
    let path = PathBuf::from(item.file()?);
    let note = |problem: &str, cure: &str| {
        item.note(&format!("{} {problem}", path.display()), cure);
        None
    };
    let bytes = match file::regular(&path) {
        Err((problem, cure)) => return note(&problem, cure),
        Ok(bytes) => bytes,
    };
    let Ok(text) = std::str::from_utf8(&bytes) else { return note("is not UTF-8", "write text") };
    if text.trim().is_empty() {
        return note("is empty", "write the secret into it");
    }
    if let Some((problem, cure)) = unsendable(Secret::of_file(text), carrier) {
        return note(problem, cure);
    }
    Some(Secret::File(path))
}

fn batch(map: Option<Map<'_, '_>>) -> Batch {
    let mut batch = Batch { bytes: 1024 * 1024, documents: 10_000, wait: seconds(1), in_flight: 2 };
    if let Some(map) = map {
        let mut map = map.means(Batch::DOCS);
        let bytes = map.bytes("bytes", batch.bytes as u64, 64 * KIB, 64 * 1024 * KIB);
        batch.bytes = usize::try_from(bytes).unwrap_or(batch.bytes);
        batch.documents = map.number("documents", batch.documents, 1, 1_000_000);
        batch.wait = map.duration("wait", batch.wait);
        batch.in_flight = map.number("in_flight", batch.in_flight, 1, 4);
        map.end();
    }
    batch
}
