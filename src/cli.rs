//! The command line: what can be written, and how each command ends.
//!
//! Owns the flags, the help, the process's outputs and exit codes: 0 done, 1 failed while running
//! (or nothing found), 2 wrong usage or configuration. What a flag means is `config`'s.

mod options;

use std::ffi::OsString;
use std::fmt;
use std::io::{self, Write};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::commands::cert::{self, Ask, Haste, Why};
use crate::commands::search::{self, Question};
use crate::config::{self, Flags, Log, LogFormat, LogLevel};
use crate::docs::SourceError;
use crate::server;
use options::{Asked, Certificate, Documents, Network, Observed, Process, Reading};

/// Parses `arguments` (the first is the program's name), runs the command, and says how it ended.
#[must_use]
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    match execute(cli) {
        Ok(code) => code,
        Err(failure) => {
            // With stderr gone too there is nobody left to tell.
            let _ = write!(io::stderr().lock(), "{failure}");
            failure.code
        }
    }
}

fn execute(cli: Cli) -> Result<ExitCode, Failure> {
    let mut flags = Flags::default();
    match cli.command.unwrap_or(Command::Serve(cli.serve)) {
        Command::Serve(arguments) => {
            arguments.documents.push(&mut flags);
            arguments.reading.push(&mut flags);
            arguments.network.push(&mut flags);
            arguments.certificate.push(&mut flags);
            arguments.observed.push(&mut flags);
            arguments.asked.push(&mut flags);
            let config = arguments.process.load(flags)?;
            log(&config.log, "info");
            block_on(server::serve(config, &mut io::stderr()))?;
        }
        Command::Stdio(arguments) => {
            arguments.documents.push(&mut flags);
            arguments.reading.push(&mut flags);
            arguments.asked.push(&mut flags);
            let config = arguments.process.load(flags)?;
            log(&config.log, "info");
            block_on(server::stdio(config))?;
        }
        Command::Cert(asked) => {
            let (ask, server) = match asked {
                Cert::Status { json, server } => (Ask::Status { json }, server),
                Cert::Renew { force: false, server } => (Ask::Renew(Haste::Patient), server),
                Cert::Renew { force: true, server } => (Ask::Renew(Haste::PassOverPause), server),
                Cert::Revoke { reason, server } => (Ask::Revoke(reason), server),
            };
            server.network.push(&mut flags);
            server.certificate.push(&mut flags);
            let config = server.process.load(flags)?;
            // A failure is the command's own error: told once.
            log(&config.log, "warn,docquay::provision::report=off");
            let mut answer = Vec::new();
            let good = block_on(cert::run(config, ask, &mut answer))?;
            print(&answer)?;
            return Ok(if good { ExitCode::SUCCESS } else { ExitCode::from(1) });
        }
        Command::Search(arguments) => {
            arguments.documents.push(&mut flags);
            let config = arguments.process.load(flags)?;
            log(&config.log, "warn");
            let mut answer = Vec::new();
            let found = block_on(search::run(config, &arguments.question, &mut answer))?;
            print(&answer)?;
            return Ok(if found { ExitCode::SUCCESS } else { ExitCode::from(1) });
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The command's answer, in one locked write. A reader that went away (`| head -1`) has what it wanted.
fn print(text: &[u8]) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure {
            what: "cannot write to the standard output".to_owned(),
            cause: error.to_string(),
            help: "check the disk or the program it is piped to".to_owned(),
            code: ExitCode::from(1),
        }),
        _ => Ok(()),
    }
}

fn usage(error: &clap::Error) -> ExitCode {
    // Help and version go to stdout with code 0, mistakes to stderr with code 2; a closed pipe is no failure.
    let _ = error.print();
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
}

/// Runs `work` on all cores. What still blocks at its end (a read of stdin, an index that is being
/// built) is left behind.
fn block_on<T>(work: impl Future<Output = Result<T, server::Error>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure {
        what: "cannot start the worker threads".to_owned(),
        cause: error.to_string(),
        help: "raise the limit of processes (ulimit -u) or of memory".to_owned(),
        code: ExitCode::from(1),
    })?;
    let outcome = runtime.block_on(work);
    runtime.shutdown_background();
    Ok(outcome?)
}

fn log(log: &Log, default: &str) {
    let filter = tracing_subscriber::EnvFilter::builder()
        .parse_lossy(log.level.as_ref().map_or(default, LogLevel::as_str));
    let ansi = io::IsTerminal::is_terminal(&io::stderr()) && std::env::var_os("NO_COLOR").is_none();
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(ansi)
        .with_target(false);
    // A second subscriber in one process (an embedder's) is theirs to keep.
    let _ = match log.format {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
}

/// How a command ends when it fails: what, why, what to do.
#[derive(Debug)]
struct Failure {
    what: String,
    cause: String,
    help: String,
    code: ExitCode,
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let indent = |text: &str| text.trim().replace('\n', "\n       ");
        writeln!(formatter, "error: {}", indent(&self.what))?;
        writeln!(formatter, "cause: {}", indent(&self.cause))?;
        writeln!(formatter, "help:  {}", indent(&self.help))
    }
}

