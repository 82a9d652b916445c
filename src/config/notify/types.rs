//! The checked `slo.notify`. Not here: how it is read (`notify`).

use std::path::PathBuf;
use std::time::Duration;

use lettre::Address;

use super::super::types::{Auth, Secret};

/// Most alerts that one channel is told of one by one within five minutes.
pub(super) const RATE_CAP: u32 = 20;

/// `slo.notify`.
#[derive(Debug, Clone)]
pub struct Notify {
    /// Channels, in the order of the file; none: nobody is told.
    pub channels: Vec<Channel>,
    /// Which notice goes to which channel; none: each goes to all.
    pub routes: Vec<NotifyRoute>,
    /// Most alerts that one channel is told of one by one within five minutes.
    pub rate_cap: u32,
    /// Who notifies.
    pub by: NotifiedBy,
}

impl Default for Notify {
    fn default() -> Self {
        Self {
            channels: Vec::new(),
            routes: Vec::new(),
            rate_cap: RATE_CAP,
            by: NotifiedBy::default(),
        }
    }
}

/// Who notifies.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum NotifiedBy {
    /// Each `lbproxy run`, for what it saw itself.
    #[default]
    Instance,
    /// `lbproxy slo watch`, for all instances; none of these.
    Watch,
}

impl NotifiedBy {
    /// All of them, with the names that the file has for them.
    pub(super) const ALL: [(&'static str, Self); 2] =
        [("instance", Self::Instance), ("watch", Self::Watch)];
}

/// One way to tell somebody.
#[derive(Debug, Clone)]
pub struct Channel {
    /// As routes and `--to` have it.
    pub name: String,
    /// What is spoken, and to whom.
    pub target: Target,
    /// Limit of one delivery.
    pub timeout: Duration,
    /// Certificates to trust instead of the usual ones, PEM.
    pub ca_file: Option<PathBuf>,
    /// HTTP proxy, whose URL may hold a login; never for mail.
    pub proxy: Option<Secret>,
}

/// What a channel speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChannelKind {
    /// PagerDuty, Events API v2.
    PagerDuty,
    /// Alertmanager, API v2.
    Alertmanager,
    /// Jira Service Management, or Opsgenie.
    Jsm,
    /// Slack, or what takes its incoming webhooks.
    Slack,
    /// Any receiver of Alertmanager's webhooks.
    Webhook,
    /// Mail by SMTP.
    Email,
}

impl ChannelKind {
    /// All of them, with the names that the file has for them.
    pub const ALL: [(&'static str, Self); 6] = [
        ("pagerduty", Self::PagerDuty),
        ("alertmanager", Self::Alertmanager),
        ("jsm", Self::Jsm),
        ("slack", Self::Slack),
        ("webhook", Self::Webhook),
        ("email", Self::Email),
    ];

    /// As the file has it.
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(_, kind)| *kind == self).map_or("", |(name, _)| name)
    }
}

/// To whom, and with which credentials.
#[derive(Debug, Clone)]
pub enum Target {
    /// One integration of PagerDuty.
    PagerDuty {
        /// Where events are sent to.
        url: url::Url,
        /// Of an integration "Events API v2".
        routing_key: Secret,
    },
    /// All replicas of one Alertmanager; one that takes an alert is enough.
    Alertmanager {
        /// Every replica; the part before `/api/v2/alerts`.
        urls: Vec<url::Url>,
        /// Sent to each of them.
        auth: Auth,
    },
    /// One integration of Jira Service Management or Opsgenie.
    Jsm {
        /// The part before `/v2/alerts`.
        url: url::Url,
        /// Of an integration "API".
        api_key: Secret,
    },
    /// An incoming webhook of Slack.
    Slack {
        /// A whole URL, a secret itself.
        url: Secret,
    },
    /// A receiver of Alertmanager's webhooks.
    Webhook {
        /// A whole URL, which may be a secret.
        url: Secret,
        /// Key of the signature; none: nothing is signed.
        sign: Option<Secret>,
        /// Sent besides the signature.
        auth: Auth,
    },
    /// Mail to all readers at once.
    Email {
        /// Host name of the server.
        server: String,
        /// TCP port of the server.
        port: u16,
        /// Whether and how it is encrypted.
        tls: MailTls,
        /// User and password; never with [`MailTls::None`].
        login: Option<(String, Secret)>,
        /// Address of the sender.
        from: Address,
        /// Addresses of who reads it; at least one.
        to: Vec<Address>,
    },
}

impl Target {
    /// What is spoken to it.
    pub const fn kind(&self) -> ChannelKind {
        match self {
            Self::PagerDuty { .. } => ChannelKind::PagerDuty,
            Self::Alertmanager { .. } => ChannelKind::Alertmanager,
            Self::Jsm { .. } => ChannelKind::Jsm,
            Self::Slack { .. } => ChannelKind::Slack,
            Self::Webhook { .. } => ChannelKind::Webhook,
            Self::Email { .. } => ChannelKind::Email,
        }
    }
}

/// Encryption towards a mail server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailTls {
    /// Asked for on a plain connection; without it nothing is sent.
    StartTls,
    /// From the first byte.
    Tls,
    /// No encryption, and no password.
    None,
}

/// Which notices go to some channels: those that meet every condition.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NotifyRoute {
    /// As `notify` of an objective has it.
    pub name: String,
    /// Names of channels, each of which is configured.
    pub to: Vec<String>,
    /// Only pages, or only tickets.
    pub is_page: Option<bool>,
    /// Conditions: `service`, `objective`, `owner`, `route` or `endpoint`, and its values, one of which is
    /// enough.
    pub labels: Vec<(&'static str, Vec<String>)>,
    /// Times of which one is enough; none: always.
    pub hours: Vec<Hours>,
}

/// A time that comes again each week.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hours {
    /// Days on which it begins, Monday first.
    pub days: [bool; 7],
    /// Its first minute of the day.
    pub from_minute: u16,
    /// The minute after its last; not after `from_minute`: of the next day.
    pub to_minute: u16,
    /// Minutes east of UTC.
    pub offset_minutes: i16,
}
