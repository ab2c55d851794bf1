//! The faults, each with the end that an attempt has to have.

pub(super) mod certificates;
pub(super) mod orders;
pub(super) mod refusals;

use std::time::{Duration, SystemTime};

use super::trial::Case;
use crate::harness::{Proxy, Reply, Resource};

/// Every resource that a first certificate takes, in order.
const EVERY: [Resource; 9] = [
    Resource::Directory,
    Resource::NewNonce,
    Resource::NewAccount,
    Resource::NewOrder,
    Resource::Authorization,
    Resource::Challenge,
    Resource::Order,
    Resource::Finalize,
    Resource::Certificate,
];

/// What is answered to a POST.
const SIGNED: &[Resource] = EVERY.split_at(2).1;

const DAY: u64 = 86_400;

/// Nobody knows whether they were heard, and hearing them twice is not the same as once.
fn is_not_repeated(resource: Resource) -> bool {
    matches!(resource, Resource::NewAccount | Resource::NewOrder)
}

/// One case for each resource.
fn each(
    resources: &[Resource],
    name: &str,
    fault: impl Fn(&Proxy, Resource) + Send + Sync + Copy + 'static,
    end: impl Fn(Case, Resource) -> Case,
) -> Vec<Case> {
    let case =
        |resource| Case::new(format!("{name}: {resource:?}"), move |proxy: &Proxy| fault(proxy, resource));
    resources.iter().map(|resource| end(case(*resource), *resource)).collect()
}

fn html() -> Reply {
    Reply::new(200).header("content-type", "text/html").body(HTML)
}

const HTML: &str = "<html><h1>Welcome to the load balancer</h1></html>";

/// 429 and 503, with every kind of Retry-After.
pub(super) fn busy() -> Vec<Case> {
    let limited = |status, wait: &str| {
        Reply::problem(status, "rateLimited", "too many requests from your network")
            .header("retry-after", wait)
    };
    let mut cases = each(
        &EVERY,
        "429 for a second",
        move |proxy, resource| proxy.on(resource).nth(1).answers(limited(429, "1")),
        |case, _| case.obtains(),
    );
    cases.extend(each(
        &EVERY,
        "503 until a date",
        move |proxy, resource| {
            let soon = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(3));
            proxy.on(resource).nth(1).answers(Reply::new(503).header("retry-after", &soon));
        },
        |case, _| case.obtains(),
    ));
    cases.extend(each(
        &EVERY,
        "429 for an hour",
        move |proxy, resource| {
            let help = r#"<https://ca.test/limits>;rel="help""#;
            proxy.on(resource).answers(limited(429, "3600").header("link", help));
        },
        |case, resource| {
            // A HEAD's answer has no body.
            let words =
                if resource == Resource::NewNonce { "429" } else { "too many requests from your network" };
            case.fails("rate_limited", &["asks to wait", words, "https://ca.test/limits"])
                .again_in(3_590, 3_660)
        },
    ));
    cases.extend(each(
        &EVERY,
        "503 until a date in an hour",
        move |proxy, resource| {
            let late = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(3_600));
            proxy.on(resource).answers(limited(503, &late));
        },
        |case, _| case.fails("rate_limited", &["asks to wait", "503"]).again_in(3_500, 3_660),
    ));
    for (wait, least, most) in [
        // As long as a certificate may be waited for; shorter than half of what one that is served has left.
        ("31536000", 2 * DAY, 8 * DAY),
        ("99999999999999999999", 2 * DAY, 8 * DAY),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 2 * DAY, 8 * DAY),
        ("-5", 54, 66),
        ("soon", 54, 66),
        ("", 54, 66),
        ("Tue, 24 Nov 2020 20:00:00 GMT", 54, 66),
        ("0", 54, 66),
    ] {
        let fault = move |proxy: &Proxy| proxy.on(Resource::NewOrder).answers(limited(429, wait));
        let case = Case::new(format!("429 with Retry-After {wait:?}"), fault);
        cases.push(case.fails("rate_limited", &["too many requests"]).again_in(least, most));
    }
    let fault = |proxy: &Proxy| proxy.on_any().answers(Reply::new(503));
    cases.push(Case::new("503 and nothing else", fault).fails("rate_limited", &["503"]));
    cases
}

/// Connections that end.
pub(super) fn lost() -> Vec<Case> {
    let once = |case: Case, resource| {
        if is_not_repeated(resource) {
            case.fails("network", &["cannot be reached", "no whole answer"])
        } else {
            case.obtains()
        }
    };
    let mut cases = each(
        &EVERY,
        "the connection ends before the CA hears",
        |proxy, resource| proxy.on(resource).nth(1).drops_the_request(),
        once,
    );
    cases.extend(each(
        &EVERY,
        "the answer is lost",
        |proxy, resource| proxy.on(resource).nth(1).loses_the_answer(),
        once,
    ));
    // The answer to HEAD has no body to be cut.
    let with_body = EVERY.into_iter().filter(|resource| *resource != Resource::NewNonce).collect::<Vec<_>>();
    cases.extend(each(
        &with_body,
        "the answer is cut",
        |proxy, resource| proxy.on(resource).nth(1).cuts_the_answer_after(20),
        once,
    ));
    cases.extend(each(
        &EVERY,
        "every connection ends",
        |proxy, resource| proxy.on(resource).drops_the_request(),
        |case, _| case.fails("network", &["cannot be reached", "no whole answer"]),
    ));
    cases.extend(each(
        &EVERY,
        "every answer is lost",
        |proxy, resource| proxy.on(resource).loses_the_answer(),
        |case, resource| match resource {
            // The CA heard; the order tells.
            Resource::Challenge | Resource::Finalize => case.obtains(),
            _ => case.fails("network", &["cannot be reached", "no whole answer"]),
        },
    ));
    cases
}

