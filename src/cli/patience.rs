//! Asks a server again until it answers: one that starts beside lbproxy takes a while.
//!
//! Not here: which problems pass (`elk::problem`), what is said of a try (the callers).

use std::time::{Duration, Instant};

use crate::elk::problem::Problem;
use crate::web;

/// Asks until there is an answer, waiting does not help, or the time is over; `tell` hears of each try that
/// another one follows, with the time that is left. The last try may end later, by the limit of one request.
///
/// # Errors
/// That of the last try.
pub(super) async fn ask<T>(
    within: Duration,
    pauses: (Duration, Duration),
    mut tell: impl FnMut(&Problem, Duration),
    mut ask: impl AsyncFnMut() -> Result<T, Problem>,
) -> Result<T, Problem> {
    let begin = Instant::now();
    let mut tries = 0;
    loop {
        let problem = match ask().await {
            Err(problem) if problem.may_pass() => problem,
            ended => return ended,
        };
        let left = within.saturating_sub(begin.elapsed());
        if left.is_zero() {
            return Err(problem);
        }
        tell(&problem, left);
        tokio::time::sleep(web::backoff(pauses, tries).min(left)).await;
        tries += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::elk::problem::Fault;

    /// Goal: what may pass is waited for, and nothing else. Method: a row per kind of answer, without a pause.
    #[test]
    fn a_server_is_asked_again_while_that_may_help() {
        let within = Duration::from_mins(1);
        for (name, fault, cure, within, want) in [
            ("starting", Fault::NotSent, "", within, Ok(3)),
            ("overloaded", Fault::Overloaded, "", within, Ok(3)),
            ("half an answer", Fault::Unknown, "", within, Ok(3)),
            ("no time", Fault::NotSent, "", Duration::ZERO, Err(1)),
            ("a wrong certificate", Fault::NotSent, "name its authority", within, Err(1)),
            ("its users are not loaded", Fault::Unauthorized, "", within, Ok(3)),
            ("rights", Fault::Forbidden, "", within, Err(1)),
        ] {
            let (mut tries, mut told) = (0, 0);
            let answer = async || {
                tries += 1;
                if tries < 3 {
                    Err(Problem { cure, ..Problem::new(fault, "x") })
                } else {
                    Ok(tries)
                }
            };
            let pauses = (Duration::ZERO, Duration::ZERO);
            let asking = ask(within, pauses, |_, _| told += 1, answer);
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
            let got = runtime.unwrap().block_on(asking).map_err(|problem| problem.fault);
            assert_eq!(got, want.map_err(|_| fault), "{name}");
            assert_eq!(tries, want.unwrap_or_else(|tries| tries), "{name}");
            assert_eq!(told, want.map_or(0, |tries| tries - 1), "{name}");
        }
    }
}
