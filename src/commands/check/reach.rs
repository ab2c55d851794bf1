//! Whether the names lead here: their A and AAAA records, and a request by each address as a CA would send it.
//!
//! Asked from this machine, so it shows what is in front of the ports and not what the internet sees: behind a NAT
//! that does not lead its own address back, nobody answers here and all may be well.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use super::ports::{Bound, Port};
use super::{Outcome, Report, Surroundings, ask};
use crate::acme::ChallengeKind;
use crate::config::Config;
use crate::entropy::token;
use crate::http::{self, HostPolicy, Plain, Router};
use crate::names::Identifier;
use crate::outbound::NoResolver;
use crate::provision::{Challenges, challenges, is_ours};
use crate::shutdown;

/// What the listeners of the check answer, and to what.
struct Sign {
    token: String,
    answer: String,
}

/// Asks by every address of every name; whether the CA may find its answer for each name.
pub(super) async fn check(
    config: &Config,
    bound: &mut Bound,
    around: &Surroundings,
    report: &mut Report,
) -> bool {
    let Ok(token) = token(around.entropy.as_ref()) else {
        report.skip("reach", "the system's random generator failed");
        return false;
    };
    let sign = Sign { answer: format!("{token}.docquay-check"), token };
    let challenges = Challenges::new();
    let _presented = challenges.present(&sign.token, &sign.answer);
    let router = Arc::new(Router::new(vec![challenges.route()], HostPolicy::default()));
    let (trigger, shutdown) = shutdown::channel();
    let mut tasks = tokio::task::JoinSet::new();
    for listener in bound.listeners.drain(..) {
        let limits = config.http.clone();
        tasks.spawn(http::serve(listener, Plain, Arc::clone(&router), limits, shutdown.clone()));
    }
    let mut all = true;
    for name in &config.certificates.domains {
        let addresses = addresses(name, around, report).await;
        all &= !addresses.is_empty();
        for address in addresses {
            all &= by_address(name, address, config, bound, &sign, report).await;
        }
    }
    trigger.drain();
    while tasks.join_next().await.is_some() {}
    all
}

async fn addresses(name: &Identifier, around: &Surroundings, report: &mut Report) -> Vec<IpAddr> {
    let Identifier::Dns(domain) = name else {
        let Identifier::Ip(address) = name else { return Vec::new() };
        report.ok("name", format!("{name} is an address{}", whose(*address)));
        return vec![*address];
    };
    let found = match around.lookup.addresses(domain).await {
        Ok(found) if !found.is_empty() => found,
        Ok(_) => {
            unresolved(name, "it has neither an A nor an AAAA record".to_owned(), None, report);
            return Vec::new();
        }
        Err(error) => {
            unresolved(name, error.to_string(), Some(&error), report);
            return Vec::new();
        }
    };
    for (record, of_it) in [
        ("A", found.iter().filter(|ip| ip.is_ipv4()).collect::<Vec<_>>()),
        ("AAAA", found.iter().filter(|ip| ip.is_ipv6()).collect()),
    ] {
        let shown: Vec<String> =
            of_it.iter().map(|address| format!("{address}{}", whose(**address))).collect();
        let shown = if shown.is_empty() { "none".to_owned() } else { shown.join(", ") };
        report.ok("name", format!("{record} of {name}: {shown}"));
    }
    found
}

fn unresolved(name: &Identifier, cause: String, error: Option<&io::Error>, report: &mut Report) {
    let help = if error.is_some_and(NoResolver::is_behind) {
        "mount both, as container runtimes do, or copy them from the machine into docquay's root".to_owned()
    } else {
        format!(
            "create an A (and, if this machine has IPv6, AAAA) record for {name} that leads to this machine"
        )
    };
    report.fail("name", format!("{name} does not resolve"), cause, help);
}

fn whose(address: IpAddr) -> &'static str {
    if is_ours(address) {
        " (of this machine)"
    } else {
        " (not of this machine: a NAT or a proxy, or an old record)"
    }
}

/// What an address answered to one way of validation.
enum Reached {
    /// What it should.
    Here,
    /// It sends its client on; a CA follows.
    Moved(String),
    /// Something else.
    Other(String),
    /// Nobody answers.
    Nobody(io::Error),
}

/// Asks an address for the sign by each challenge type that is allowed; one that works is enough.
async fn by_address(
    name: &Identifier,
    address: IpAddr,
    config: &Config,
    bound: &Bound,
    sign: &Sign,
    report: &mut Report,
) -> bool {
    let wanted = config.certificates.challenge;
    let mut ways = Vec::new();
    for (kind, port, at) in
        [(ChallengeKind::Http01, 80, bound.acme), (ChallengeKind::TlsAlpn01, 443, Some(bound.serving))]
    {
        if wanted.is_none_or(|wanted| wanted == kind)
            && let Some(at) = at.filter(|at| *at != Port::Taken)
        {
            ways.push((kind, port, ask_for(sign, name, SocketAddr::new(address, port), at).await));
        }
    }
    if ways.is_empty() {
        report.skip("reach", format!("the ports for {name} are not ours to listen on"));
        return false;
    }
    let any = ways.iter().any(|(_, _, reached)| matches!(reached, Reached::Here | Reached::Moved(_)));
    for (kind, port, reached) in ways {
        tell(name, SocketAddr::new(address, port), kind, &reached, any, report);
    }
    any
}

async fn ask_for(sign: &Sign, name: &Identifier, address: SocketAddr, at: Port) -> Reached {
    let path = format!("{}{}", challenges::PREFIX, sign.token);
    match ask::get(address, &name.host().to_string(), &path).await {
        Ok(answer) if answer.body == sign.answer => Reached::Here,
        Ok(answer) if at == Port::Docquay && answer.is_docquays() => Reached::Here,
        Ok(answer) => match answer.location() {
            Some(location) => Reached::Moved(location.to_owned()),
            None => Reached::Other(answer.shown()),
        },
        Err(error) => Reached::Nobody(error),
    }
}

fn tell(
    name: &Identifier,
    address: SocketAddr,
    kind: ChallengeKind,
    reached: &Reached,
    any: bool,
    report: &mut Report,
) {
    let (ip, port) = (address.ip(), address.port());
    let what = format!("{name} at {ip} port {port} does not lead here ({kind})");
    // Where another way works, this one is no obstacle; where nobody answers, a NAT may be the reason.
    let amiss = if any { Outcome::Warning } else { Outcome::Failed };
    match reached {
        Reached::Here => report.ok("reach", format!("{name} at {ip} port {port} leads here ({kind})")),
        Reached::Moved(location) => report.ok(
            "reach",
            format!("{name} at {ip} port {port} sends its clients on to {location}, and a CA follows ({kind})"),
        ),
        Reached::Other(answer) => report.add(
            "reach",
            amiss,
            what,
            format!("something else answers there, {answer}"),
            format!("end that program or forward port {port} of {ip} to this machine; or correct the record of {name}"),
        ),
        Reached::Nobody(error) if is_ours(ip) => report.add(
            "reach",
            amiss,
            what,
            format!("nobody answers there: {error}"),
            format!("see what is in front of port {port}: nft list ruleset; or listen on it: --bind '[::]'"),
        ),
        Reached::Nobody(error) => report.warn(
            "reach",
            what,
            format!("nobody answers there: {error}"),
            format!(
                "if {ip} is this machine's address outside, ask from outside: curl -sS http://{name}/ must reach it; \
                 else correct the record of {name}, or open port {port} in the firewall and the router"
            ),
        ),
    }
}