impl From<config::Error> for Failure {
    fn from(error: config::Error) -> Self {
        Self { what: error.what, cause: error.cause, help: error.help, code: ExitCode::from(2) }
    }
}

impl From<SourceError> for Failure {
    fn from(error: SourceError) -> Self {
        Self { what: error.what, cause: error.cause, help: error.help, code: ExitCode::from(2) }
    }
}

impl From<server::Error> for Failure {
    fn from(error: server::Error) -> Self {
        match error {
            server::Error::Source(error) => error.into(),
            server::Error::Config(error) => error.into(),
            server::Error::Run { what, cause, help } => Self { what, cause, help, code: ExitCode::from(1) },
        }
    }
}

#[derive(Debug, Parser)]
#[command(name = "docquay", version, about = ABOUT, long_about = LONG_ABOUT, after_long_help = AFTER_HELP)]
#[command(args_conflicts_with_subcommands = true, disable_help_subcommand = true, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: Serving,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve over HTTP (what docquay does without a command)
    #[command(after_long_help = AFTER_HELP)]
    Serve(Serving),
    /// Serve one client over stdin and stdout
    #[command(after_long_help = STDIO_HELP)]
    Stdio(Stdio),
    /// The certificate: its state, a renewal now, a revocation
    #[command(subcommand, after_long_help = CERT_HELP)]
    Cert(Cert),
    /// Search on the command line, ranked as the server ranks
    #[command(after_long_help = SEARCH_HELP)]
    Search(Search),
}

#[derive(Debug, Args)]
struct Serving {
    #[command(flatten)]
    documents: Documents,
    #[command(flatten)]
    reading: Reading,
    #[command(flatten)]
    network: Network,
    #[command(flatten)]
    certificate: Certificate,
    #[command(flatten)]
    observed: Observed,
    #[command(flatten)]
    asked: Asked,
    #[command(flatten)]
    process: Process,
}

#[derive(Debug, Args)]
struct Stdio {
    #[command(flatten)]
    documents: Documents,
    #[command(flatten)]
    reading: Reading,
    #[command(flatten)]
    asked: Asked,
    #[command(flatten)]
    process: Process,
}

#[derive(Debug, Subcommand)]
enum Cert {
    /// What is there, until when, and what comes next; exit code 1 unless all is well
    Status {
        /// One JSON object; times are seconds since 1970
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        server: Certified,
    },
    /// Get a new one now, by the running server if there is one
    Renew {
        /// Although the pause after a failure is not over; never past four failed validations an hour
        #[arg(long)]
        force: bool,
        #[command(flatten)]
        server: Certified,
    },
    /// Tell the CA that it must not be trusted any more; a running server then gets a new one
    Revoke {
        /// Why
        #[arg(long, value_enum, default_value = "unspecified")]
        reason: Why,
        #[command(flatten)]
        server: Certified,
    },
}

/// The options of a server that has a certificate.
#[derive(Debug, Args)]
struct Certified {
    #[command(flatten)]
    network: Network,
    #[command(flatten)]
    certificate: Certificate,
    #[command(flatten)]
    process: Process,
}

#[derive(Debug, Args)]
struct Search {
    #[command(flatten)]
    question: Question,
    #[command(flatten)]
    documents: Documents,
    #[command(flatten)]
    process: Process,
}

const ABOUT: &str = "Documentation behind the Model Context Protocol";
const LONG_ABOUT: &str = "\
Documentation behind the Model Context Protocol: point docquay at a folder of Markdown or a site's
JSON index, and MCP clients search and read it at http://127.0.0.1:8080/mcp.";
const AFTER_HELP: &str = "\
Examples:
  docquay                                   serve docquay's own manual
  docquay docs                              serve a folder of Markdown
  docquay https://docs.example.com/index.json
  docquay docs --bind '[::]' --base-url https://docs.example.com
  docquay docs --domain docs.example.com --email ops@example.com --agree-tos
  docquay search 'rotate a key' docs
  claude mcp add docs -- docquay stdio docs

Every option is also a variable (--base-url: DOCQUAY_BASE_URL; lists with commas) and a key of
docquay.toml (base_url; a limit: [limits.http] body_bytes). A flag beats a variable beats the file.
Exit codes: 0 done, 1 failed while running, 2 wrong usage or configuration.
SIGHUP reads the sources and the certificate's files again; SIGTERM and SIGINT let running requests finish.";
const STDIO_HELP: &str = "\
Examples:
  claude mcp add docs -- docquay stdio ./docs
  docquay stdio https://docs.example.com/index.json

Nothing but messages goes to stdout; logs go to stderr.";
const CERT_HELP: &str = "\
Examples:
  docquay cert status --domain docs.example.com
  docquay cert renew --config /etc/docquay.toml
  docquay cert revoke --config /etc/docquay.toml --reason key-compromise

Takes the options, or the docquay.toml, of the server whose certificate it is.
Exit codes: 0 all is well, 1 not so, 2 wrong usage or configuration.";
const SEARCH_HELP: &str = "\
Examples:
  docquay search 'rotate a key' ./docs
  docquay search --json --limit 3 max_connections https://docs.example.com/index.json

Exit codes: 0 found, 1 nothing found, 2 wrong usage or configuration.";

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
