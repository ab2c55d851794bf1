//! What a failure at the CA means, and what to do about it. Pure.

use std::error::Error as _;
use std::net::IpAddr;

use super::{Failure, list};
use crate::acme::{self, ChallengeKind, ErrorKind, Problem, ProblemKind};
use crate::metrics::Failed;
use crate::names::Identifier;
use crate::store::Key;
use crate::x509;

/// What was being done when the CA, or the way to it, failed.
#[derive(Clone, Copy, Debug)]
pub(in crate::provision) enum Step<'a> {
    /// Meeting the CA.
    Directory,
    /// Its account.
    Account,
    /// Placing or reading the order.
    Order,
    /// The validation of names.
    Validation {
        /// By this challenge type.
        kind: ChallengeKind,
        /// The names' addresses, as they were looked up.
        addresses: &'a [(Identifier, Vec<IpAddr>)],
        /// Whether any request for a challenge has come in.
        reached: bool,
    },
    /// Finalizing, downloading.
    Issuance,
}

/// The failure of a step at the CA of `directory`.
pub(in crate::provision) fn authority(directory: &str, step: Step<'_>, error: &acme::Error) -> Failure {
    let kind = kind(step, error);
    let failed = failed_names(error);
    let what = match (kind, step) {
        (Failed::Network, _) if matches!(error.kind(), ErrorKind::TimedOut(_)) => {
            format!("the CA at {directory} did not finish in time")
        }
        (Failed::Network, _) => format!("the CA at {directory} cannot be reached"),
        (Failed::RateLimited, _) => format!("the CA at {directory} asks to wait"),
        (Failed::Validation, Step::Validation { kind, .. }) => {
            format!("the CA could not validate {} by {kind}", list(&failed))
        }
        (_, Step::Issuance) if matches!(error.kind(), ErrorKind::Certificate(_)) => {
            format!("the CA at {directory} issued no usable certificate")
        }
        (Failed::Answer, _) | (_, Step::Directory) => {
            format!("the CA at {directory} does not answer as it should")
        }
        (Failed::Account, _) | (_, Step::Account) => format!("the CA at {directory} refuses the account"),
        (_, Step::Issuance) => format!("the CA at {directory} refuses the certificate"),
        (_, Step::Order | Step::Validation { .. }) => format!("the CA at {directory} refuses the order"),
    };
    let help = help(directory, kind, step, error, &failed);
    Failure {
        validations: if kind == Failed::Validation { failed } else { Vec::new() },
        retry_after: error.retry_after(),
        ends_order: !error.is_retryable() && !matches!(step, Step::Directory | Step::Account),
        ..Failure::new(kind, what, words(error), help)
    }
}

fn kind(step: Step<'_>, error: &acme::Error) -> Failed {
    let busy = error.problem_kind() == Some(ProblemKind::RateLimited);
    match error.kind() {
        ErrorKind::Server(status) if busy || matches!(status.as_u16(), 429 | 503) => Failed::RateLimited,
        ErrorKind::Transport | ErrorKind::TimedOut(_) => Failed::Network,
        ErrorKind::ValidationFailed(_) => Failed::Validation,
        ErrorKind::OrderInvalid if !error.authorizations().is_empty() => Failed::Validation,
        ErrorKind::ExternalAccountRequired | ErrorKind::AccountClosed | ErrorKind::ExternalKey => {
            Failed::Account
        }
        ErrorKind::Malformed(_)
        | ErrorKind::MissingHeader(_)
        | ErrorKind::InsecureUrl
        | ErrorKind::NotOffered(_)
        | ErrorKind::Certificate(_) => Failed::Answer,
        ErrorKind::Server(status) if status.is_server_error() || status.is_redirection() => Failed::Answer,
        _ => match error.problem_kind() {
            Some(ProblemKind::BadNonce) => Failed::Answer,
            Some(ProblemKind::UserActionRequired) => Failed::Account,
            // RFC 8555 §7.3.6: what a CA says of an account that is deactivated or revoked.
            Some(ProblemKind::Unauthorized) if matches!(step, Step::Order) => Failed::Account,
            _ => of_step(step),
        },
    }
}

fn of_step(step: Step<'_>) -> Failed {
    match step {
        Step::Directory => Failed::Answer,
        Step::Account => Failed::Account,
        Step::Order | Step::Validation { .. } | Step::Issuance => Failed::Order,
    }
}

fn failed_names(error: &acme::Error) -> Vec<Identifier> {
    match error.kind() {
        ErrorKind::ValidationFailed(name) => vec![name.clone()],
        _ => error.authorizations().iter().map(|(name, _)| name.clone()).collect(),
    }
}

/// The error and its causes: what the CA said, with its subproblems; then a line for each name that failed.
fn words(error: &acme::Error) -> String {
    let mut words = error.to_string();
    let mut source = error.source();
    while let Some(deeper) = source {
        let text = deeper.to_string();
        // rustls points programmers to its manual.
        let text = text.split(": https://docs.rs/").next().unwrap_or_default();
        if !text.is_empty() && !words.contains(text) {
            words.push_str(": ");
            words.push_str(text);
        }
        source = deeper.source();
    }
    let is_verdict = matches!(error.kind(), ErrorKind::OrderInvalid | ErrorKind::ValidationFailed(_));
    if is_verdict && error.problem().is_none() && error.authorizations().is_empty() {
        words.push_str(": the CA did not say why");
    }
    for (name, problem) in error.authorizations() {
        words.push_str(&format!("\n{name}: {problem}"));
    }
    words
}

