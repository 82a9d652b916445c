//! The command line: one file per subcommand, and the only place that prints.
//!
//! Exit codes: 0 fine, 1 failure at run time, 2 usage or configuration.

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};

mod check;
mod completions;
mod demo;
mod health;
mod interrupt;
mod kept_log;
mod log;
mod man;
mod number;
mod objectives;
mod output;
mod patience;
mod probe;
mod process;
mod run;
mod schema;
mod setup;
mod signals;
mod slo;
mod top;
mod upstream;

/// Reverse proxy and load balancer whose every request becomes a record that survives.
#[derive(Debug, Parser)]
#[command(name = "lbproxy", version, propagate_version = true, after_help = EXAMPLES)]
struct Cli {
    /// How lbproxy writes its own messages to standard error.
    #[arg(long, global = true, value_enum, default_value_t)]
    log_format: output::LogFormat,
    /// What to do.
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  lbproxy demo                           see it work; nothing else needed
  lbproxy check --config proxy.yaml      every mistake at once, with line and cure
  lbproxy setup --dry-run                what would be installed on Elasticsearch or OpenSearch
  lbproxy run --config proxy.yaml        proxy, journal and ship
  lbproxy top                            watch services and endpoints
  lbproxy log tail                       watch requests as they end
  lbproxy log audit                      is every record on the server, and once?
  RUST_LOG=lbproxy=debug lbproxy run     more of the proxy's own messages";

/// The subcommands, in the order of `--help`.
#[derive(Debug, Subcommand)]
enum Command {
    /// Run the proxy.
    Run(run::Args),
    /// Validate a configuration: all mistakes at once, each with file, line, column and cure.
    Check(check::Args),
    /// Show lbproxy at work: upstreams, traffic, proxy and journal in one process.
    Demo(demo::Args),
    /// Install templates, retention and credentials for shipping on Elasticsearch or OpenSearch.
    Setup(setup::Args),
    /// Watch a running proxy: services, endpoints, rates, latencies, shipping.
    Top(top::Args),
    /// Read the journal: tail, query, stats, export; audit the server against it; resend dead letters.
    Log(log::Args),
    /// Run a mock server that answers what it received, with scripted delays and faults.
    Upstream(upstream::Args),
    /// Ask whether a proxy, a watcher or a mock answers: for HEALTHCHECK and exec probes.
    Health(health::Args),
    /// Send one request through a proxy and find its document on the server.
    Probe(probe::Args),
    /// Service level objectives: check their files, try channels, back-test, report.
    Slo(slo::Args),
    /// Print the schema of the configuration, of objectives, of the records or of the index templates.
    Schema(schema::Args),
    /// Print completions for a shell.
    Completions(completions::Args),
    /// Print the manual page.
    Man(man::Args),
}

/// The whole command line, for completions and the manual.
fn command() -> clap::Command {
    Cli::command()
}

/// What this process makes from now on others than owner and group cannot read: records hold addresses
/// and URLs. A stricter umask stays.
fn shut_out_others() {
    use rustix::fs::Mode;
    let before = rustix::process::umask(Mode::RWXG | Mode::RWXO);
    rustix::process::umask(before | Mode::WGRP | Mode::RWXO);
}

/// Runs the command line of this process.
pub fn run() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    shut_out_others();
    if !matches!(cli.command, Command::Run(_)) {
        output::start_log(cli.log_format, None);
    }
    let result = match cli.command {
        // Its log depends on its configuration.
        Command::Run(args) => run::run(args, cli.log_format),
        Command::Check(args) => check::run(args),
        Command::Demo(args) => demo::run(&args),
        Command::Setup(args) => setup::run(&args),
        Command::Top(args) => top::run(&args),
        Command::Log(args) => log::run(args),
        Command::Upstream(args) => upstream::run(args),
        Command::Health(args) => health::run(&args),
        Command::Probe(args) => probe::run(&args),
        Command::Slo(args) => slo::run(&args),
        Command::Schema(args) => schema::run(args),
        Command::Completions(args) => completions::run(&args),
        Command::Man(args) => man::run(&args),
    };
    match result {
        Ok(code) => code,
        Err(error) => output::fail(&error),
    }
}

#[cfg(test)]
mod tests {
    /// Goal: nobody has to guess how a command is called. Method: the help of each one.
    #[test]
    fn every_help_has_examples() {
        fn check(command: &clap::Command) {
            let name = command.get_bin_name().unwrap_or_else(|| command.get_name());
            let examples = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(examples.contains("Examples:\n"), "{name} has no examples");
            command.get_subcommands().filter(|sub| sub.get_name() != "help").for_each(check);
        }
        let mut command = super::command();
        command.build();
        check(&command);
    }

    #[test]
    fn the_command_line_is_consistent() {
        super::command().debug_assert();
    }
}
