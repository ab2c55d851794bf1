//! What comes in the end: certificates and the links to their alternates.

use super::super::chains;
use super::super::trial::Case;
use crate::harness::{Proxy, Resource};

/// Certificates that are not the one asked for.
pub(in crate::faults) fn certificates() -> Vec<Case> {
    let tampered = |name: &str, tamper: fn(&[u8]) -> Vec<u8>| {
        Case::new(name, move |proxy: &Proxy| proxy.on(Resource::Certificate).edits_body(tamper))
    };
    let usable = "no usable certificate";
    vec![
        tampered("a certificate for other names", |body| {
            chains::forged(body, |params| {
                params.subject_alt_names = vec![rcgen::SanType::DnsName("other.test".try_into().unwrap())];
            })
        })
        .fails("answer", &[usable, "is not for 127."]),
        tampered("a certificate for a name too many", |body| {
            chains::forged(body, |params| {
                params.subject_alt_names.push(rcgen::SanType::DnsName("other.test".try_into().unwrap()));
            })
        })
        .fails("answer", &[usable, "also for other.test"]),
        tampered("a certificate for another key", chains::of_another_key)
            .fails("answer", &[usable, "another certificate"]),
        tampered("an expired certificate", |body| {
            chains::forged(body, |params| {
                params.not_before = chains::days_ago(9).into();
                params.not_after = chains::days_ago(2).into();
            })
        })
        .fails("answer", &[usable, "valid from", "clock"]),
        tampered("a certificate that is not valid yet", |body| {
            chains::forged(body, |params| params.not_before = chains::in_days(2).into())
        })
        .fails("answer", &[usable, "valid from", "clock"]),
        tampered("the issuer first", |body| chains::reordered(body, &[1, 0, 2])).fails("answer", &[usable]),
        tampered("the issuers out of order", |body| chains::reordered(body, &[0, 2, 1]))
            .fails("answer", &[usable, "not signed by the next"]),
        tampered("the leaf twice", |body| chains::reordered(body, &[0, 0, 1, 2]))
            .fails("answer", &[usable, "not signed by the next"]),
        tampered("the leaf alone", |body| chains::reordered(body, &[0])).obtains(),
        tampered("nothing", |_| Vec::new()).fails("answer", &[usable, "CERTIFICATE"]),
        tampered("a broken block", |_| {
            b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".to_vec()
        })
        .fails("answer", &[usable, "not an X.509"]),
        tampered("text and a key around it", |body| {
            let key = rcgen::KeyPair::generate().unwrap().serialize_pem();
            [b"# your chain\r\n", body, b"\r\n", key.as_bytes()].concat()
        })
        .obtains(),
    ]
}

/// Writes a link to a URL.
type Form = fn(&str) -> String;

/// Links to alternate chains, in the forms that CAs and proxies give them. `root` is the alternate's.
pub(in crate::faults) fn links(root: &str) -> Vec<Case> {
    let forms: [(&str, Form); 4] = [
        ("quoted", |url| format!(r#"<{url}>;rel="alternate""#)),
        ("unquoted", |url| format!("<{url}>;rel=alternate")),
        ("joined by commas", |url| {
            format!(r#"<https://ca.test/dir>;rel="index", <{url}/0>;rel="up",<{url}>;rel="alternate""#)
        }),
        ("joined, unquoted, in capitals", |url| {
            format!("<https://ca.test/dir>;rel=index,< {url} > ; Rel = ALTERNATE")
        }),
    ];
    let linked = |form: Form| {
        move |proxy: &Proxy| {
            proxy.on(Resource::Certificate).nth(1).edits(move |answer| {
                let links: Vec<String> = answer
                    .headers
                    .get_all("link")
                    .iter()
                    .map(|link| link.to_str().unwrap().to_owned())
                    .collect();
                let alternate = links.iter().find(|link| link.contains("alternate")).unwrap();
                let url = alternate.split_once('<').unwrap().1.split_once('>').unwrap().0;
                answer.headers.insert("link", form(url).parse().unwrap());
            });
        }
    };
    let mut cases: Vec<Case> = forms
        .map(|(name, form)| {
            Case::new(format!("the alternate's link is {name}"), linked(form))
                .option("acme-preferred-chain", root)
                .chain_of(root)
        })
        .into();
    let nowhere: [(&str, Form); 3] = [
        ("leads nowhere", |url| format!("<{url}0>;rel=alternate")),
        ("is http", |url| format!("<{}>;rel=alternate", url.replace("https", "http"))),
        ("is broken", |url| format!("{url};rel=alternate,<")),
    ];
    cases.extend(nowhere.map(|(name, form)| {
        Case::new(format!("the alternate's link {name}"), linked(form))
            .option("acme-preferred-chain", root)
            .obtains()
    }));
    cases
}
