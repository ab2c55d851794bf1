//! The CA: whether it can be reached, its clock against ours, what it asks for, and whether CAA lets it issue.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use ::http::header::DATE;
use ::http::{Request, StatusCode};
use bytes::Bytes;

use super::{Report, Surroundings};
use crate::acme::{ChallengeKind, Directory, Transport};
use crate::config::{Certificates, Config};
use crate::dns::caa::{Issuer, Verdict, judge};
use crate::dns::{Relevant, Resolver};
use crate::names::{DomainName, Identifier};
use crate::server::certificates::{chain, parts_of};
use crate::store;

pub(super) async fn check(config: &Config, directory: &str, around: &Surroundings, report: &mut Report) {
    let certificates = &config.certificates;
    // Why not is told by the certificate's own check.
    let Ok((options, store)) = parts_of(config).await else {
        return report.skip("CA", "the options of the certificate are of no use yet");
    };
    let Some(authority) = options.authorities.first() else { return };
    let known = match fetch(authority.transport.as_ref(), directory).await {
        Ok((known, date)) => {
            report.ok("CA", format!("{directory} answers"));
            clock(around.clock.system(), date, report);
            terms(certificates, &known, report);
            known
        }
        Err(cause) => {
            report.fail(
                "CA",
                format!("{directory} cannot be used"),
                cause,
                "see that this machine reaches it (firewall, outbound proxy, DNS) and that it is an ACME directory",
            );
            report.skip("clock", "the CA's Date is compared, and the CA does not answer");
            Directory::without_entries()
        }
    };
    let account = store::peek_account(&store, directory).await.ok().and_then(|loaded| loaded.entry?.url);
    let resolver = Resolver::new(around.nameservers.clone(), Arc::clone(&around.entropy));
    let mut asked = false;
    for name in &certificates.domains {
        if let Identifier::Dns(name) = name {
            asked = true;
            caa(certificates, name, &known, account.as_deref(), &resolver, report).await;
        }
    }
    if !asked {
        report.skip("CAA", "addresses have no CAA records");
    }
}

/// The directory, and when the CA says it answered.
async fn fetch(transport: &dyn Transport, url: &str) -> Result<(Directory, Option<SystemTime>), String> {
    let request = Request::get(url).body(Bytes::new()).map_err(|error| error.to_string())?;
    let answer = tokio::time::timeout(PATIENCE, transport.send(request)).await;
    let answer = answer
        .map_err(|_elapsed| format!("no answer within {PATIENCE:?}"))?
        .map_err(|error| chain(&error))?;
    let date =
        answer.headers().get(DATE).and_then(|date| httpdate::parse_http_date(date.to_str().ok()?).ok());
    match answer.status() {
        StatusCode::OK => {}
        status => return Err(format!("it answers {status}")),
    }
    let directory =
        serde_json::from_slice(answer.body()).map_err(|error| format!("it is no ACME directory: {error}"))?;
    Ok((directory, date))
}

fn clock(now: SystemTime, date: Option<SystemTime>, report: &mut Report) {
    let Some(date) = date else { return report.skip("clock", "the CA's answer has no Date") };
    let (off, side) = match now.duration_since(date) {
        Ok(ahead) => (ahead, "ahead of"),
        Err(behind) => (behind.duration(), "behind"),
    };
    let seconds = off.as_secs();
    // Date has whole seconds, and the answer took its time.
    if seconds <= ALMOST {
        return report.ok("clock", format!("within {ALMOST} seconds of the CA's"));
    }
    let what = format!("this machine is {seconds} seconds {side} the CA");
    let help = "set the clock: timedatectl set-ntp true (or chronyc makestep)";
    if off > HOUR {
        let cause = "a new certificate may seem not yet valid, or ended, and is not taken";
        report.fail("clock", what, cause, help);
    } else if seconds > NOTABLE {
        report.warn("clock", what, "certificates are renewed at the wrong moment", help);
    } else {
        report.ok("clock", what);
    }
}

/// What the CA asks of who orders, and whether the options have it.
fn terms(certificates: &Certificates, directory: &Directory, report: &mut Report) {
    if directory.meta.external_account_required && certificates.eab_kid.is_none() {
        report.fail(
            "CA",
            "it asks for an external account binding",
            "accounts of this CA belong to customers of it",
            "get a key from the CA, then add --eab-kid KID --eab-hmac-key-file FILE",
        );
    }
    let offered = &directory.meta.profiles;
    if let Some(profile) = certificates.profile.as_ref().filter(|profile| !offered.contains_key(*profile)) {
        let names: Vec<&str> = offered.keys().map(String::as_str).collect();
        let help = if names.is_empty() {
            "leave out --acme-profile".to_owned()
        } else {
            format!("use one of its own: --acme-profile {}", names.join(", or "))
        };
        report.fail("CA", format!("it has no profile {profile:?}"), "its directory does not offer it", help);
    }
}

