//! One certificate, read: who it is for, from when to when, who signed it. RFC 5280 §4.

use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use rustls::pki_types::CertificateDer;

use super::Error;
use super::der::{
    BIT_STRING, BOOLEAN, GENERALIZED_TIME, INTEGER, Malformed, OBJECT_IDENTIFIER, OCTET_STRING, Reader,
    SEQUENCE, SET, UTC_TIME, Value, context, context_constructed,
};
use crate::names::{DomainName, Identifier};

/// A certificate with the fields that docquay judges. Reading proves its form, not that it is trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    der: CertificateDer<'static>,
    serial: Vec<u8>,
    not_before: SystemTime,
    not_after: SystemTime,
    issuer: Vec<u8>,
    issuer_name: Option<String>,
    subject: Vec<u8>,
    public_key: Vec<u8>,
    identifiers: Vec<Identifier>,
    wildcards: Vec<String>,
    authority_key_identifier: Option<Vec<u8>>,
    signed: Vec<u8>,
    signature_algorithm: Vec<u8>,
    signature: Vec<u8>,
}

impl Certificate {
    /// Reads one certificate.
    ///
    /// # Errors
    /// When the bytes are no DER of an X.509 v3 certificate.
    pub fn parse(der: CertificateDer<'_>) -> Result<Self, Error> {
        read(&der).map_err(|Malformed| Error::Malformed)
    }

    /// Its bytes.
    #[must_use]
    pub fn der(&self) -> &CertificateDer<'static> {
        &self.der
    }

    /// The serial number's DER content octets, a leading zero octet kept.
    #[must_use]
    pub fn serial(&self) -> &[u8] {
        &self.serial
    }

    /// Valid from here.
    #[must_use]
    pub fn not_before(&self) -> SystemTime {
        self.not_before
    }

    /// Valid until here.
    #[must_use]
    pub fn not_after(&self) -> SystemTime {
        self.not_after
    }

    /// From `not_before` to `not_after`.
    #[must_use]
    pub fn lifetime(&self) -> Duration {
        self.not_after.duration_since(self.not_before).unwrap_or_default()
    }

    /// Whether `now` lies within its validity.
    #[must_use]
    pub fn is_valid_at(&self, now: SystemTime) -> bool {
        self.not_before <= now && now <= self.not_after
    }

    /// The domains and addresses of its subject alternative name, in its order.
    #[must_use]
    pub fn identifiers(&self) -> &[Identifier] {
        &self.identifiers
    }

    /// Whether it is for this name, by itself or by a wildcard of one label (RFC 6125 §6.4.3).
    #[must_use]
    pub fn covers(&self, identifier: &Identifier) -> bool {
        let parent = match identifier {
            Identifier::Dns(name) => name.as_str().split_once('.').map(|(_, parent)| parent),
            Identifier::Ip(_) => None,
        };
        self.identifiers.contains(identifier)
            || parent.is_some_and(|parent| self.wildcards.iter().any(|wildcard| wildcard == parent))
    }

    /// The issuer's common name.
    #[must_use]
    pub fn issuer_name(&self) -> Option<&str> {
        self.issuer_name.as_deref()
    }

    /// The DER of its public key (SubjectPublicKeyInfo).
    #[must_use]
    pub fn public_key(&self) -> &[u8] {
        &self.public_key
    }

    /// The key identifier of its issuer, if it names one.
    #[must_use]
    pub fn authority_key_identifier(&self) -> Option<&[u8]> {
        self.authority_key_identifier.as_deref()
    }

    /// Whether `issuer` signed it: names agree, and the signature verifies.
    #[must_use]
    pub fn is_signed_by(&self, issuer: &Self) -> bool {
        if self.issuer != issuer.subject {
            return false;
        }
        let Ok((algorithm, key)) = key_parts(&issuer.public_key) else { return false };
        let known = rustls::crypto::ring::default_provider().signature_verification_algorithms;
        known
            .all
            .iter()
            .filter(|known| *known.public_key_alg_id() == *algorithm)
            .filter(|known| *known.signature_alg_id() == *self.signature_algorithm)
            .any(|known| known.verify_signature(key, &self.signed, &self.signature).is_ok())
    }
}

fn read(der: &CertificateDer<'_>) -> Result<Certificate, Malformed> {
    let mut outer = Reader::new(der);
    let mut certificate = outer.expect(SEQUENCE)?.reader();
    outer.end()?;
    let signed = certificate.expect(SEQUENCE)?;
    let signature_algorithm = certificate.expect(SEQUENCE)?.content.to_vec();
    let signature = bits(certificate.expect(BIT_STRING)?)?.to_vec();
    certificate.end()?;

    let mut fields = signed.reader();
    fields.optional(context_constructed(0))?;
    let serial = fields.expect(INTEGER)?.content.to_vec();
    fields.expect(SEQUENCE)?;
    let issuer = fields.expect(SEQUENCE)?;
    let mut validity = fields.expect(SEQUENCE)?.reader();
    let (not_before, not_after) = (time(validity.any()?)?, time(validity.any()?)?);
    let subject = fields.expect(SEQUENCE)?;
    let public_key = fields.expect(SEQUENCE)?.whole.to_vec();
    fields.optional(context(1))?;
    fields.optional(context(2))?;
    let mut read = Certificate {
        serial,
        not_before,
        not_after,
        issuer: issuer.content.to_vec(),
        issuer_name: common_name(issuer)?,
        subject: subject.content.to_vec(),
        public_key,
        identifiers: Vec::new(),
        wildcards: Vec::new(),
        authority_key_identifier: None,
        signed: signed.whole.to_vec(),
        signature_algorithm,
        signature,
        der: der.clone().into_owned(),
    };
    if let Some(wrapped) = fields.optional(context_constructed(3))? {
        let mut extensions = wrapped.reader().expect(SEQUENCE)?.reader();
        while !extensions.is_empty() {
            let mut extension = extensions.expect(SEQUENCE)?.reader();
            let name = extension.expect(OBJECT_IDENTIFIER)?.content;
            extension.optional(BOOLEAN)?;
            let value = Reader::new(extension.expect(OCTET_STRING)?.content);
            match name {
                SUBJECT_ALTERNATIVE_NAME => alternative_names(value, &mut read)?,
                AUTHORITY_KEY_IDENTIFIER => read.authority_key_identifier = key_identifier(value)?,
                _ => {}
            }
        }
    }
    fields.end()?;
    Ok(read)
}

