//! What a failed attempt says of the endpoint: one kind for each reason.
//!
//! Not here: what follows from it (`outlier`).

use crate::record::Reason;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::proxy) enum FailureKind {
    /// No connection. No request can provoke it: it counts at once, in a row.
    Unreachable,
    /// Nothing came in time. A slow URL provokes it: it counts in a row only while the endpoint
    /// answers nobody, else by share.
    Silent,
    /// The answer was cut or malformed. One URL provokes it at will: it counts by share alone.
    Broken,
    /// The client's doing, our own shortage, our own fault: it never counts.
    NotTheEndpoint,
}

impl From<Reason> for FailureKind {
    fn from(reason: Reason) -> Self {
        match reason {
            Reason::DnsFailed
            | Reason::ConnectRefused
            | Reason::ConnectTimeout
            | Reason::ConnectFailed => Self::Unreachable,
            Reason::FirstByteTimeout => Self::Silent,
            Reason::UpstreamClosed
            | Reason::UpstreamReset
            | Reason::UpstreamBadResponse
            | Reason::UpstreamIdleTimeout => Self::Broken,
            Reason::Complete
            | Reason::AnsweredLocally
            | Reason::NoRoute
            | Reason::NoEndpoint
            | Reason::BadRequest
            | Reason::MethodNotAllowed
            | Reason::UriTooLong
            | Reason::HeadTooLarge
            | Reason::BodyTooLarge
            | Reason::ExpectationFailed
            | Reason::LoopDetected
            | Reason::DownstreamClosed
            | Reason::HeadTimeout
            | Reason::BodyTimeout
            | Reason::ResponseTimeout
            | Reason::BadBody
            | Reason::ConnectionLimit
            | Reason::JournalFull
            | Reason::DrainTimeout
            | Reason::Internal
            | Reason::TlsFailed
            | Reason::ClosedWithoutRequest
            | Reason::IdleTimeout
            | Reason::QueueFull
            | Reason::QueueTimeout
            | Reason::NoDescriptor
            | Reason::NoLocalPort
            | Reason::NoMemory
            | Reason::ConnectDenied => Self::NotTheEndpoint,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Blame;

    #[test]
    fn what_counts_is_what_the_endpoint_is_to_blame_for() {
        for &reason in Reason::ALL.iter().filter(|&&reason| reason != Reason::NoEndpoint) {
            let counts = FailureKind::from(reason) != FailureKind::NotTheEndpoint;
            assert_eq!(counts, reason.blame() == Blame::Endpoint, "{reason:?}");
        }
    }
}
