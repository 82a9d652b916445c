//! How an exchange ended: who ended it, in which phase, why, and what that means for the SLO.
//!
//! Two axes as HAProxy's termination state has them, and a closed list of reasons. Texts and numbers
//! are a public vocabulary: append only. Not here: measuring (`proxy::stopwatch`).

use super::value::byte_field;

/// Declares a byte enum with stable numbers and texts.
macro_rules! vocabulary {
    ($(#[$doc:meta])* $name:ident { $(#[doc = $vdoc:literal] $variant:ident = $number:literal $text:literal;)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum $name { $(#[doc = $vdoc] $variant = $number,)* }

        impl $name {
            /// All, in order of their numbers.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];
            /// The text in documents.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }
            /// What it means, a sentence for people.
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $vdoc.trim_ascii(),)* }
            }
            /// The number in the journal.
            pub const fn to_u8(self) -> u8 {
                self as u8
            }
            /// From the number in the journal; `None` for one of a newer version.
            pub const fn from_u8(number: u8) -> Option<Self> {
                match number { $($number => Some(Self::$variant),)* _ => None }
            }
            /// From its text in documents; `None` for one of a newer version.
            pub fn from_text(text: &str) -> Option<Self> {
                match text { $($text => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

vocabulary! {
    /// Why an exchange or a connection ended.
    Reason {
        /// The whole response was handed over.
        Complete = 0 "complete";
        /// Answered here on purpose (`OPTIONS` with `Max-Forwards: 0`).
        AnsweredLocally = 1 "answered_locally";
        /// No service for the host: 404.
        NoRoute = 2 "no_route";
        /// No endpoint of the service could be chosen: 503.
        NoEndpoint = 3 "no_endpoint";
        /// Malformed or ambiguous: 400.
        BadRequest = 4 "bad_request";
        /// CONNECT and TRACE: 405.
        MethodNotAllowed = 5 "method_not_allowed";
        /// Target too long: 414.
        UriTooLong = 6 "uri_too_long";
        /// Head too large or too many fields: 431.
        HeadTooLarge = 7 "head_too_large";
        /// Body over the limit: 413.
        BodyTooLarge = 8 "body_too_large";
        /// `Expect` of something else than 100-continue: 417.
        ExpectationFailed = 9 "expectation_failed";
        /// The request has been here before: 508.
        LoopDetected = 10 "loop_detected";
        /// The downstream left before the end.
        DownstreamClosed = 11 "downstream_closed";
        /// No complete head in time.
        HeadTimeout = 12 "head_timeout";
        /// The request body stalled: 408.
        BodyTimeout = 13 "body_timeout";
        /// The downstream did not read the response.
        ResponseTimeout = 14 "response_timeout";
        /// The request body is no valid body: 400.
        BadBody = 15 "bad_body";
        /// The endpoint's name was not found: 502.
        DnsFailed = 16 "dns_failed";
        /// The endpoint refused the connection: 502.
        ConnectRefused = 17 "connect_refused";
        /// The endpoint did not accept in time: 504.
        ConnectTimeout = 18 "connect_timeout";
        /// Another failure to connect: 502.
        ConnectFailed = 19 "connect_failed";
        /// No response head in time: 504.
        FirstByteTimeout = 20 "first_byte_timeout";
        /// The response body stalled.
        UpstreamIdleTimeout = 21 "upstream_idle_timeout";
        /// The endpoint closed before a response head: 502.
        UpstreamClosed = 22 "upstream_closed";
        /// The endpoint broke off in the response body.
        UpstreamReset = 23 "upstream_reset";
        /// The endpoint's response is no valid HTTP: 502.
        UpstreamBadResponse = 24 "upstream_bad_response";
        /// Too many connections.
        ConnectionLimit = 25 "connection_limit";
        /// The journal is full and the configuration says reject: 503.
        JournalFull = 26 "journal_full";
        /// Cut at the end of the drain.
        DrainTimeout = 27 "drain_timeout";
        /// A fault of the proxy: 500.
        Internal = 28 "internal";
        /// The TLS handshake failed.
        TlsFailed = 29 "tls_failed";
        /// A connection closed without a request.
        ClosedWithoutRequest = 30 "closed_without_request";
        /// A connection on which nothing came.
        IdleTimeout = 31 "idle_timeout";
        /// As many requests of the service were under way, and waited, as may: 503.
        QueueFull = 32 "queue_full";
        /// No permit of the service became free in time (`limits.in_flight`): 503.
        QueueTimeout = 33 "queue_timeout";
        /// The proxy had no file descriptor left to connect with: 503.
        NoDescriptor = 34 "no_descriptor";
        /// The proxy had no local port left to connect from: 503.
        NoLocalPort = 35 "no_local_port";
        /// The proxy's system had no memory for a connection: 503.
        NoMemory = 36 "no_memory";
        /// The proxy's system did not permit the connection: 503.
        ConnectDenied = 37 "connect_denied";
    }
}

vocabulary! {
    /// What the exchange means for an SLO of success.
    Outcome {
        /// Served.
        Success = 0 "success";
        /// Not served, and not the client's doing.
        Failure = 1 "failure";
        /// The client left: nobody knows.
        Unknown = 2 "unknown";
    }
}

byte_field!(Reason, Outcome, State);

/// On whose account an end goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blame {
    /// A normal end.
    Nobody,
    /// Who called us.
    Downstream,
    /// The endpoint.
    Endpoint,
    /// Us, our limits, our configuration.
    Proxy,
}

impl Blame {
    /// The word for people.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Nobody => "nobody",
            Self::Downstream => "downstream",
            Self::Endpoint => "endpoint",
            Self::Proxy => "proxy",
        }
    }
}

impl Reason {
    /// On whose account it goes.
    pub const fn blame(self) -> Blame {
        match self {
            Self::Complete | Self::AnsweredLocally => Blame::Nobody,
            Self::BadRequest
            | Self::MethodNotAllowed
            | Self::UriTooLong
            | Self::HeadTooLarge
            | Self::BodyTooLarge
            | Self::ExpectationFailed
            | Self::DownstreamClosed
            | Self::HeadTimeout
            | Self::BodyTimeout
            | Self::ResponseTimeout
            | Self::BadBody
            | Self::NoRoute
            | Self::TlsFailed
            | Self::ClosedWithoutRequest
            | Self::IdleTimeout => Blame::Downstream,
            Self::DnsFailed
            | Self::ConnectRefused
            | Self::ConnectTimeout
            | Self::ConnectFailed
            | Self::FirstByteTimeout
            | Self::UpstreamIdleTimeout
            | Self::UpstreamClosed
            | Self::UpstreamReset
            | Self::UpstreamBadResponse
            | Self::NoEndpoint => Blame::Endpoint,
            Self::LoopDetected
            | Self::ConnectionLimit
            | Self::JournalFull
            | Self::DrainTimeout
            | Self::Internal
            | Self::QueueFull
            | Self::QueueTimeout
            | Self::NoDescriptor
            | Self::NoLocalPort
            | Self::NoMemory
            | Self::ConnectDenied => Blame::Proxy,
        }
    }

    /// Who ended it, the first letter of the state.
    const fn who(self) -> Who {
        match self {
            Self::Complete => Who::Normal,
            Self::AnsweredLocally => Who::Local,
            Self::DownstreamClosed | Self::ClosedWithoutRequest | Self::TlsFailed => {
                Who::DownstreamClosed
            }
            Self::HeadTimeout | Self::BodyTimeout | Self::ResponseTimeout | Self::IdleTimeout => {
                Who::DownstreamTimeout
            }
            Self::DnsFailed
            | Self::ConnectRefused
            | Self::ConnectFailed
            | Self::UpstreamClosed
            | Self::UpstreamReset
            | Self::UpstreamBadResponse => Who::EndpointFailed,
            Self::ConnectTimeout | Self::FirstByteTimeout | Self::UpstreamIdleTimeout => {
                Who::EndpointTimeout
            }
            Self::NoRoute
            | Self::BadRequest
            | Self::MethodNotAllowed
            | Self::UriTooLong
            | Self::HeadTooLarge
            | Self::BodyTooLarge
            | Self::ExpectationFailed
            | Self::LoopDetected
            | Self::BadBody => Who::Rule,
            Self::ConnectionLimit
            | Self::JournalFull
            | Self::QueueFull
            | Self::QueueTimeout
            | Self::NoDescriptor
            | Self::NoLocalPort
            | Self::NoMemory
            | Self::ConnectDenied => Who::Resource,
            Self::NoEndpoint => Who::NoEndpoint,
            Self::Internal => Who::Internal,
            Self::DrainTimeout => Who::Killed,
        }
    }
}

impl Outcome {
    /// Of a status and a reason: a client that left is unknown; 5xx, a cut response, or anything on
    /// the account of endpoint or proxy is failure; the rest, 4xx included, was served.
    pub fn of(status: Option<u16>, reason: Reason) -> Self {
        match reason.blame() {
            Blame::Endpoint | Blame::Proxy => Self::Failure,
            Blame::Downstream
                if matches!(reason, Reason::DownstreamClosed | Reason::ResponseTimeout) =>
            {
                Self::Unknown
            }
            Blame::Downstream | Blame::Nobody if status.is_some_and(|status| status >= 500) => {
                Self::Failure
            }
            Blame::Downstream | Blame::Nobody => Self::Success,
        }
    }
}

/// Declares an axis of the state: variant, letter.
macro_rules! axis {
    ($(#[$doc:meta])* $name:ident { $(#[doc = $vdoc:literal] $variant:ident = $letter:literal;)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum $name { $(#[doc = $vdoc] $variant,)* }

        impl $name {
            /// All, in the order of their numbers: append only.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];
            /// The letter in the state.
            pub const fn letter(self) -> u8 {
                match self { $(Self::$variant => $letter,)* }
            }
            /// What it means, a sentence for people.
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $vdoc.trim_ascii(),)* }
            }
        }
    };
}