/// GeneralNames of kind dNSName and iPAddress; other kinds are passed over.
fn alternative_names(mut value: Reader<'_>, into: &mut Certificate) -> Result<(), Malformed> {
    let mut names = value.expect(SEQUENCE)?.reader();
    while !names.is_empty() {
        let name = names.any()?;
        if name.tag == context(2) {
            let text = std::str::from_utf8(name.content).ok().ok_or(Malformed)?;
            match text.strip_prefix("*.") {
                Some(parent) => into.wildcards.push(parent.to_ascii_lowercase()),
                None => into.identifiers.extend(DomainName::parse(text).ok().map(Identifier::Dns)),
            }
        } else if name.tag == context(7) {
            let address = match name.content.len() {
                4 => <[u8; 4]>::try_from(name.content).map(IpAddr::from).ok(),
                16 => <[u8; 16]>::try_from(name.content).map(IpAddr::from).ok(),
                _ => None,
            };
            into.identifiers.push(Identifier::Ip(address.ok_or(Malformed)?));
        }
    }
    Ok(())
}

fn key_identifier(mut value: Reader<'_>) -> Result<Option<Vec<u8>>, Malformed> {
    let mut fields = value.expect(SEQUENCE)?.reader();
    Ok(fields.optional(context(0))?.map(|id| id.content.to_vec()))
}

fn common_name(name: Value<'_>) -> Result<Option<String>, Malformed> {
    let mut sets = name.reader();
    let mut found = None;
    while !sets.is_empty() {
        let mut set = sets.expect(SET)?.reader();
        while !set.is_empty() {
            let mut attribute = set.expect(SEQUENCE)?.reader();
            let kind = attribute.expect(OBJECT_IDENTIFIER)?.content;
            let value = attribute.any()?.content;
            if kind == COMMON_NAME {
                found = Some(String::from_utf8_lossy(value).into_owned());
            }
        }
    }
    Ok(found)
}

/// The content of an AlgorithmIdentifier and the key's bits.
fn key_parts(public_key: &[u8]) -> Result<(&[u8], &[u8]), Malformed> {
    let mut fields = Reader::new(public_key).expect(SEQUENCE)?.reader();
    let algorithm = fields.expect(SEQUENCE)?.content;
    Ok((algorithm, bits(fields.expect(BIT_STRING)?)?))
}

/// A BIT STRING of whole octets.
fn bits(value: Value<'_>) -> Result<&[u8], Malformed> {
    match value.content.split_first() {
        Some((0, octets)) => Ok(octets),
        _ => Err(Malformed),
    }
}

/// `YYMMDDHHMMSSZ` or `YYYYMMDDHHMMSSZ` (RFC 5280 §4.1.2.5).
fn time(value: Value<'_>) -> Result<SystemTime, Malformed> {
    let text =
        std::str::from_utf8(value.content).ok().and_then(|text| text.strip_suffix('Z')).ok_or(Malformed)?;
    let (year, rest) = match value.tag {
        UTC_TIME => text.split_at_checked(2),
        GENERALIZED_TIME => text.split_at_checked(4),
        _ => None,
    }
    .ok_or(Malformed)?;
    if rest.len() != 10 || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Malformed);
    }
    let number =
        |from: usize| rest.get(from..from + 2).and_then(|two| two.parse::<u64>().ok()).ok_or(Malformed);
    let mut year: u64 = year.parse().ok().ok_or(Malformed)?;
    if value.tag == UTC_TIME {
        year += if year < 50 { 2000 } else { 1900 };
    }
    let (month, day) = (number(0)?, number(2)?);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) || year < 1970 {
        return Err(Malformed);
    }
    let seconds = days(year, month, day) * 86_400 + number(4)? * 3_600 + number(6)? * 60 + number(8)?;
    Ok(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
}

/// Days from 1970-01-01 to a date of the Gregorian calendar.
pub(crate) fn days(year: u64, month: u64, day: u64) -> u64 {
    // The year begins in March, so that the leap day is its last.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leap_days = year / 4 - year / 100 + year / 400;
    year * 365 + leap_days + (month * 153 + 2) / 5 + day - 1 - EPOCH_FROM_MARCH_OF_YEAR_0
}

const EPOCH_FROM_MARCH_OF_YEAR_0: u64 = 719_468;
/// 2.5.29.17
const SUBJECT_ALTERNATIVE_NAME: &[u8] = &[0x55, 0x1D, 0x11];
/// 2.5.29.35
const AUTHORITY_KEY_IDENTIFIER: &[u8] = &[0x55, 0x1D, 0x23];
/// 2.5.4.3
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];

/// The date of a day counted from 1970-01-01: [`days`] turned round.
pub(super) fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + EPOCH_FROM_MARCH_OF_YEAR_0;
    let era = days / 146_097;
    let of_era = days % 146_097;
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (year_of_era + era * 400 + u64::from(month <= 2), month, day)
}
