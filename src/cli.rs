//! The command line: what can be written, and how each command ends.
//!
//! Owns the flags, the help, the process's outputs and exit codes: 0 done, 1 failed while running
//! (or nothing found), 2 wrong usage or configuration. What a flag means is `config`'s.

use std::ffi::OsString;
use std::fmt;
use std::io::{self, Write};
use std::iter;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::builder::Resettable;
use clap::{Args, Parser, Subcommand};

use crate::commands::search::{self, Question};
use crate::config::{self, Config, Flags, Log, LogFormat, LogLevel};
use crate::docs::SourceError;
use crate::server;

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
            let config = arguments.process.load(flags)?;
            log(&config.log, "info");
            block_on(server::serve(config, &mut io::stderr()))?;
        }
        Command::Stdio(arguments) => {
            arguments.documents.push(&mut flags);
            arguments.reading.push(&mut flags);
            let config = arguments.process.load(flags)?;
            log(&config.log, "info");
            block_on(server::stdio(config))?;
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
    process: Process,
}

#[derive(Debug, Args)]
struct Stdio {
    #[command(flatten)]
    documents: Documents,
    #[command(flatten)]
    reading: Reading,
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

#[derive(Debug, Args)]
#[command(next_help_heading = "Documents")]
struct Documents {
    /// A folder, a file, or a .json index (path or URL); none: docquay's own manual
    #[arg(value_name = "SOURCE", help_heading = Resettable::Reset)]
    sources: Vec<String>,
    /// Where the same pages are published, for their links
    #[arg(long, value_name = "URL")]
    site_url: Option<String>,
}

/// For commands that outlive the first reading.
#[derive(Debug, Args)]
#[command(next_help_heading = "Documents")]
struct Reading {
    /// Time between scans of a folder and polls of a URL [default: 30s]
    #[arg(long, value_name = "TIME")]
    reload_every: Option<String>,
    /// Wait for a missing folder instead of ending
    #[arg(long)]
    source_wait: bool,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Network")]
struct Network {
    /// Port to listen on; 0 for any free one [default: 8080]
    #[arg(short, long, value_name = "PORT")]
    port: Option<String>,
    /// Address to listen on; [::] for all, IPv4 too [default: 127.0.0.1]
    #[arg(short, long, value_name = "ADDRESS")]
    bind: Option<String>,
    /// How clients reach this server: https://docs.example.com
    #[arg(long, value_name = "URL")]
    base_url: Option<String>,
    /// Host name to answer to besides loopback; * for any; repeatable
    #[arg(long, value_name = "HOST")]
    allow_host: Vec<String>,
    /// Web origin that may call: https://app.example.com; repeatable
    #[arg(long, value_name = "ORIGIN")]
    allow_origin: Vec<String>,
    /// Silence on a stream before a comment goes out; 0 for none [default: 15s]
    #[arg(long, value_name = "TIME")]
    sse_keep_alive: Option<String>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Process")]
struct Process {
    /// Read this file [default: ./docquay.toml, if there is one]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// error, warn, info, debug, trace, or directives [default: info; search: warn]
    #[arg(long, value_name = "LEVEL")]
    log_level: Option<String>,
    /// text or json [default: text]
    #[arg(long, value_name = "FORMAT")]
    log_format: Option<String>,
    /// Change a limit: http.body_bytes=1MiB; repeatable (--help lists them)
    #[arg(long, value_name = "KEY=VALUE", long_help = limits_help())]
    limits: Vec<String>,
}

impl Documents {
    fn push(self, flags: &mut Flags) {
        flags.push("source", "SOURCE", self.sources);
        flags.push("site_url", "--site-url", self.site_url);
    }
}

impl Reading {
    fn push(self, flags: &mut Flags) {
        flags.push("reload_every", "--reload-every", self.reload_every);
        flags.push("source_wait", "--source-wait", self.source_wait.then(|| "true".to_owned()));
    }
}

impl Network {
    fn push(self, flags: &mut Flags) {
        flags.push("port", "--port", self.port);
        flags.push("bind", "--bind", self.bind);
        flags.push("base_url", "--base-url", self.base_url);
        flags.push("allow_host", "--allow-host", self.allow_host);
        flags.push("allow_origin", "--allow-origin", self.allow_origin);
        flags.push("sse_keep_alive", "--sse-keep-alive", self.sse_keep_alive);
    }
}

impl Process {
    /// Adds its own flags to the others and reads the rest of the configuration.
    fn load(self, mut flags: Flags) -> Result<Config, config::Error> {
        flags.push("log_level", "--log-level", self.log_level);
        flags.push("log_format", "--log-format", self.log_format);
        self.limits.iter().try_for_each(|limit| flags.push_limit(limit))?;
        let variable = |name: &str| std::env::var_os(name);
        Config::load(flags, &variable, self.config.as_deref(), Path::new(""))
    }
}

fn limits_help() -> String {
    let limits = config::limits().map(|(key, default)| format!("\n  {key}={default}"));
    let head = "Change a limit: http.body_bytes=1MiB; repeatable. The limits with their defaults:";
    iter::once(head.to_owned()).chain(limits).collect()
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
  docquay search 'rotate a key' docs
  claude mcp add docs -- docquay stdio docs

Every option is also a variable (--base-url: DOCQUAY_BASE_URL; lists with commas) and a key of
docquay.toml (base_url; a limit: [limits.http] body_bytes). A flag beats a variable beats the file.
Exit codes: 0 done, 1 failed while running, 2 wrong usage or configuration.
SIGHUP reads the sources again; SIGTERM and SIGINT let running requests finish.";
const STDIO_HELP: &str = "\
Examples:
  claude mcp add docs -- docquay stdio ./docs
  docquay stdio https://docs.example.com/index.json

Nothing but messages goes to stdout; logs go to stderr.";
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
