//! `lbproxy upstream`: the mock server in the foreground.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;

use super::interrupt::Interrupt;
use super::output::{self, UsageError};
use crate::base::units;
use crate::mock::upstream::{self, Fault, Imperfection, KEYS, Options, Script};

/// Arguments of `lbproxy upstream`.
#[derive(Debug, clap::Args)]
#[command(after_help = help())]
pub(super) struct Args {
    /// Address to listen on; port 0 takes any free one, which is printed.
    #[arg(long, value_parser = address, default_value = "127.0.0.1:9090", value_name = "ADDRESS")]
    listen: SocketAddr,
    /// Stands in every answer, to tell several apart.
    #[arg(long, default_value = "upstream")]
    name: String,
    /// Wait before every answer.
    #[arg(long, value_parser = duration, value_name = "DURATION")]
    delay: Option<Duration>,
    /// Further wait, up to this much, evenly spread.
    #[arg(long, value_parser = duration, default_value = "0ms", value_name = "DURATION")]
    jitter: Duration,
    /// Share of requests answered 503.
    #[arg(long, value_parser = share, default_value = "0", value_name = "SHARE")]
    fail_share: f64,
    /// Share of requests whose connection is reset without an answer.
    #[arg(long, value_parser = share, default_value = "0", value_name = "SHARE")]
    reset_share: f64,
    /// Share of requests that wait `--slow-delay` longer.
    #[arg(long, value_parser = share, default_value = "0", value_name = "SHARE")]
    slow_share: f64,
    /// How much longer they wait.
    #[arg(long, value_parser = duration, default_value = "500ms", value_name = "DURATION")]
    slow_delay: Duration,
    /// Seed of the shares above, to repeat a run.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Answer with a ready-made body of this size instead of the echo: the fast way, for load.
    #[arg(long, value_parser = size, value_name = "SIZE")]
    plain: Option<u64>,
    /// What is done to every request that does not ask for something else.
    #[arg(long, value_name = "lb_KEY=VALUE&...")]
    script: Option<String>,
}

/// The keys and examples, from the tables that are also the parser's.
fn help() -> String {
    let mut text = String::from(
        "What a request can ask for, in its query as `lb_delay=50ms` or in a header as \
         `x-lb-delay: 50ms`:\n",
    );
    for (key, form, meaning) in KEYS {
        let _ = writeln!(text, "  {:<34}{meaning}", format!("lb_{key}={form}"));
    }
    let faults: Vec<_> = Fault::ALL.iter().map(|(name, _)| *name).collect();
    let _ = write!(
        text,
        "Faults: {}\n  (-head: after half of the head; -body: after `lb_cut` bytes of the body)\n\n\
         Examples:\n  \
         lbproxy upstream --listen 127.0.0.1:9090 --name one\n  \
         lbproxy upstream --plain 1KiB                       a load target\n  \
         lbproxy upstream --fail-share 0.05 --jitter 5ms     an imperfect endpoint\n  \
         curl 'localhost:9090/a?lb_delay=50ms&lb_status=503'\n  \
         curl -H 'x-lb-fault: close-body' localhost:9090/a",
        faults.join(", ")
    );
    text
}

/// For clap: an address to listen on.
fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "write an IP address and a port, such as 127.0.0.1:9090".into())
}

/// For clap: a duration.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    units::parse_duration(text)
        .ok_or_else(|| "write a number and a unit, such as 50ms or 2s".into())
}

/// For clap: a size.
pub(super) fn size(text: &str) -> Result<u64, String> {
    units::parse_bytes(text)
        .ok_or_else(|| "write a number and a unit, such as 512B or 64KiB".into())
}

/// For clap: a share.
fn share(text: &str) -> Result<f64, String> {
    let share = text.parse().ok().filter(|share| (0.0..=1.0).contains(share));
    share.ok_or_else(|| "write a number from 0 to 1, such as 0.05".into())
}

/// Runs it until Ctrl-C.
///
/// # Errors
/// A wrong script; an address that cannot be listened on.
pub(super) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let mut script = Script::default();
    let text = args.script.as_deref().unwrap_or("");
    if let Some(pair) = text.split('&').find(|pair| !pair.is_empty() && !pair.starts_with("lb_")) {
        let problem = format!("--script: {pair:?} does not begin with lb_; write lb_KEY=VALUE");
        return Err(UsageError(problem).into());
    }
    script.apply_query(text).map_err(|mistake| UsageError(format!("--script: {mistake}")))?;
    script.delay = args.delay.unwrap_or(script.delay);
    script.size = args.plain.or(script.size);
    let options = Options {
        address: args.listen,
        name: args.name,
        script,
        imperfection: Imperfection {
            fail_share: args.fail_share,
            reset_share: args.reset_share,
            slow_share: args.slow_share,
            slow_delay: args.slow_delay,
            jitter: args.jitter,
            seed: args.seed,
        },
        recorded_max: 0,
    };
    let interrupt = Interrupt::install().context("cannot watch for Ctrl-C")?;
    let name = options.name.clone();
    let running = upstream::start(options).with_context(|| {
        format!("cannot listen on {}; choose another with --listen", args.listen)
    })?;
    output::line(&format!("{name} listens on http://{}", running.address()))?;
    interrupt.wait();
    let (requests, connections) = (running.requests(), running.connections());
    running.stop();
    output::line(&format!("{requests} requests on {connections} connections"))?;
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_told_with_an_example() {
        for (text, is_one) in
            [("127.0.0.1:9090", true), ("[::1]:0", true), ("9090", false), (":9090", false)]
        {
            let said = address(text);
            assert_eq!(said.is_ok(), is_one, "{text}");
            assert!(said.is_ok() || said.unwrap_err().contains("such as 127.0.0.1:9090"), "{text}");
        }
    }
}