axis! {
    /// Who ended an exchange.
    Who {
        /// Nobody: a normal end.
        Normal = b'-';
        /// The downstream closed.
        DownstreamClosed = b'C';
        /// The downstream was too slow.
        DownstreamTimeout = b'c';
        /// The endpoint refused, closed, reset or answered nonsense.
        EndpointFailed = b'S';
        /// The endpoint was too slow.
        EndpointTimeout = b's';
        /// A rule or limit on requests.
        Rule = b'P';
        /// Answered here.
        Local = b'L';
        /// A resource of the proxy ran out, or its system refused one.
        Resource = b'R';
        /// No endpoint in rotation.
        NoEndpoint = b'D';
        /// A fault of the proxy.
        Internal = b'I';
        /// The drain.
        Killed = b'K';
    }
}

axis! {
    /// How far an exchange came.
    Phase {
        /// Reading the request.
        Request = b'R';
        /// Waiting for a permit (`limits.in_flight`), or for an endpoint.
        Queue = b'Q';
        /// Connecting.
        Connect = b'C';
        /// Waiting for the response head.
        Head = b'H';
        /// In the response.
        Data = b'D';
        /// At its end.
        Done = b'-';
    }
}

/// Who × phase, two letters such as `SH`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct State {
    who: Who,
    phase: Phase,
}