/// Answers that are no ACME.
pub(super) fn garbled() -> Vec<Case> {
    let once = |case: Case, resource| match resource {
        Resource::Directory | Resource::NewOrder | Resource::Authorization => {
            case.fails("answer", &["malformed"])
        }
        Resource::Certificate => case.fails("answer", &["no usable certificate", "CERTIFICATE"]),
        _ => case.obtains(),
    };
    let mut cases = each(
        &EVERY,
        "HTML once",
        |proxy, resource| {
            proxy.on(resource).nth(1).edits(|answer| {
                answer.body = HTML.into();
                answer.headers.insert("content-type", "text/html".parse().unwrap());
            });
        },
        once,
    );
    cases.extend(each(
        &EVERY,
        "half a document once",
        |proxy, resource| proxy.on(resource).nth(1).edits_body(|body| body[..body.len() / 2].to_vec()),
        |case, resource| match resource {
            Resource::Certificate => case.fails("answer", &["no usable certificate"]),
            _ => once(case, resource),
        },
    ));
    cases.extend(each(
        &[Resource::Order, Resource::Authorization],
        "HTML for ever",
        |proxy, resource| proxy.on(resource).from(2).answers(html()),
        |case, _| case.fails("answer", &["malformed"]),
    ));
    // A challenge that the CA never hears of is waited for, five minutes long.
    let heard = EVERY.into_iter().filter(|resource| *resource != Resource::Challenge).collect::<Vec<_>>();
    cases.extend(each(
        &heard,
        "HTML in the CA's place",
        |proxy, resource| proxy.on(resource).answers(html()),
        |case, resource| match resource {
            Resource::NewNonce => case.fails("answer", &["Replay-Nonce"]),
            Resource::NewAccount => case.fails("answer", &["Location"]),
            Resource::Certificate => case.fails("answer", &["CERTIFICATE"]),
            _ => case.fails("answer", &["malformed"]),
        },
    ));
    for kind in ["text/html", "application/octet-stream", "nonsense"] {
        let fault = move |proxy: &Proxy| proxy.on_any().sets("content-type", kind);
        cases.push(Case::new(format!("everything is {kind}"), fault).obtains());
    }
    cases.push(Case::new("no content types", |proxy| proxy.on_any().strips("content-type")).obtains());
    cases.extend(each(
        &EVERY,
        "two megabytes",
        |proxy, resource| {
            let huge = format!("[{}0]", "0,".repeat(1 << 20));
            proxy.on(resource).answers(Reply::new(200).body(&huge));
        },
        |case, resource| match resource {
            // An answer to HEAD has none of it.
            Resource::NewNonce => case.fails("answer", &["Replay-Nonce"]),
            _ => case.fails("network", &["larger than"]),
        },
    ));
    cases
}

/// A CA that takes its time, which the test does not.
pub(super) fn slow() -> Vec<Case> {
    let pending = |polls: usize| {
        move |proxy: &Proxy| {
            // The first is the fetch, which is pending by itself.
            proxy.on(Resource::Authorization).first(polls + 1).edits(|answer| {
                let mut authorization = answer.json();
                authorization["status"] = "pending".into();
                for challenge in authorization["challenges"].as_array_mut().unwrap() {
                    challenge["status"] = "processing".into();
                }
                answer.body = authorization.to_string().into();
                answer.headers.insert("retry-after", "0".parse().unwrap());
            });
        }
    };
    vec![
        Case::new("a validation that is pending for twelve looks", pending(12)).obtains(),
        Case::new("an order that is pending for eight looks after it is valid", |proxy| {
            proxy.on(Resource::Order).first(8).edits(|answer| {
                let mut order = answer.json();
                order["status"] = "pending".into();
                answer.body = order.to_string().into();
                answer.headers.insert("retry-after", "0".parse().unwrap());
            });
        })
        .obtains(),
        Case::new("an order that is processing for eight looks", |proxy| {
            for nth in 2..10 {
                proxy.on(Resource::Order).nth(nth).edits(|answer| {
                    let mut order = answer.json();
                    order["status"] = "processing".into();
                    order.as_object_mut().unwrap().remove("certificate");
                    answer.body = order.to_string().into();
                    answer.headers.insert("retry-after", "0".parse().unwrap());
                });
            }
        })
        .obtains(),
    ]
}
