//! Orders, authorizations and challenges that are not as they should be.

use std::time::Duration;

use serde_json::{Value, json};

use super::super::trial::Case;
use crate::harness::{Proxy, Reply, Resource};

/// Orders and authorizations that are not as they should be.
pub(in crate::faults) fn orders() -> Vec<Case> {
    let fail = |order: &mut Value| {
        order["status"] = "invalid".into();
        order["error"] =
            json!({"type": "urn:ietf:params:acme:error:serverInternal", "detail": "the HSM is away"});
    };
    let mut cases = Vec::new();
    for (when, resource, nth) in [
        ("from the start", Resource::NewOrder, 1),
        ("after the validation", Resource::Order, 1),
        ("in the answer to finalize", Resource::Finalize, 1),
        ("while it is processing", Resource::Order, 2),
    ] {
        let fault = move |proxy: &Proxy| proxy.on(resource).nth(nth).edits_json(fail);
        let case = Case::new(format!("the order is invalid {when}"), fault);
        cases.push(case.fails("order", &["the order failed", "the HSM is away"]));
    }
    let fault = |proxy: &Proxy| {
        proxy.on(Resource::Order).from(1).edits_json(|order| order["status"] = "invalid".into())
    };
    let case = Case::new("an invalid order without a reason", fault);
    cases.push(case.fails("order", &["the order failed: the CA did not say why"]));
    for status in ["invalid", "deactivated", "expired", "revoked"] {
        let fault = move |proxy: &Proxy| {
            proxy.on(Resource::Authorization).from(2).edits_json(move |authorization| {
                authorization["status"] = status.into();
            });
        };
        let case = Case::new(format!("the authorization is {status} after the challenge"), fault);
        cases.push(case.fails("validation", &["could not validate", "reachable"]));
    }
    let fault = |proxy: &Proxy| {
        proxy.on(Resource::Authorization).from(2).edits_json(|authorization| {
            authorization["status"] = "invalid".into();
            authorization["challenges"][0]["error"] = json!({
                "type": "urn:ietf:params:acme:error:dns", "detail": "SERVFAIL looking up A",
            });
        });
    };
    cases.push(Case::new("the CA's DNS fails", fault).fails("validation", &["SERVFAIL looking up A (dns)"]));
    cases.extend(inside_the_post());
    cases.extend(documents());
    cases.extend(urls());
    cases
}

/// A CA that validates while it is told to, and answers with what it saw.
fn inside_the_post() -> Vec<Case> {
    let seen = || Reply::problem(403, "unauthorized", "the key authorization was another one");
    let mut cases = vec![
        Case::new("the CA validates inside the POST and answers with a problem", move |proxy| {
            proxy.on(Resource::Challenge).answers(seen());
        })
        .fails(
            "validation",
            &[
                "could not validate",
                "the key authorization was another one (unauthorized)",
                "no request of the CA has reached this server",
            ],
        ),
        Case::new("the problem stands in the authorization too", move |proxy| {
            proxy.on(Resource::Challenge).answers(seen());
            proxy.on(Resource::Authorization).from(2).edits_json(|authorization| {
                authorization["status"] = "invalid".into();
                authorization["challenges"][0]["error"] = json!({"detail": "seen from place 3"});
            });
        })
        .fails("validation", &["seen from place 3"]),
    ];
    let fault = |proxy: &Proxy| {
        proxy.on(Resource::Challenge).edits_json(|challenge| {
            challenge["status"] = "invalid".into();
            challenge["error"] = json!({"detail": "said here alone"});
        });
        proxy.on(Resource::Authorization).from(2).edits_json(|one| one["status"] = "invalid".into());
    };
    let case = Case::new("the reason stands in the answer to the challenge alone", fault);
    cases.push(case.fails("validation", &["said here alone"]));
    let fault = |proxy: &Proxy| {
        proxy.on(Resource::Challenge).delays_the_answer(Duration::from_secs(2));
        proxy.on(Resource::Challenge).edits_json(|challenge| challenge["status"] = "valid".into());
    };
    cases.push(Case::new("the CA validates inside a POST that takes its time", fault).obtains());
    cases
}

