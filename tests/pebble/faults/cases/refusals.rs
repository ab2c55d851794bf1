//! Refusals, with and without words, and rejected nonces.

use serde_json::{Value, json};

use super::super::trial::Case;
use super::{EVERY, SIGNED, each, is_not_repeated};
use crate::harness::{Proxy, Reply, Resource};

/// Refusals, with and without words.
pub(in crate::faults) fn refused() -> Vec<Case> {
    let mut cases = each(
        &EVERY,
        "an empty 500 once",
        |proxy, resource| proxy.on(resource).nth(1).answers(Reply::new(500)),
        |case, resource| {
            if is_not_repeated(resource) {
                case.fails("answer", &["500", "did not say why"])
            } else {
                case.obtains()
            }
        },
    );
    cases.extend(each(
        &EVERY,
        "empty 500s for ever",
        |proxy, resource| proxy.on(resource).answers(Reply::new(500)),
        |case, _| case.fails("answer", &["500", "did not say why"]),
    ));
    cases.extend(each(
        &[
            Resource::NewAccount,
            Resource::NewOrder,
            Resource::Challenge,
            Resource::Finalize,
            Resource::Certificate,
        ],
        "502 of a gateway, without a nonce",
        |proxy, resource| {
            let gateway = Reply::new(502).header("content-type", "text/html").body("<h1>Bad\r\nGateway</h1>");
            proxy.on(resource).answers(gateway.without_nonce());
        },
        |case, _| case.fails("answer", &["502", "<h1>Bad Gateway</h1>"]),
    ));
    for (name, body, words) in [
        ("without a type", json!({"detail": "not today"}), "not today"),
        (
            "of a foreign type",
            json!({"type": "https://ca.test/p/7", "title": "Seven"}),
            "Seven (https://ca.test/p/7)",
        ),
        ("with nothing", json!({}), "did not say why"),
        (
            "of strange fields",
            json!({"type": 7, "detail": ["x"], "status": "y", "subproblems": 3}),
            "did not say why",
        ),
        ("of an unknown type", json!({"type": "urn:ietf:params:acme:error:new", "detail": "no"}), "no (new)"),
        ("that is no object", json!(["why"]), "why"),
    ] {
        let say = move |proxy: &Proxy, resource| proxy.on(resource).answers(problem(&body, 403));
        for (resource, kind) in [
            (Resource::Directory, "answer"),
            (Resource::NewAccount, "account"),
            (Resource::NewOrder, "order"),
            (Resource::Authorization, "order"),
            (Resource::Challenge, "validation"),
            (Resource::Order, "order"),
            (Resource::Finalize, "order"),
            (Resource::Certificate, "order"),
        ] {
            let say = say.clone();
            let case =
                Case::new(format!("a problem {name}: {resource:?}"), move |proxy| say(proxy, resource));
            cases.push(case.fails(kind, &[words]));
        }
    }
    let parts = json!({
        "type": "urn:ietf:params:acme:error:rejectedIdentifier", "detail": "some names are refused", "status": 400,
        "subproblems": [
            {"type": "urn:ietf:params:acme:error:caa", "detail": "CAA forbids", "identifier": {"type": "dns", "value": "a.test"}},
            {"type": "urn:ietf:params:acme:error:malformed", "detail": "no such suffix", "identifier": {"type": "dns", "value": "b.test"}},
        ],
    });
    let case = Case::new("subproblems", move |proxy: &Proxy| {
        proxy.on(Resource::NewOrder).answers(problem(&parts, 400))
    });
    cases.push(case.fails("order", &["a.test: CAA forbids (caa)", "b.test: no such suffix", "--domain"]));
    let terms = json!({
        "type": "urn:ietf:params:acme:error:userActionRequired", "detail": "the terms have changed",
        "instance": "https://ca.test/agree/17",
    });
    cases.extend(each(
        &[Resource::NewAccount, Resource::NewOrder, Resource::Challenge, Resource::Finalize],
        "new terms",
        {
            let terms: &'static Value = Box::leak(Box::new(terms));
            move |proxy, resource| {
                let link = r#"<https://ca.test/terms/2>;rel="terms-of-service""#;
                proxy.on(resource).answers(problem(terms, 403).header("link", link));
            }
        },
        |case, _| {
            case.fails(
                "account",
                &["the terms have changed", "https://ca.test/agree/17", "https://ca.test/terms/2"],
            )
        },
    ));
    for status in [301, 302, 307, 308] {
        cases.extend(each(
            if status == 307 { &EVERY } else { &[Resource::Directory] },
            &format!("a redirect by {status}"),
            move |proxy, resource| {
                proxy.on(resource).answers(Reply::new(status).header("location", "https://other.test/dir"));
            },
            |case, _| case.fails("answer", &["https://other.test/dir"]),
        ));
    }
    cases
}

/// Nonces that are refused, and none.
pub(in crate::faults) fn nonces() -> Vec<Case> {
    let stale = || Reply::problem(400, "badNonce", "stale");
    let mut cases = each(
        SIGNED,
        "five rejected nonces",
        move |proxy, resource| proxy.on(resource).first(5).answers(stale()),
        |case, _| case.obtains(),
    );
    cases.extend(each(
        SIGNED,
        "every nonce is rejected",
        move |proxy, resource| proxy.on(resource).answers(stale()),
        |case, _| case.fails("answer", &["stale (badNonce)"]),
    ));
    cases.extend(each(
        &[Resource::NewOrder],
        "a rejected nonce brings no other",
        move |proxy, resource| proxy.on(resource).first(5).answers(stale().without_nonce()),
        |case, _| case.obtains(),
    ));
    cases.push(
        Case::new("no answer but newNonce's brings a nonce", |proxy| {
            for resource in SIGNED {
                proxy.on(*resource).strips("replay-nonce");
            }
        })
        .obtains(),
    );
    cases.push(
        Case::new("no nonce at all", |proxy| proxy.on_any().strips("replay-nonce"))
            .fails("answer", &["newNonce", "Replay-Nonce"]),
    );
    cases.push(
        Case::new("a nonce that is none", |proxy| proxy.on_any().sets("replay-nonce", "a b/../"))
            .fails("answer", &["Replay-Nonce"]),
    );
    cases
}

fn problem(value: &Value, status: u16) -> Reply {
    Reply::new(status).header("content-type", "application/problem+json").body(&value.to_string())
}
