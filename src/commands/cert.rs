//! `docquay cert`: the certificate's state, a renewal now, a revocation.
//!
//! Works on the store that the server works on, under the same leases. A renewal is the running server's, if there
//! is one: it holds the ports that the CA asks at.

use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use crate::acme::{self, Account, AccountKey, CertificateKey, Client, Limits, Reason};
use crate::clock::{Clock as _, SystemClock};
use crate::config::{Config, Security};
use crate::provision::{Options, Status};
use crate::server::{self, Error, certificates};
use crate::store::{self, CertificateEntry, CertificateName, FileStore, Key, Lease, Store as _, StoreError};

/// What is asked of the certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    /// What is there; as JSON if so wished.
    Status {
        /// One object; times are seconds since 1970.
        json: bool,
    },
    /// A new one now.
    Renew(Haste),
    /// That it be trusted no more.
    Revoke(Why),
}

/// What the wish for a new certificate passes over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Haste {
    /// Nothing: a pause after a failure is waited out.
    Patient,
    /// The pause after a failure, a CA's wish to be left alone included; never a name's four failed validations
    /// within the hour.
    PassOverPause,
}

/// The reasons of RFC 5280 §5.3.1 that a subscriber may give.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Why {
    /// None.
    Unspecified,
    /// Somebody else has the key.
    KeyCompromise,
    /// The names' holder is called otherwise now.
    AffiliationChanged,
    /// Another certificate took its place.
    Superseded,
    /// The names are no longer used.
    CessationOfOperation,
}

impl From<Why> for Reason {
    fn from(why: Why) -> Self {
        match why {
            Why::Unspecified => Self::Unspecified,
            Why::KeyCompromise => Self::KeyCompromise,
            Why::AffiliationChanged => Self::AffiliationChanged,
            Why::Superseded => Self::Superseded,
            Why::CessationOfOperation => Self::CessationOfOperation,
        }
    }
}

/// Does what is asked and writes the answer to `out`; whether all is well.
///
/// # Errors
/// Options that name no certificate, a store that cannot be used, a CA that refuses.
pub async fn run(mut config: Config, ask: Ask, out: &mut Vec<u8>) -> Result<bool, Error> {
    // Who looks or revokes orders nothing, and so agrees to nothing.
    config.certificates.agree_tos |= !matches!(ask, Ask::Renew(_));
    if !matches!(config.security()?, Security::Acme { .. }) {
        return Err(Error::Run {
            what: "there is no certificate to look at".to_owned(),
            cause: "no domain is configured whose certificate docquay obtains".to_owned(),
            help:
                "give the server's options: --domain docs.example.com --agree-tos, or --config docquay.toml"
                    .to_owned(),
        });
    }
    let (options, store) = certificates::parts_of(&config).await?;
    let Some(name) = options.names.first().map(CertificateName::new) else { return Ok(false) };
    match ask {
        Ask::Status { json } => status(&options, &store, json, out).await,
        Ask::Renew(haste) => renew(config, haste, &options, &store, &name, out).await,
        Ask::Revoke(why) => revoke(&options, &store, &name, why.into(), out).await,
    }
}

async fn status(options: &Options, store: &FileStore, json: bool, out: &mut Vec<u8>) -> Result<bool, Error> {
    let status = Status::read(options, store, SystemClock.system()).await?;
    let text = if json { format!("{:#}\n", status.json()) } else { status.text() };
    out.extend_from_slice(text.as_bytes());
    Ok(status.good)
}

async fn renew(
    config: Config,
    haste: Haste,
    options: &Options,
    store: &FileStore,
    name: &CertificateName,
    out: &mut Vec<u8>,
) -> Result<bool, Error> {
    // The wish is in the record for whoever obtains it, this process or the server.
    let wish = |entry: &mut CertificateEntry| {
        entry.record.renew_requested = true;
        if haste == Haste::PassOverPause {
            entry.record.attempts.hasten();
        }
    };
    let before = serial(&change(store, name, wish).await?);
    let is_free = store.lease(&Key::serving(name.clone())).await.map_err(unusable)?.is_some();
    if is_free {
        server::renew(config).await?;
        out.extend_from_slice(b"renewed\n");
        return status(options, store, false, out).await;
    }
    for _ in 0..LOOKS {
        tokio::time::sleep(LOOK_EVERY).await;
        let entry = store::peek_certificate(store, name).await.map_err(unusable)?.entry.unwrap_or_default();
        if serial(&entry) != before {
            out.extend_from_slice(b"renewed by the running server\n");
            return status(options, store, false, out).await;
        }
    }
    // Writing to a Vec cannot fail.
    let _ =
        writeln!(out, "the running server was asked, and has not renewed within {:?}", LOOK_EVERY * LOOKS);
    status(options, store, false, out).await?;
    Ok(false)
}