async fn caa(
    certificates: &Certificates,
    name: &DomainName,
    directory: &Directory,
    account: Option<&str>,
    resolver: &Resolver,
    report: &mut Report,
) {
    let relevant = match resolver.caa(name).await {
        Ok(Some(relevant)) => relevant,
        Ok(None) => {
            return report.ok("CAA", format!("no record of {name} or above it restricts who may issue"));
        }
        Err(error) => {
            return report.fail(
                "CAA",
                format!("whether the CA may issue for {name} cannot be told"),
                chain(&error),
                "a CA issues nothing then: have the DNS server answer for CAA (type 257), if only with no record",
            );
        }
    };
    let kinds = [ChallengeKind::Http01, ChallengeKind::TlsAlpn01].into_iter();
    let allowed = kinds.filter(|kind| certificates.challenge.is_none_or(|wanted| wanted == *kind));
    let methods: Vec<&str> = allowed.map(ChallengeKind::name).collect();
    let identities = &directory.meta.caa_identities;
    let issuer = Issuer { identities, methods: &methods, account };
    tell(name, &relevant, &issuer, judge(&relevant.records, &issuer), report);
}

fn tell(name: &DomainName, relevant: &Relevant, issuer: &Issuer<'_>, verdict: Verdict, report: &mut Report) {
    let at = &relevant.at;
    let forbidden = format!("the CA may not issue for {name}");
    let identity = issuer.identities.first();
    let add = |identity: &str| format!("add a record: {at}. CAA 0 issue \"{identity}\"");
    match (verdict, identity) {
        (Verdict::Allowed, _) => report.ok("CAA", format!("the records of {at} let the CA issue for {name}")),
        (Verdict::OtherIssuers { named }, None) => report.warn(
            "CAA",
            format!("whether the CA may issue for {name} cannot be told"),
            format!("the records of {at} name {}, and the CA does not say its name", listed(&named)),
            "see the CA's own words on CAA, and that its name is among them",
        ),
        (Verdict::OtherIssuers { named }, Some(identity)) => {
            report.fail("CAA", forbidden, format!("the records of {at} name {} alone", listed(&named)), add(identity));
        }
        (Verdict::Parameters { record }, _) => report.fail(
            "CAA",
            forbidden,
            format!("the record of {at}, {record}, is for another account or other ways of validation"),
            format!(
                "put this server's into it: validationmethods={}{}",
                issuer.methods.join(","),
                issuer.account.map(|url| format!(", accounturi={url}")).unwrap_or_default()
            ),
        ),
        (Verdict::AccountUnknown { account }, _) => report.warn(
            "CAA",
            format!("the CA may issue for {name} to one account alone"),
            format!("the record of {at} names {account}, and this server has no account yet"),
            "let it get one (the first order fails), then put its URL into the record; docquay check shows it",
        ),
        (Verdict::UnknownCritical { tag }, _) => report.fail(
            "CAA",
            forbidden,
            format!("the records of {at} have the critical property {tag:?}, which CAs do not know"),
            format!("remove it, or its flag: {at}. CAA 0 {tag} …"),
        ),
    }
}

fn listed(names: &[String]) -> String {
    if names.is_empty() { "nobody".to_owned() } else { names.join(", ") }
}

const PATIENCE: Duration = Duration::from_secs(20);
const HOUR: Duration = Duration::from_secs(3_600);
/// Seconds that are nothing, and seconds from which it is told as a warning.
const ALMOST: u64 = 5;
const NOTABLE: u64 = 60;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::check::Outcome;

    #[test]
    fn a_clock_that_is_an_hour_off_fails_and_one_a_minute_off_warns() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        for (seconds, outcome) in
            [(0, Outcome::Ok), (59, Outcome::Ok), (61, Outcome::Warning), (3_601, Outcome::Failed)]
        {
            let off = Duration::from_secs(seconds);
            for date in [now + off, now - off] {
                let mut report = Report::default();
                clock(now, Some(date), &mut report);
                assert_eq!(report.findings[0].outcome, outcome, "{seconds}");
            }
        }
        let mut report = Report::default();
        clock(now, None, &mut report);
        assert_eq!(report.findings[0].outcome, Outcome::Skipped);
    }

    #[test]
    fn what_the_ca_asks_for_and_the_options_lack_fails_with_the_option() {
        let mut directory = Directory::without_entries();
        directory.meta.external_account_required = true;
        directory.meta.profiles.insert("tlsserver".to_owned(), "TLS".to_owned());
        let certificates = Certificates { profile: Some("classic".to_owned()), ..Certificates::default() };
        let mut report = Report::default();
        terms(&certificates, &directory, &mut report);
        let helps: Vec<&str> = report.findings.iter().map(|finding| finding.help.as_str()).collect();
        assert!(helps[0].contains("--eab-kid") && helps[1].contains("--acme-profile tlsserver"), "{helps:?}");
    }
}