impl State {
    /// Of a reason and how far it came; a normal end is always `--`.
    pub fn new(reason: Reason, phase: Phase) -> Self {
        let phase = if reason == Reason::Complete { Phase::Done } else { phase };
        Self { who: reason.who(), phase }
    }

    /// The two letters.
    pub fn as_str(self) -> &'static str {
        STATES
            .get(usize::from(self.to_u8()))
            .and_then(|letters| std::str::from_utf8(letters).ok())
            .unwrap_or("??")
    }

    /// The number in the journal: who × 8 + phase.
    pub const fn to_u8(self) -> u8 {
        (self.who as u8) << 3 | self.phase as u8
    }

    /// From the number in the journal; `None` for one of a newer version.
    pub fn from_u8(number: u8) -> Option<Self> {
        let who = *Who::ALL.get(usize::from(number >> 3))?;
        let phase = *Phase::ALL.get(usize::from(number & 7))?;
        Some(Self { who, phase })
    }
}

/// Letters of every state, by number.
static STATES: [[u8; 2]; 88] = {
    let mut states = [[b'?'; 2]; 88];
    let mut who = 0;
    while who < Who::ALL.len() {
        let mut phase = 0;
        while phase < Phase::ALL.len() {
            states[who * 8 + phase] = [Who::ALL[who].letter(), Phase::ALL[phase].letter()];
            phase += 1;
        }
        who += 1;
    }
    states
};

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: nobody renumbers, renames or moves the blame by accident: journals and dashboards
    /// hold these. Method: the whole vocabulary once more, written out.
    #[test]
    fn reasons_keep_number_text_and_blame() {
        use Blame::{Downstream, Endpoint, Nobody, Proxy};
        let want = [
            ("complete", Nobody),
            ("answered_locally", Nobody),
            ("no_route", Downstream),
            ("no_endpoint", Endpoint),
            ("bad_request", Downstream),
            ("method_not_allowed", Downstream),
            ("uri_too_long", Downstream),
            ("head_too_large", Downstream),
            ("body_too_large", Downstream),
            ("expectation_failed", Downstream),
            ("loop_detected", Proxy),
            ("downstream_closed", Downstream),
            ("head_timeout", Downstream),
            ("body_timeout", Downstream),
            ("response_timeout", Downstream),
            ("bad_body", Downstream),
            ("dns_failed", Endpoint),
            ("connect_refused", Endpoint),
            ("connect_timeout", Endpoint),
            ("connect_failed", Endpoint),
            ("first_byte_timeout", Endpoint),
            ("upstream_idle_timeout", Endpoint),
            ("upstream_closed", Endpoint),
            ("upstream_reset", Endpoint),
            ("upstream_bad_response", Endpoint),
            ("connection_limit", Proxy),
            ("journal_full", Proxy),
            ("drain_timeout", Proxy),
            ("internal", Proxy),
            ("tls_failed", Downstream),
            ("closed_without_request", Downstream),
            ("idle_timeout", Downstream),
            ("queue_full", Proxy),
            ("queue_timeout", Proxy),
            ("no_descriptor", Proxy),
            ("no_local_port", Proxy),
            ("no_memory", Proxy),
            ("connect_denied", Proxy),
        ];
        let texts: Vec<_> = Reason::ALL.iter().map(|reason| reason.as_str()).collect();
        assert_eq!(&texts[..want.len()], want.map(|(text, _)| text), "append only");
        for (number, (&reason, (text, blame))) in Reason::ALL.iter().zip(want).enumerate() {
            assert_eq!(usize::from(reason.to_u8()), number, "{text}");
            assert_eq!(reason.blame(), blame, "{text}");
        }
    }

    #[test]
    fn numbers_and_texts_are_unique_and_come_back() {
        let mut texts = std::collections::HashSet::new();
        for (number, &reason) in Reason::ALL.iter().enumerate() {
            assert_eq!(usize::from(reason.to_u8()), number, "no holes");
            assert_eq!(Reason::from_u8(reason.to_u8()), Some(reason));
            assert!(texts.insert(reason.as_str()), "{}", reason.as_str());
            assert!(reason.meaning().ends_with('.'), "{}", reason.meaning());
            for &phase in Phase::ALL {
                let state = State::new(reason, phase);
                assert_eq!(State::from_u8(state.to_u8()), Some(state));
                assert_eq!(state.as_str().len(), 2);
            }
        }
        assert_eq!(Reason::from_u8(200), None);
        assert_eq!(State::from_u8(0xff), None);
    }

    #[test]
    fn state_and_outcome_say_whose_doing_it_was() {
        use Outcome::{Failure, Success, Unknown};
        for (reason, phase, status, state, outcome) in [
            (Reason::Complete, Phase::Data, Some(200), "--", Success),
            (Reason::Complete, Phase::Data, Some(404), "--", Success),
            (Reason::Complete, Phase::Data, Some(500), "--", Failure),
            (Reason::DownstreamClosed, Phase::Head, None, "CH", Unknown),
            (Reason::ResponseTimeout, Phase::Data, Some(200), "cD", Unknown),
            (Reason::FirstByteTimeout, Phase::Head, Some(504), "sH", Failure),
            (Reason::ConnectRefused, Phase::Connect, Some(502), "SC", Failure),
            (Reason::UpstreamReset, Phase::Data, Some(200), "SD", Failure),
            (Reason::NoRoute, Phase::Request, Some(404), "PR", Success),
            (Reason::NoEndpoint, Phase::Queue, Some(503), "DQ", Failure),
            (Reason::QueueTimeout, Phase::Queue, Some(503), "RQ", Failure),
            (Reason::NoDescriptor, Phase::Connect, Some(503), "RC", Failure),
            (Reason::DrainTimeout, Phase::Data, Some(200), "KD", Failure),
        ] {
            assert_eq!(State::new(reason, phase).as_str(), state, "{reason:?}");
            assert_eq!(Outcome::of(status, reason), outcome, "{reason:?} {status:?}");
        }
    }
}