fn help(directory: &str, kind: Failed, step: Step<'_>, error: &acme::Error, failed: &[Identifier]) -> String {
    let mut help = match (kind, step) {
        (Failed::Network, _) if matches!(error.kind(), ErrorKind::TimedOut(_)) => {
            "docquay goes on by itself; if it stays so, the CA's status page may say more".to_owned()
        }
        (Failed::Network, _) => "see that this machine reaches the CA (DNS, firewall, outbound https or \
                                 the proxy that it goes through, its own clock); \
                                 for a CA of your own, --acme-ca-file names the root of its https"
            .to_owned(),
        (Failed::RateLimited, _) => {
            "nothing is to be done but to wait; docquay does, and tries again by itself".to_owned()
        }
        (Failed::Validation, Step::Validation { kind, addresses, reached }) => {
            reach(kind, addresses, reached, failed, error)
        }
        (Failed::Account, _) => account_help(directory, error),
        (_, Step::Directory) => "see that acme_directory is the URL of an ACME directory".to_owned(),
        _ => order_help(error),
    };
    for (label, link) in
        [("the CA explains it at", error.help_link()), ("its terms of service are", error.terms_link())]
    {
        if let Some(link) = link {
            help.push_str(&format!("; {label} {link}"));
        }
    }
    help
}

/// What has to be reachable, and where the names lead.
fn reach(
    challenge: ChallengeKind,
    addresses: &[(Identifier, Vec<IpAddr>)],
    reached: bool,
    failed: &[Identifier],
    error: &acme::Error,
) -> String {
    let kinds = || error.authorizations().iter().map(|(_, problem)| problem).chain(error.problem());
    if kinds().any(|problem| problem.kind() == Some(ProblemKind::Caa)) {
        return "a CAA record of the name, or of a parent, does not allow this CA: add it there".to_owned();
    }
    let port = match challenge {
        ChallengeKind::Http01 => 80,
        ChallengeKind::TlsAlpn01 => 443,
    };
    let mut help = if reached {
        "a request of the CA did reach this server, so another of its requests, or of its names, did not; "
            .to_owned()
    } else {
        "no request of the CA has reached this server; ".to_owned()
    };
    help.push_str(&format!("port {port} must be reachable from the internet at every address of the name"));
    for (name, addresses) in addresses.iter().filter(|(name, _)| failed.contains(name)) {
        let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
        help.push_str(&format!("; {name} leads to {}", addresses.join(", ")));
    }
    if addresses.iter().any(|(_, addresses)| addresses.iter().any(IpAddr::is_ipv6)) {
        help.push_str("; a CA asks an IPv6 address first: remove an AAAA record that does not lead here");
    }
    help
}

fn account_help(directory: &str, error: &acme::Error) -> String {
    match (error.kind(), error.problem_kind()) {
        (ErrorKind::ExternalAccountRequired, _) | (_, Some(ProblemKind::ExternalAccountRequired)) => {
            "ask the CA for a key, then give --eab-kid KID --eab-hmac-key-file FILE".to_owned()
        }
        (_, Some(ProblemKind::InvalidContact)) => "give another --email".to_owned(),
        (_, Some(ProblemKind::UserActionRequired)) => {
            let page = error.problem().and_then(|problem: &Problem| problem.instance.as_deref());
            match page {
                Some(page) => format!("visit {page}"),
                None => "the CA wants new terms to be agreed to: see its website".to_owned(),
            }
        }
        _ => {
            let file = Key::account(directory).path();
            format!(
                "if the account is closed, move its file .docquay/{file}.pem out of the folder of --certs: \
                 the next attempt registers a new one"
            )
        }
    }
}

fn order_help(error: &acme::Error) -> String {
    match (error.kind(), error.problem_kind()) {
        (ErrorKind::ProfileNotOffered { offered, .. }, _) if offered.is_empty() => {
            "leave out --acme-profile".to_owned()
        }
        (ErrorKind::ProfileNotOffered { offered, .. }, _) => {
            format!("use one of them: --acme-profile {}", offered.join(" | "))
        }
        (_, Some(ProblemKind::RejectedIdentifier | ProblemKind::UnsupportedIdentifier)) => {
            "the CA does not issue for one of the names: see its words, change --domain".to_owned()
        }
        (_, Some(ProblemKind::Caa)) => "a CAA record does not allow this CA: add it there".to_owned(),
        (ErrorKind::NoChallenge(..), _) => {
            "docquay answers http-01 and tls-alpn-01: let --acme-challenge exclude neither, or use another CA"
                .to_owned()
        }
        (ErrorKind::Certificate(x509::Error::NotValid { .. }), _) => {
            "see that this machine's clock is right, in UTC: `date -u`".to_owned()
        }
        _ => "docquay tries again by itself; if it stays so, the CA's status page may say more".to_owned(),
    }
}