/// Fields and entries that are too many, too few, or strange.
fn documents() -> Vec<Case> {
    let challenge = |kind: &str| json!({"type": kind, "url": "https://localhost:1/x", "status": "pending", "token": "abc", "more": [1]});
    let mut cases = vec![
        Case::new("unknown entries and fields", |proxy| {
            proxy.on(Resource::Directory).edits_json(|directory| {
                directory["AAA-random"] = "https://ca.test/why-is-this-here".into();
                directory["number"] = json!({"deep": [1, null, {"x": 2.5}]});
                directory["meta"]["new"] = json!([true]);
            });
            for resource in [Resource::NewAccount, Resource::NewOrder, Resource::Order, Resource::Finalize] {
                proxy.on(resource).edits_json(|document| document["unknown"] = json!({"a": [null]}));
            }
            for resource in [Resource::Authorization, Resource::Challenge] {
                proxy.on(resource).edits_json(|document| document["unknown"] = json!("x"));
            }
        })
        .obtains(),
        Case::new("unknown and repeated challenges", move |proxy| {
            proxy.on(Resource::Authorization).edits_json(move |authorization| {
                let challenges = authorization["challenges"].as_array_mut().unwrap();
                let known = challenges.clone();
                challenges.insert(0, challenge("dns-persist-01"));
                challenges.insert(0, json!({"type": 7}));
                challenges.insert(0, json!("what"));
                challenges.extend(known);
            });
        })
        .obtains(),
        Case::new("none of our challenges", move |proxy| {
            proxy.on(Resource::Authorization).edits_json(move |authorization| {
                authorization["challenges"] = json!([challenge("dns-01"), challenge("dns-account-01")]);
            });
        })
        .fails("order", &["offers no http-01", "dns-01"]),
        Case::new("http-01 alone is missing", |proxy| {
            proxy.on(Resource::Authorization).edits_json(|authorization| {
                let challenges = authorization["challenges"].as_array_mut().unwrap();
                challenges.retain(|challenge| challenge["type"] != "http-01");
            });
        })
        .obtains(),
        Case::new("no challenges at all", |proxy| {
            proxy
                .on(Resource::Authorization)
                .edits_json(|authorization| authorization["challenges"] = json!([]));
        })
        .fails("order", &["offers no http-01"]),
        Case::new("an order without a certificate", |proxy| {
            proxy.on(Resource::Order).edits_json(|order| {
                order.as_object_mut().unwrap().remove("certificate");
            });
        })
        .fails("answer", &["an order without certificate"]),
        Case::new("an order for other names", |proxy| {
            proxy.on(Resource::NewOrder).edits_json(|order| {
                order["identifiers"] = json!([{"type": "dns", "value": "other.test"}]);
            });
        })
        .fails("order", &["other names"]),
        Case::new("an order of an unknown state", |proxy| {
            proxy.on(Resource::NewOrder).edits_json(|order| order["status"] = "postponed".into());
        })
        .fails("answer", &["malformed", "postponed"]),
        Case::new("a directory without newOrder", |proxy| {
            proxy.on(Resource::Directory).edits_json(|directory| {
                directory.as_object_mut().unwrap().remove("newOrder");
            });
        })
        .fails("answer", &["malformed", "newOrder"]),
    ];
    for token in ["../../etc/passwd", "a/b", "", "a%2Fb", "\u{e9}"] {
        let fault = move |proxy: &Proxy| {
            proxy.on(Resource::Authorization).edits_json(move |authorization| {
                for challenge in authorization["challenges"].as_array_mut().unwrap() {
                    challenge["token"] = token.into();
                }
            });
        };
        cases.push(Case::new(format!("a token {token:?}"), fault).fails("answer", &["malformed", "token"]));
    }
    for (resource, header) in [(Resource::NewAccount, "newAccount"), (Resource::NewOrder, "newOrder")] {
        let fault = move |proxy: &Proxy| proxy.on(resource).strips("location");
        cases.push(
            Case::new(format!("no Location: {resource:?}"), fault)
                .fails("answer", &[header, "lacks Location"]),
        );
    }
    cases
}

/// URLs that are not asked.
fn urls() -> Vec<Case> {
    let plain = |url: &mut Value| *url = url.as_str().unwrap().replace("https://", "http://").into();
    let mut cases = Vec::new();
    for entry in ["newNonce", "newAccount", "newOrder"] {
        let fault =
            move |proxy: &Proxy| proxy.on(Resource::Directory).edits_json(move |all| plain(&mut all[entry]));
        cases.push(
            Case::new(format!("http in the directory: {entry}"), fault)
                .fails("answer", &["http://localhost"]),
        );
    }
    for entry in ["/finalize", "/authorizations/0"] {
        let fault = move |proxy: &Proxy| {
            proxy.on(Resource::NewOrder).edits_json(move |order| plain(order.pointer_mut(entry).unwrap()));
            proxy.on(Resource::Order).edits_json(move |order| plain(order.pointer_mut(entry).unwrap()));
        };
        cases.push(
            Case::new(format!("http in the order: {entry}"), fault).fails("answer", &["http://localhost"]),
        );
    }
    let fault = move |proxy: &Proxy| {
        proxy.on(Resource::Order).edits_json(move |order| {
            if let Some(url) = order.get_mut("certificate") {
                plain(url);
            }
        });
    };
    cases.push(Case::new("http in the order: certificate", fault).fails("answer", &["http://localhost"]));
    let fault = move |proxy: &Proxy| {
        proxy.on(Resource::Authorization).edits_json(move |authorization| {
            for challenge in authorization["challenges"].as_array_mut().unwrap() {
                plain(&mut challenge["url"]);
            }
        });
    };
    cases.push(Case::new("http in the challenge", fault).fails("answer", &["http://localhost"]));
    for url in ["http://localhost/1", "/relative", "ftp://localhost/1", "https://", "", "https://a b/"] {
        for resource in [Resource::NewAccount, Resource::NewOrder] {
            let fault = move |proxy: &Proxy| proxy.on(resource).sets("location", url);
            cases.push(
                Case::new(format!("Location {url:?}: {resource:?}"), fault).fails("answer", &["https", url]),
            );
        }
    }
    cases
}
