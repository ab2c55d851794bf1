//! The command line: what can be written, and how each command ends.
//!
//! Owns the flags, the help, the process's outputs and exit codes: 0 done, 1 failed while running
//! (or nothing found), 2 wrong usage or configuration. What a flag means is `config`'s.

mod arguments;
mod failure;
mod help;
mod log;
mod options;
mod shell;

use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{CommandFactory as _, Parser as _};

use crate::commands;
use crate::commands::cert::{Ask, Haste};
use crate::commands::check::{Surroundings, Trial};
use crate::commands::config::{self as show, Form};
use crate::config::{self, Config, Flags, Log};
use crate::docs::Source;
use crate::server::{self, Inherited, Reread};
use arguments::{Cert, Check, Cli, Command, Eval, Search};
use failure::Failure;
use options::Written;

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
    let flags = Flags::default();
    let Some(command) = cli.command else {
        // Before the runtime starts its threads.
        let inherited = Inherited::take()?;
        let written = cli.serve.written(flags)?;
        let config = written.load()?;
        refuse_mistyped_command(&config)?;
        return serve(config, written, inherited);
    };
    match command {
        Command::Serve(arguments) => {
            let inherited = Inherited::take()?;
            let written = arguments.written(flags)?;
            serve(written.load()?, written, inherited)
        }
        Command::Stdio(arguments) => stdio(arguments.load(flags)?),
        Command::Cert(asked) => cert(asked, flags),
        Command::Search(arguments) => search(arguments, flags),
        Command::Eval(arguments) => eval(arguments, flags),
        Command::Check(arguments) => check(arguments, flags),
        Command::Config(arguments) => {
            let form = if arguments.json { Form::Json } else { Form::Toml };
            answer(true, show::run(&arguments.server.load(flags)?, form).as_bytes())
        }
        Command::Token { name } => token(&name),
        Command::Completions { shell } => answer(true, &shell::completions(shell)),
        Command::Man { command, write } => man(&command, write.as_deref()),
    }
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

/// Serves as `config` says, which is what is written now.
fn serve(config: Config, written: Written, inherited: Inherited) -> Result<ExitCode, Failure> {
    let level = log::start(&config.log, "info");
    let again = Arc::new(Again { written, level });
    block_on(server::serve(config, inherited, again, &io::stderr()))?;
    Ok(ExitCode::SUCCESS)
}

fn stdio(config: Config) -> Result<ExitCode, Failure> {
    log::start(&config.log, "info");
    block_on(server::stdio(config))?;
    Ok(ExitCode::SUCCESS)
}

fn cert(asked: Cert, flags: Flags) -> Result<ExitCode, Failure> {
    let (ask, server) = match asked {
        Cert::Status { json, server } => (Ask::Status { json }, server),
        Cert::Renew { force: false, server } => (Ask::Renew(Haste::Patient), server),
        Cert::Renew { force: true, server } => (Ask::Renew(Haste::PassOverPause), server),
        Cert::Revoke { reason, server } => (Ask::Revoke(reason), server),
    };
    let config = server.load(flags)?;
    // A failure is the command's own error: told once.
    log::start(&config.log, "warn,docquay::provision::report=off");
    let mut text = Vec::new();
    let good = block_on(commands::cert::run(config, ask, &mut text))?;
    answer(good, &text)
}

fn search(Search { question, documents, process }: Search, mut flags: Flags) -> Result<ExitCode, Failure> {
    documents.push(&mut flags);
    let config = process.load(flags)?;
    log::start(&config.log, "warn");
    let mut text = Vec::new();
    let found = block_on(commands::search::run(config, &question, &mut text))?;
    answer(found, &text)
}

fn eval(arguments: Eval, mut flags: Flags) -> Result<ExitCode, Failure> {
    let Eval { queries, limit, json, documents, process } = arguments;
    documents.push(&mut flags);
    let config = process.load(flags)?;
    log::start(&config.log, "warn");
    let mut text = Vec::new();
    let all = block_on(commands::eval::run(config, &queries, limit, json, &mut text))?;
    answer(all, &text)
}

fn check(arguments: Check, flags: Flags) -> Result<ExitCode, Failure> {
    let config = arguments.server.load(flags)?;
    // What is wrong is in the answer: told once.
    log::start(&config.log, "off");
    let trial = if arguments.dry_run { Trial::Order } else { Trial::None };
    let around = Surroundings::of_this_machine();
    let checking = Box::pin(commands::check::run(config, trial, &around));
    let report = block_on(async { Ok(checking.await) })?;
    let text = if arguments.json { report.json() } else { report.text(colours(&io::stdout())) };
    answer(!report.failed(), text.as_bytes())
}

fn token(name: &str) -> Result<ExitCode, Failure> {
    let mut text = Vec::new();
    commands::token::run(name, &mut text)?;
    answer(true, &text)
}

fn man(command: &[String], write: Option<&Path>) -> Result<ExitCode, Failure> {
    match write {
        Some(folder) => {
            shell::write_man(folder).map_err(|error| Failure::pages(folder, &error))?;
            Ok(ExitCode::SUCCESS)
        }
        None => match shell::man(command) {
            Ok(Some(page)) => answer(true, &page),
            _ => Err(Failure::no_page(command)),
        },
    }
}

/// Prints what a command has to say, and ends with 0 if all is well, else with 1.
fn answer(good: bool, text: &[u8]) -> Result<ExitCode, Failure> {
    print(text)?;
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::from(1) })
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

/// Where SIGHUP finds the configuration.
struct Again {
    written: Written,
    level: log::Level,
}

impl Reread for Again {
    fn config(&self) -> Result<Config, config::Error> {
        self.written.load()
    }

    fn log(&self, log: &Log) {
        self.level.set(log);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