async fn revoke(
    options: &Options,
    store: &FileStore,
    name: &CertificateName,
    reason: Reason,
    out: &mut Vec<u8>,
) -> Result<bool, Error> {
    let loaded = store::peek_certificate(store, name).await.map_err(unusable)?;
    let entry = loaded.entry.unwrap_or_default();
    let Some(pair) = entry.pair.as_ref() else {
        return Err(failed(
            "there is nothing to revoke",
            "the store has no certificate of docquay's own",
            NOTHING,
        ));
    };
    let directory = &entry.record.directory;
    let Some(authority) = options.authorities.iter().find(|authority| authority.directory == *directory)
    else {
        let help = format!("give its directory: --acme-directory {directory}");
        return Err(failed("the CA is not configured", "the certificate came from another one", &help));
    };
    let (transport, clock) = (Arc::clone(&authority.transport), Arc::new(SystemClock));
    let connected = Client::connect(directory, transport, clock, Limits::default()).await;
    let client = connected.map_err(|error| refused(&error))?;
    let account = store::peek_account(store, directory).await.map_err(unusable)?.entry;
    let by_account = match account.and_then(|account| Some((account.url?, account.key_pem))) {
        Some((url, key)) => {
            let key = AccountKey::from_pem(key.bytes()).map_err(|error| refused(&error))?;
            Account::stored(&client, key, url).revoke(pair.leaf(), reason).await
        }
        None => Err(acme::ErrorKind::AccountClosed.into()),
    };
    if by_account.is_err() {
        // The account is lost or another's: the certificate's own key has the right too (RFC 8555 §7.6).
        let key = CertificateKey::from_pem(pair.key_to_pem().as_bytes()).map_err(|error| refused(&error))?;
        client.revoke(pair.leaf(), &key, reason).await.map_err(|error| refused(&error))?;
    }
    change(store, name, |entry| entry.record.revoked = true).await?;
    out.extend_from_slice(b"revoked; a running server gets a new one within a minute or so\n");
    Ok(true)
}

/// Changes the record under the lease; waits for a server that is writing.
async fn change(
    store: &FileStore,
    name: &CertificateName,
    change: impl FnOnce(&mut CertificateEntry),
) -> Result<CertificateEntry, Error> {
    let _lease = lease(store, name).await?;
    let loaded = store::load_certificate(store, name).await.map_err(unusable)?;
    let mut entry = loaded.entry.unwrap_or_default();
    change(&mut entry);
    store::save_certificate(store, name, &entry).await.map_err(unusable)?;
    Ok(entry)
}

async fn lease(store: &FileStore, name: &CertificateName) -> Result<Lease, Error> {
    for _ in 0..LOOKS {
        if let Some(lease) = store.lease(&Key::certificate(name.clone())).await.map_err(unusable)? {
            return Ok(lease);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Err(failed(
        "the record cannot be changed",
        "a server is obtaining this certificate",
        "try again when it is done",
    ))
}

fn serial(entry: &CertificateEntry) -> Option<Vec<u8>> {
    entry.pair.as_ref().map(|pair| pair.leaf().serial().to_vec())
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn unusable(error: StoreError) -> Error {
    failed(&error.what(), &error.cause(), &error.help())
}

fn refused(error: &acme::Error) -> Error {
    let help = error.help_link().unwrap_or("see that this machine reaches the CA, then try again");
    failed("the certificate is not revoked", &certificates::chain(error), help)
}

fn failed(what: &str, cause: &str, help: &str) -> Error {
    Error::Run { what: what.to_owned(), cause: cause.to_owned(), help: help.to_owned() }
}

const NOTHING: &str = "see docquay cert status; a pair of your own is revoked where it came from";
const LOOK_EVERY: Duration = Duration::from_secs(2);
const LOOKS: u32 = 75;
