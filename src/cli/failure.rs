//! How a command ends when it fails: in three parts, with the exit code that follows from what failed.

use std::fmt;
use std::io;
use std::path::Path;
use std::process::ExitCode;

use crate::config;
use crate::docs::SourceError;
use crate::server;

/// How a command ends when it fails: what, why, what to do.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) what: String,
    pub(super) cause: String,
    pub(super) help: String,
    pub(super) code: ExitCode,
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let indent = |text: &str| text.trim().replace('\n', "\n       ");
        writeln!(formatter, "error: {}", indent(&self.what))?;
        writeln!(formatter, "cause: {}", indent(&self.cause))?;
        writeln!(formatter, "help:  {}", indent(&self.help))
    }
}

impl Failure {
    /// The man pages could not be written.
    pub(super) fn pages(folder: &Path, error: &io::Error) -> Self {
        Self {
            what: format!("cannot write the man pages into {}", folder.display()),
            cause: error.to_string(),
            help: "name a folder that you may write, for example --write man".to_owned(),
            code: ExitCode::from(1),
        }
    }

    /// There is no such command to show the page of.
    pub(super) fn no_page(command: &[String]) -> Self {
        Self {
            what: format!("there is no man page of `{}`", command.join(" ")),
            cause: "docquay has no command of that name".to_owned(),
            help: "docquay help lists the commands; docquay man alone is the page of docquay".to_owned(),
            code: ExitCode::from(2),
        }
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
