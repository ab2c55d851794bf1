//! CAA records and what they allow. RFC 8659 §4, RFC 8657 (`accounturi`, `validationmethods`).
//!
//! Pure.

use std::fmt;

/// One record.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Caa {
    /// Bit 7: who does not understand the tag must not issue.
    pub flags: u8,
    /// `issue`, `issuewild`, `iodef`, …; lower case.
    pub tag: String,
    /// As it stands; what is not UTF-8 is replaced.
    pub value: String,
}

/// Who wants to issue, and how.
#[derive(Clone, Copy, Debug)]
pub struct Issuer<'a> {
    /// The names that admit the CA, from its directory.
    pub identities: &'a [String],
    /// The ways of validation that may be used: `http-01`.
    pub methods: &'a [&'a str],
    /// The account's URL, if there is one yet.
    pub account: Option<&'a str>,
}

/// What the records say of an issuer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// It may issue.
    Allowed,
    /// It may issue to one account, and there is no account yet to compare.
    AccountUnknown {
        /// The account that the record names.
        account: String,
    },
    /// Only others may.
    OtherIssuers {
        /// Whom the records name; empty: nobody may issue.
        named: Vec<String>,
    },
    /// It may, but not for this account or not by these ways.
    Parameters {
        /// The record that would admit it.
        record: String,
    },
    /// A record that must be understood is not: no CA may issue.
    UnknownCritical {
        /// Its tag.
        tag: String,
    },
}

impl Caa {
    /// The data of a record: flags, the tag's length, tag, value.
    pub(super) fn read(data: &[u8]) -> Option<Self> {
        let (&flags, rest) = data.split_first()?;
        let (&length, rest) = rest.split_first()?;
        let (tag, value) = rest.split_at_checked(usize::from(length))?;
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        Some(Self { flags, tag: text(tag).to_ascii_lowercase(), value: text(value) })
    }

    fn is_unknown_critical(&self) -> bool {
        self.flags & 0x80 != 0
            && !["issue", "issuewild", "iodef", "contactemail", "contactphone"].contains(&self.tag.as_str())
    }

    /// The issuer that an `issue` record names, and its parameters.
    fn issuer(&self) -> (&str, impl Iterator<Item = (&str, &str)>) {
        let (name, parameters) = self.value.split_once(';').unwrap_or((&self.value, ""));
        let parameters = parameters.split(';').filter_map(|parameter| parameter.split_once('='));
        (name.trim(), parameters.map(|(name, value)| (name.trim(), value.trim())))
    }

    fn admits(&self, issuer: &Issuer<'_>) -> Admission {
        let (name, parameters) = self.issuer();
        if !issuer.identities.iter().any(|identity| identity.eq_ignore_ascii_case(name)) {
            return Admission::Other;
        }
        let mut unknown = None;
        for (parameter, value) in parameters {
            match (parameter.to_ascii_lowercase().as_str(), issuer.account) {
                ("accounturi", Some(account)) if account != value => return Admission::Differs,
                ("accounturi", None) => unknown = Some(value.to_owned()),
                ("validationmethods", _)
                    if !value.split(',').any(|method| issuer.methods.contains(&method.trim())) =>
                {
                    return Admission::Differs;
                }
                _ => {}
            }
        }
        unknown.map_or(Admission::Full, Admission::Account)
    }
}

/// What one record says of an issuer.
enum Admission {
    Full,
    Account(String),
    Differs,
    Other,
}

/// What the records of a name say of an issuer; without records anybody may issue.
#[must_use]
pub fn judge(records: &[Caa], issuer: &Issuer<'_>) -> Verdict {
    if let Some(record) = records.iter().find(|record| record.is_unknown_critical()) {
        return Verdict::UnknownCritical { tag: record.tag.clone() };
    }
    let issue: Vec<&Caa> = records.iter().filter(|record| record.tag == "issue").collect();
    // RFC 8659 §4.2: without `issue` nothing is restricted; `issuewild` is for wildcards alone.
    if issue.is_empty() {
        return Verdict::Allowed;
    }
    let mut verdict = None;
    for record in &issue {
        match record.admits(issuer) {
            Admission::Full => return Verdict::Allowed,
            Admission::Account(account) => verdict = Some(Verdict::AccountUnknown { account }),
            Admission::Differs => {
                let record = record.to_string();
                verdict = verdict.or(Some(Verdict::Parameters { record }));
            }
            Admission::Other => {}
        }
    }
    verdict.unwrap_or_else(|| {
        let named = issue.iter().map(|record| record.issuer().0).filter(|name| !name.is_empty());
        Verdict::OtherIssuers { named: named.map(str::to_owned).collect() }
    })
}

impl fmt::Display for Caa {
    /// As in a zone file: `0 issue "letsencrypt.org"`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {} {:?}", self.flags, self.tag, self.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(text: &str) -> Caa {
        let mut parts = text.splitn(3, ' ');
        let flags = parts.next().unwrap().parse().unwrap();
        let tag = parts.next().unwrap().to_owned();
        Caa { flags, tag, value: parts.next().unwrap_or_default().to_owned() }
    }

    fn judged(records: &[&str], account: Option<&str>) -> Verdict {
        let identities = ["letsencrypt.org".to_owned(), "ca.example".to_owned()];
        let issuer = Issuer { identities: &identities, methods: &["http-01", "tls-alpn-01"], account };
        judge(&records.iter().map(|text| record(text)).collect::<Vec<_>>(), &issuer)
    }

    #[test]
    fn an_issuer_that_is_named_may_issue_and_another_may_not() {
        assert_eq!(judged(&[], None), Verdict::Allowed);
        assert_eq!(judged(&["0 issue other.example", "0 issue LetsEncrypt.org"], None), Verdict::Allowed);
        assert_eq!(judged(&["0 issuewild ;", "0 iodef mailto:a@b"], None), Verdict::Allowed);
        let named = vec!["other.example".to_owned(), "third.example".to_owned()];
        let others = judged(&["0 issue other.example", "128 issue  third.example ; a=b"], None);
        assert_eq!(others, Verdict::OtherIssuers { named });
        assert_eq!(judged(&["0 issue ;"], None), Verdict::OtherIssuers { named: Vec::new() });
        assert_eq!(
            judged(&["128 tbs x", "0 issue ca.example"], None),
            Verdict::UnknownCritical { tag: "tbs".to_owned() }
        );
        assert_eq!(judged(&["0 tbs x", "0 issue ca.example"], None), Verdict::Allowed);
    }

    #[test]
    fn parameters_bind_an_issuer_to_an_account_and_to_ways_of_validation() {
        let account = "0 issue ca.example; accounturi=https://ca.example/a/1";
        assert_eq!(judged(&[account], Some("https://ca.example/a/1")), Verdict::Allowed);
        let record = "0 issue \"ca.example; accounturi=https://ca.example/a/1\"".to_owned();
        assert_eq!(judged(&[account], Some("https://ca.example/a/2")), Verdict::Parameters { record });
        let unknown = Verdict::AccountUnknown { account: "https://ca.example/a/1".to_owned() };
        assert_eq!(judged(&[account], None), unknown);
        assert_eq!(judged(&[account, "0 issue letsencrypt.org"], None), Verdict::Allowed);
        let methods = "0 issue ca.example; validationmethods=dns-01, http-01";
        assert_eq!(judged(&[methods], None), Verdict::Allowed);
        let dns = judged(&["0 issue ca.example; validationmethods=dns-01"], None);
        assert!(matches!(dns, Verdict::Parameters { .. }), "{dns:?}");
    }
}
