//! The store and the certificate in it, an own pair, and the order that is only a trial.

use std::path::PathBuf;

use super::{Report, Surroundings, Trial};
use crate::config::Config;
use crate::provision::{self, Status, date_and_distance};
use crate::server::{self, certificates::chain, certificates::parts_of};
use crate::store::Store as _;
use crate::tls::PairFiles;

/// Whether the store can be written, lasts, and what it has.
pub(super) async fn check(config: &Config, around: &Surroundings, report: &mut Report) {
    let folder = &config.certificates.folder;
    let (options, store) = match parts_of(config).await {
        Ok(parts) => parts,
        Err(error) => {
            let (what, cause, help) = error.parts();
            report.fail("store", what, cause, help);
            return report.skip("certificate", "the options of the certificate are of no use yet");
        }
    };
    let is_new = !folder.exists();
    match store.probe().await {
        Ok(durability) => {
            let new = if is_new { "can be made and written" } else { "can be written" };
            report.ok("store", format!("{} {new}", folder.display()));
            let is_refused = options.ephemeral == provision::Ephemeral::Refused;
            match provision::ephemeral(&durability) {
                Some(failure) if is_refused => {
                    report.fail("store", "it does not last", failure.cause, failure.help)
                }
                Some(_) => report.ok("store", "it does not last, as it was said that it need not"),
                None => report.ok("store", "it lasts, as far as can be told"),
            }
        }
        Err(error) => report.fail("store", error.what(), error.cause(), error.help()),
    }
    match Status::read(&options, &store, around.clock.system()).await {
        Ok(status) => state(&status, report),
        Err(failure) => report.fail("certificate", failure.what, failure.cause, failure.help),
    }
    if is_new {
        remove_empty(folder);
    }
}

/// The folders that the trial of the store made; one with something in it stays.
fn remove_empty(folder: &std::path::Path) {
    for inner in [".docquay/accounts", ".docquay", ""] {
        let _ = std::fs::remove_dir(folder.join(inner));
    }
}

fn state(status: &Status, report: &mut Report) {
    let json = status.json();
    let text = |key: &str| json.get(key).and_then(serde_json::Value::as_str).unwrap_or_default().to_owned();
    let state = text("state");
    let failure = json.get("last_failure").map(|last| {
        let text =
            |key: &str| last.get(key).and_then(serde_json::Value::as_str).unwrap_or_default().to_owned();
        (text("text"), text("directory"))
    });
    match (status.good, failure) {
        (true, None) => report.ok("certificate", state),
        (false, None) if state == "none yet" => {
            report.ok("certificate", "none yet: one is ordered at the first start");
        }
        (false, None) => {
            report.warn("certificate", state, text("store_error"), "docquay cert status tells more");
        }
        (_, Some((cause, directory))) => report.warn(
            "certificate",
            format!("{state}; the last order at {directory} failed"),
            cause,
            "with the cause out of the way: docquay cert renew --force",
        ),
    }
}

/// A pair of the operator's: whether it can be read, is valid, and is for every name.
pub(super) fn own_pair(
    config: &Config,
    cert: PathBuf,
    key: PathBuf,
    around: &Surroundings,
    report: &mut Report,
) {
    let shown = cert.display().to_string();
    let pair = match (PairFiles { cert, key }).load() {
        Ok(pair) => pair,
        Err(error) => {
            let help =
                "give the chain (PEM, leaf first) with --tls-cert and its unencrypted key with --tls-key";
            return report.fail("certificate", "the pair cannot be used", chain(&error), help);
        }
    };
    let now = around.clock.system();
    let until = date_and_distance(pair.leaf().not_after(), now);
    match pair.chain().check_validity(now) {
        Ok(()) => report.ok("certificate", format!("{shown}, valid until {until}; renewing it is yours")),
        Err(error) => report.fail(
            "certificate",
            format!("{shown} is of no use"),
            chain(&error),
            "renew it where it came from",
        ),
    }
    for name in config.certificates.domains.iter().filter(|name| !pair.leaf().covers(name)) {
        let cause = format!("{shown} has other names");
        report.warn("certificate", format!("it is not for {name}"), cause, "get one for every --domain");
    }
}

/// Orders a certificate and throws it away, if that is wanted and can work.
pub(super) async fn trial(
    mut config: Config,
    (trial, is_sound, is_open): (Trial, bool, bool),
    report: &mut Report,
) {
    const CHECK: &str = "trial order";
    match (trial, is_sound, is_open) {
        (Trial::None, ..) => return report.skip(CHECK, "only with --dry-run"),
        (Trial::Order, false, _) => return report.skip(CHECK, "the configuration must be in order first"),
        (Trial::Order, true, false) => {
            let why = "the ports must be free and reached by every name (end the server, if it runs)";
            return report.skip(CHECK, why);
        }
        (Trial::Order, true, true) => {}
    }
    // Another CA than Let's Encrypt has no staging directory that could be known.
    config.certificates.staging = config.certificates.directory.is_none();
    config.certificates.fallback_directory = None;
    let directory = config.certificates.directory().to_owned();
    match server::rehearse(config).await {
        Ok(()) => report.ok(CHECK, format!("{directory} has issued a certificate; nothing of it was kept")),
        Err(error) => {
            let (what, cause, help) = error.parts();
            report.fail(CHECK, what, cause, help);
        }
    }
}
