//! What can be written on the command line: the commands and what each takes.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;

use super::help::{
    ABOUT, AFTER_HELP, CERT_HELP, CHECK_HELP, COMPLETIONS_HELP, CONFIG_HELP, EVAL_HELP, LONG_ABOUT, MAN_HELP,
    SEARCH_HELP, STDIO_HELP, TOKEN_HELP,
};
use super::options::{Asked, Certificate, Documents, Network, Observed, Process, Reading, Written};
use super::shell;
use crate::commands::cert::Why;
use crate::commands::search::Question;
use crate::config::{self, Config, Flags};

#[derive(Debug, Parser)]
#[command(name = "docquay", version, long_version = shell::LONG_VERSION, about = ABOUT, long_about = LONG_ABOUT, after_long_help = AFTER_HELP)]
#[command(args_conflicts_with_subcommands = true, max_term_width = 100)]
pub(super) struct Cli {
    #[command(subcommand)]
    pub(super) command: Option<Command>,
    #[command(flatten)]
    pub(super) serve: Serving,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
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
    /// Make a token, and its line for --token-file
    #[command(after_long_help = TOKEN_HELP)]
    Token {
        /// Whom it is for: up to 64 letters, digits and . _ @ + -
        #[arg(long, default_value = "client")]
        name: String,
    },
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
pub(super) struct Serving {
    #[command(flatten)]
    pub(super) documents: Documents,
    #[command(flatten)]
    pub(super) reading: Reading,
    #[command(flatten)]
    pub(super) network: Network,
    #[command(flatten)]
    pub(super) certificate: Certificate,
    #[command(flatten)]
    pub(super) observed: Observed,
    #[command(flatten)]
    pub(super) asked: Asked,
    #[command(flatten)]
    pub(super) process: Process,
}

#[derive(Debug, Args)]
pub(super) struct Eval {
    /// A question a line: the words, a tab, and the ids that answer it
    #[arg(value_name = "QUERIES")]
    pub(super) queries: PathBuf,
    /// Found is what is among so many results
    #[arg(short = 'n', long, value_name = "NUMBER", default_value_t = 10, help_heading = "Search")]
    #[arg(value_parser = clap::value_parser!(u8).range(1..=50))]
    pub(super) limit: u8,
    /// One JSON object: the figures, and the rank of each question
    #[arg(long, help_heading = "Search")]
    pub(super) json: bool,
    #[command(flatten)]
    pub(super) documents: Documents,
    #[command(flatten)]
    pub(super) process: Process,
}

#[derive(Debug, Args)]
pub(super) struct Check {
    /// One JSON array; each check with its outcome, what, cause and help
    #[arg(long, help_heading = "Check")]
    pub(super) json: bool,
    /// Order a certificate from the staging CA too, and keep nothing of it
    #[arg(long, help_heading = "Check")]
    pub(super) dry_run: bool,
    #[command(flatten)]
    pub(super) server: Serving,
}

#[derive(Debug, Args)]
pub(super) struct Show {
    /// One JSON object instead of TOML
    #[arg(long, help_heading = "Form")]
    pub(super) json: bool,
    #[command(flatten)]
    pub(super) server: Serving,
}

impl Serving {
    pub(super) fn load(self, flags: Flags) -> Result<Config, config::Error> {
        self.written(flags)?.load()
    }

    pub(super) fn written(self, mut flags: Flags) -> Result<Written, config::Error> {
        self.documents.push(&mut flags);
        self.reading.push(&mut flags);
        self.network.push(&mut flags);
        self.certificate.push(&mut flags);
        self.observed.push(&mut flags);
        self.asked.push(&mut flags);
        self.process.written(flags)
    }
}

#[derive(Debug, Args)]
pub(super) struct Stdio {
    #[command(flatten)]
    pub(super) documents: Documents,
    #[command(flatten)]
    pub(super) reading: Reading,
    #[command(flatten)]
    pub(super) asked: Asked,
    #[command(flatten)]
    pub(super) process: Process,
}

#[derive(Debug, Subcommand)]
pub(super) enum Cert {
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
pub(super) struct Certified {
    #[command(flatten)]
    pub(super) network: Network,
    #[command(flatten)]
    pub(super) certificate: Certificate,
    #[command(flatten)]
    pub(super) process: Process,
}

#[derive(Debug, Args)]
pub(super) struct Search {
    #[command(flatten)]
    pub(super) question: Question,
    #[command(flatten)]
    pub(super) documents: Documents,
    #[command(flatten)]
    pub(super) process: Process,
}

impl Stdio {
    pub(super) fn load(self, mut flags: Flags) -> Result<Config, config::Error> {
        self.documents.push(&mut flags);
        self.reading.push(&mut flags);
        self.asked.push(&mut flags);
        self.process.load(flags)
    }
}

impl Certified {
    pub(super) fn load(self, mut flags: Flags) -> Result<Config, config::Error> {
        self.network.push(&mut flags);
        self.certificate.push(&mut flags);
        self.process.load(flags)
    }
}
