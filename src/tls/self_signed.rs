//! Certificates that we sign ourselves: the one that stands in, and those of the challenge.

use std::time::{Duration, SystemTime};

use rcgen::string::Ia5String;
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, SanType};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use super::{Error, ErrorKind};
use crate::names::Identifier;
use crate::x509::{Pair, pem};

/// A pair for the time before the first certificate: for `names`, from an hour before `now` for a year, with a
/// subject that tells whoever looks what is missing.
///
/// # Errors
/// When the system has no randomness, or a date is none that a certificate can have.
pub fn self_signed(names: &[Identifier], now: SystemTime) -> Result<Pair, Error> {
    let mut params = params("docquay: no certificate yet", names)?;
    // A machine without a clock may boot in 1970, and must not fail here.
    params.not_before = now.checked_sub(HOUR).unwrap_or(now).max(SystemTime::UNIX_EPOCH).into();
    params.not_after = now.checked_add(YEAR).unwrap_or(now).into();
    let (certificate, key) = sign(&params)?;
    let certificate = pem::encode(pem::CERTIFICATE, &certificate);
    let key = pem::encode(pem::PRIVATE_KEY, key.secret_der());
    Pair::from_pem(certificate.as_bytes(), key.as_bytes())
        .map_err(|error| Error::new(ErrorKind::SelfSigned, error))
}

/// Parameters with this common name and exactly these alternative names.
pub(super) fn params(common_name: &str, names: &[Identifier]) -> Result<CertificateParams, Error> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
    params.subject_alt_names = names.iter().map(alternative_name).collect::<Result<_, _>>()?;
    Ok(params)
}

/// A fresh P-256 key, and the certificate that it signs for itself.
pub(super) fn sign(
    params: &CertificateParams,
) -> Result<(CertificateDer<'static>, PrivateKeyDer<'static>), Error> {
    let failed = |error| Error::new(ErrorKind::SelfSigned, error);
    let key = KeyPair::generate().map_err(failed)?;
    let certificate = params.self_signed(&key).map_err(failed)?;
    Ok((certificate.into(), PrivatePkcs8KeyDer::from(key.serialize_der()).into()))
}

fn alternative_name(identifier: &Identifier) -> Result<SanType, Error> {
    match identifier {
        Identifier::Ip(address) => Ok(SanType::IpAddress(*address)),
        Identifier::Dns(name) => Ia5String::try_from(name.as_str())
            .map(SanType::DnsName)
            .map_err(|error| Error::new(ErrorKind::SelfSigned, error)),
    }
}

const HOUR: Duration = Duration::from_secs(3_600);
const YEAR: Duration = Duration::from_secs(365 * 24 * 3_600);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_in_says_so_and_has_the_names() {
        let names: Vec<_> = ["docs.example.com", "192.0.2.1", "2001:db8::1"]
            .map(|name| Identifier::parse(name).unwrap())
            .into();
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let pair = self_signed(&names, now).unwrap();
        assert_eq!(pair.leaf().identifiers(), names);
        assert_eq!(pair.leaf().issuer_name(), Some("docquay: no certificate yet"));
        assert!(pair.leaf().is_valid_at(now) && !pair.leaf().is_valid_at(now + YEAR * 2));
        assert!(self_signed(&[], SystemTime::UNIX_EPOCH).is_ok());
    }
}
