//! The command line: what can be written, and how each command ends.
//!
//! Owns the flags, the help, the process's outputs and exit codes: 0 done, 1 failed while running
//! (or nothing found), 2 wrong usage or configuration. What a flag means is `config`'s.

mod failure;
mod help;
mod options;
mod shell;

use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, CommandFactory as _, Parser, Subcommand};
use clap_complete::Shell;

use crate::commands::cert::{self, Ask, Haste, Why};
use crate::commands::check;
use crate::commands::config::{self as show, Form};
use crate::commands::eval;
use crate::commands::search::{self, Question};
use crate::config::{self, Config, Flags, Log, LogFormat, LogLevel};
use crate::docs::Source;
use crate::server;
use failure::Failure;
use help::{
    ABOUT, AFTER_HELP, CERT_HELP, CHECK_HELP, COMPLETIONS_HELP, CONFIG_HELP, EVAL_HELP, LONG_ABOUT, MAN_HELP,
    SEARCH_HELP, STDIO_HELP,
};
use options::{Certificate, Documents, Network, Process, Reading};

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
    let Some(command) = cli.command else {
        let config = cli.serve.load(flags)?;
        refuse_mistyped_command(&config)?;
        return serve(config);
    };
    match command {
        Command::Serve(arguments) => return serve(arguments.load(flags)?),
        Command::Stdio(arguments) => {
            arguments.documents.push(&mut flags);
            arguments.reading.push(&mut flags);
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
        Command::Eval(Eval { queries, limit, json, documents, process }) => {
            documents.push(&mut flags);
            let config = process.load(flags)?;
            log(&config.log, "warn");
            let mut answer = Vec::new();
            let all = block_on(eval::run(config, &queries, limit, json, &mut answer))?;
            print(&answer)?;
            return Ok(if all { ExitCode::SUCCESS } else { ExitCode::from(1) });
        }
        Command::Check(arguments) => return check(arguments, flags),
        Command::Config(arguments) => {
            let form = if arguments.json { Form::Json } else { Form::Toml };
            print(show::run(&arguments.server.effective(flags)?, form).as_bytes())?;
        }
        Command::Completions { shell } => print(&shell::completions(shell))?,
        Command::Man { command, write } => match write {
            Some(folder) => drop(shell::write_man(&folder).map_err(|error| Failure::pages(&folder, &error))?),
            None => print(&shell::man(&command).ok().flatten().ok_or_else(|| Failure::no_page(&command))?)?,
        },
    }
    Ok(ExitCode::SUCCESS)
}

/// A first source that does not exist and reads like a command is probably meant to be one.
fn refuse_mistyped_command(config: &Config) -> Result<(), Failure> {
    let Some(Source::Path(path)) = config.sources.first().filter(|_| !config.docs.source_wait) else {
        return Ok(());
    };
    let Some(word) = path.to_str().filter(|word| !word.contains(['/', '\\', '.']) && !path.exists()) else {
        return Ok(());
    };
    let command = Cli::command();
    let names = command.get_subcommands().map(clap::Command::get_name).chain(["help"]);
    match config::nearest(word, names) {
        Some(name) => Err(Failure {
            what: format!("there is no command, file or folder `{word}`"),
            cause: "what is no command is taken for a source".to_owned(),
            help: format!("did you mean the command: docquay {name}"),
            code: ExitCode::from(2),
        }),
        None => Ok(()),
    }
}

fn serve(config: Config) -> Result<ExitCode, Failure> {
    log(&config.log, "info");
    block_on(server::serve(config, &mut io::stderr()))?;
    Ok(ExitCode::SUCCESS)
}

fn check(arguments: Check, flags: Flags) -> Result<ExitCode, Failure> {
    let config = arguments.server.load(flags)?;
    // What is wrong is in the answer: told once.
    log(&config.log, "off");
    let trial = if arguments.dry_run { check::Trial::Order } else { check::Trial::None };
    let report =
        block_on(async { Ok(check::run(config, trial, &check::Surroundings::of_this_machine()).await) })?;
    let answer = if arguments.json { report.json() } else { report.text(colours(&io::stdout())) };
    print(answer.as_bytes())?;
    Ok(if report.failed() { ExitCode::from(1) } else { ExitCode::SUCCESS })
}

/// Whether a stream may be coloured: it is a terminal, and nobody said no (no-color.org).
fn colours(stream: &impl IsTerminal) -> bool {
    stream.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
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
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(colours(&io::stderr()))
        .with_target(false);
    // A second subscriber in one process (an embedder's) is theirs to keep.
    let _ = match log.format {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
}

#[derive(Debug, Parser)]
#[command(name = "docquay", version, long_version = shell::LONG_VERSION, about = ABOUT, long_about = LONG_ABOUT, after_long_help = AFTER_HELP)]
#[command(args_conflicts_with_subcommands = true, max_term_width = 100)]
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
    /// Measure how well a search finds the answers of a file of questions
    #[command(after_long_help = EVAL_HELP)]
    Eval(Eval),
    /// Try everything that the server needs, with the exact fix for what is amiss
    #[command(after_long_help = CHECK_HELP)]
    Check(Check),
    /// Print the configuration that takes effect, and where each value came from
    #[command(after_long_help = CONFIG_HELP)]
    Config(Show),
    /// Print a completion script for a shell
    #[command(after_long_help = COMPLETIONS_HELP)]
    Completions {
        /// Which shell
        shell: Shell,
    },
    /// Print a man page
    #[command(after_long_help = MAN_HELP)]
    Man {
        /// Of this command, else of docquay itself
        command: Vec<String>,
        /// Write the pages of every command into this folder instead
        #[arg(long, value_name = "FOLDER", conflicts_with = "command")]
        write: Option<PathBuf>,
    },
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
    process: Process,
}

#[derive(Debug, Args)]
struct Eval {
    /// A question a line: the words, a tab, and the ids that answer it
    #[arg(value_name = "QUERIES")]
    queries: PathBuf,
    /// Found is what is among so many results
    #[arg(short = 'n', long, value_name = "NUMBER", default_value_t = 10, help_heading = "Search")]
    #[arg(value_parser = clap::value_parser!(u8).range(1..=50))]
    limit: u8,
    /// One JSON object: the figures, and the rank of each question
    #[arg(long, help_heading = "Search")]
    json: bool,
    #[command(flatten)]
    documents: Documents,
    #[command(flatten)]
    process: Process,
}

#[derive(Debug, Args)]
struct Check {
    /// One JSON array; each check with its outcome, what, cause and help
    #[arg(long, help_heading = "Check")]
    json: bool,
    /// Order a certificate from the staging CA too, and keep nothing of it
    #[arg(long, help_heading = "Check")]
    dry_run: bool,
    #[command(flatten)]
    server: Serving,
}

#[derive(Debug, Args)]
struct Show {
    /// One JSON object instead of TOML
    #[arg(long, help_heading = "Form")]
    json: bool,
    #[command(flatten)]
    server: Serving,
}

impl Serving {
    fn load(self, flags: Flags) -> Result<Config, config::Error> {
        self.effective(flags).map(|effective| effective.config)
    }

    fn effective(self, mut flags: Flags) -> Result<config::Effective, config::Error> {
        self.documents.push(&mut flags);
        self.reading.push(&mut flags);
        self.network.push(&mut flags);
        self.certificate.push(&mut flags);
        self.process.effective(flags)
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
