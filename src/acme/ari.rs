//! When the CA would like a certificate to be renewed. RFC 9773.

use std::fmt;
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;

use super::client::Client;
use super::directory::Directory;
use super::error::{Error, ErrorKind};
use crate::entropy::{Entropy, EntropyError};
use crate::x509::{self, Certificate};

/// What names a certificate in renewal information and in `replaces` (RFC 9773 §4.1). Displayed as in the protocol.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CertificateId(String);

/// The CA's wish for one certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RenewalInfo {
    /// The window begins.
    pub start: SystemTime,
    /// The window ends, after its begin.
    pub end: SystemTime,
    /// A page that says why, mostly when it is earlier than usual.
    pub explanation_url: Option<String>,
    /// When to ask again: what the CA said, within 1 min to 1 day; 6 h if it said nothing (RFC 9773 §4.3).
    pub retry_after: Duration,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Raw {
    suggested_window: Window,
    #[serde(rename = "explanationURL")]
    explanation_url: Option<String>,
}

#[derive(Deserialize)]
struct Window {
    start: String,
    end: String,
}

impl CertificateId {
    /// Of a certificate; `None` if it does not name its issuer's key.
    #[must_use]
    pub fn of(certificate: &Certificate) -> Option<Self> {
        certificate.authority_key_identifier().map(|key| Self::new(key, certificate.serial()))
    }

    /// From the issuer's key identifier and the serial number's DER content, a leading zero octet kept.
    fn new(authority_key_identifier: &[u8], serial: &[u8]) -> Self {
        let [key, serial] = [authority_key_identifier, serial].map(|part| URL_SAFE_NO_PAD.encode(part));
        Self(format!("{key}.{serial}"))
    }

    /// As in the protocol.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CertificateId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl RenewalInfo {
    /// A time in the window, every one as likely as another. The choice is to be kept as long as the window stays.
    ///
    /// # Errors
    /// When `entropy` has no bytes to give.
    pub fn pick(&self, entropy: &dyn Entropy) -> Result<SystemTime, EntropyError> {
        let mut bytes = [0; 8];
        entropy.fill(&mut bytes)?;
        let seconds = self.end.duration_since(self.start).unwrap_or_default().as_secs().max(1);
        // A window is hours to weeks long, 2^64 is many times that: the remainder's bias is far below a second.
        Ok(self.start + Duration::from_secs(u64::from_ne_bytes(bytes) % seconds))
    }
}

impl Client {
    /// Asks when a certificate of this CA should be renewed. Unsigned.
    ///
    /// # Errors
    /// [`ErrorKind::NotOffered`] when the CA does not say; [`ErrorKind::Malformed`] when the window ends before it
    /// begins or is no window; when the CA cannot be reached. [`Error::retry_after`] is then when to ask again, if it
    /// said so. None of these is a reason not to renew by the rule of thumb.
    pub async fn renewal_info(&self, id: &CertificateId) -> Result<RenewalInfo, Error> {
        let work = async {
            let base = Directory::optional(self.directory().renewal_info.as_ref(), "renewalInfo")?;
            let reply = self.get(&format!("{}/{id}", base.trim_end_matches('/'))).await?;
            let said = reply.retry_after();
            let read = reply.json("renewal information").and_then(|raw| read(raw, said));
            read.map_err(|error: Error| error.with_retry_after(said.map(within_reason)))
        };
        work.await.map_err(|error: Error| error.while_doing("renewalInfo"))
    }
}

fn read(raw: Raw, retry_after: Option<Duration>) -> Result<RenewalInfo, Error> {
    let time = |text: &str| parse_time(text).ok_or(ErrorKind::Malformed("a time"));
    let (start, end) = (time(&raw.suggested_window.start)?, time(&raw.suggested_window.end)?);
    if end <= start {
        return Err(ErrorKind::Malformed("the window ends before it begins").into());
    }
    let retry_after = within_reason(retry_after.unwrap_or(USUAL));
    Ok(RenewalInfo { start, end, explanation_url: raw.explanation_url, retry_after })
}

fn within_reason(wait: Duration) -> Duration {
    wait.clamp(SHORTEST, LONGEST)
}

/// `2026-11-24T20:00:00Z`, with fractions and offsets (RFC 3339 §5.6); from 1970 on.
fn parse_time(text: &str) -> Option<SystemTime> {
    let number = |from: usize, to: usize| {
        let digits = text.get(from..to).filter(|part| part.bytes().all(|byte| byte.is_ascii_digit()));
        digits.and_then(|digits| digits.parse::<u64>().ok())
    };
    let separators = [(4, "-"), (7, "-"), (10, "Tt "), (13, ":"), (16, ":")];
    let separated =
        |(place, any): (usize, &str)| text.get(place..=place).is_some_and(|one| any.contains(one));
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    let possible = year >= 1970
        && (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && (hour < 24 && minute < 60 && second <= 60);
    if !possible || !separators.into_iter().all(separated) {
        return None;
    }
    let seconds = x509::days(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second;
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    let rest = text.get(19..)?;
    let fraction =
        rest.strip_prefix('.').map_or(rest, |rest| rest.trim_start_matches(|c: char| c.is_ascii_digit()));
    match (fraction, fraction.split_at_checked(1)?) {
        ("Z" | "z", _) => Some(time),
        (_, ("+", offset)) => time.checked_sub(parse_offset(offset)?),
        (_, ("-", offset)) => time.checked_add(parse_offset(offset)?),
        _ => None,
    }
}

/// `02:00`.
fn parse_offset(text: &str) -> Option<Duration> {
    let (hours, minutes) = text.split_once(':')?;
    let number = |part: &str| {
        let two = part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
        two.then(|| part.parse::<u64>().ok()).flatten()
    };
    let (hours, minutes) = (number(hours)?, number(minutes)?);
    (hours < 24 && minutes < 60).then(|| Duration::from_secs(hours * 3_600 + minutes * 60))
}

const SHORTEST: Duration = Duration::from_secs(60);
const LONGEST: Duration = Duration::from_secs(86_400);
const USUAL: Duration = Duration::from_secs(6 * 3_600);

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(text: &str) -> Option<u64> {
        parse_time(text).map(|time| time.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs())
    }

    #[test]
    fn the_id_of_rfc_9773_section_4_1() {
        let key = [
            0x69, 0x88, 0x5B, 0x6B, 0x87, 0x46, 0x40, 0x41, 0xE1, 0xB3, 0x7B, 0x84, 0x7B, 0xA0, 0xAE, 0x2C,
            0xDE, 0x01, 0xC8, 0xD4,
        ];
        let id = CertificateId::new(&key, &[0x00, 0x87, 0x65, 0x43, 0x21]);
        assert_eq!(id.as_str(), "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE");
    }

    #[test]
    fn times_are_those_of_rfc_3339() {
        for (text, expected) in [
            ("1970-01-01T00:00:00Z", Some(0)),
            ("2026-11-24T20:00:00Z", Some(1_795_550_400)),
            ("2026-11-24t20:00:00.123456789z", Some(1_795_550_400)),
            ("2026-11-24T22:30:00+02:30", Some(1_795_550_400)),
            ("2026-11-24T12:00:00.5-08:00", Some(1_795_550_400)),
            ("2016-12-31T23:59:60Z", Some(1_483_228_800)),
            ("2026-11-24T20:00:00", None),
            ("2026-11-24", None),
            ("2026-13-24T20:00:00Z", None),
            ("2026-11-24T24:00:00Z", None),
            ("2026-11-24T20:00:00+2:00", None),
            ("2026-11-24T20:00:00ZZ", None),
            ("2026/11/24T20:00:00Z", None),
            ("1969-12-31T23:59:59Z", None),
            ("1970-01-01T00:00:00+01:00x", None),
            ("+026-11-24T20:00:00Z", None),
            ("", None),
        ] {
            assert_eq!(seconds(text), expected, "{text}");
        }
    }

    #[derive(Debug)]
    struct Fixed(u8);

    impl Entropy for Fixed {
        fn fill(&self, bytes: &mut [u8]) -> Result<(), EntropyError> {
            bytes.fill(self.0);
            Ok(())
        }
    }

    proptest::proptest! {
        #[test]
        fn no_time_panics(text: String, near in "[0-9]{4}[-/][0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}[.0-9]{0,4}[Zz+-]?[0-9:]{0,6}") {
            let _ = (parse_time(&text), parse_time(&near));
        }

        #[test]
        fn a_choice_lies_in_the_window(byte: u8, length in 1_u64..10_000_000) {
            let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
            let end = start + Duration::from_secs(length);
            let info = RenewalInfo { start, end, explanation_url: None, retry_after: USUAL };
            let choice = info.pick(&Fixed(byte)).unwrap();
            proptest::prop_assert!(start <= choice && choice < end);
        }
    }
}
