//! What a store holds, read by the library without changing anything, and judged.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use docquay::names::Identifier;
use docquay::secret::Secret;
use docquay::store::{CertificateEntry, CertificateName, Hashes, Published, PublishedFiles, Record, judge};
use docquay::x509::Pair;

use super::client::serial_hex;

/// The entry of one certificate, and the folder around it.
#[derive(Debug)]
pub(crate) struct Truth {
    pub(crate) record: Record,
    pub(crate) pair: Option<Pair>,
    certs: PathBuf,
    name: CertificateName,
}

impl Truth {
    /// Reads what there is; nothing at all is an empty record. An entry that is not whole is a failure.
    pub(crate) fn read(certs: &Path, name: &str) -> Self {
        let name = CertificateName::new(&Identifier::parse(name).unwrap());
        let path = certs.join(".docquay").join(format!("{name}.pem"));
        let CertificateEntry { record, pair, .. } = match std::fs::read(&path) {
            // Decoding a pair whose key does not match is an error.
            Ok(bytes) => {
                CertificateEntry::decode(&bytes).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => CertificateEntry::default(),
            Err(error) => panic!("{}: {error}", path.display()),
        };
        Self { record, pair, certs: certs.to_owned(), name }
    }

    /// Of the certificate, as Pebble logs it.
    pub(crate) fn serial(&self) -> Option<String> {
        self.pair.as_ref().map(|pair| serial_hex(pair.leaf().der()))
    }

    /// When a certificate of less than ten days is due, if one is held and nobody asked for another.
    pub(crate) fn due(&self) -> Option<SystemTime> {
        let leaf = self.pair.as_ref().filter(|_| !self.record.renew_requested)?.leaf();
        Some(leaf.not_after() - leaf.lifetime() / 2)
    }

    /// Until when failures hold the next attempt, if that is to come.
    pub(crate) fn held_back(&self) -> Option<SystemTime> {
        let until = SystemTime::UNIX_EPOCH + Duration::from_secs(self.record.attempts.next_at?);
        Some(until).filter(|until| *until > SystemTime::now())
    }

    /// Whatever moment the process ended at, the next one knows the published files for its own.
    #[track_caller]
    pub(crate) fn assert_known(&self) {
        let read = |ending: &str| std::fs::read(self.certs.join(format!("{}.{ending}.pem", self.name))).ok();
        let mut files = PublishedFiles::default();
        (files.cert, files.key) = (read("cert"), read("key").map(Secret::new));
        let found = judge(&files, &self.record, self.pair.as_ref());
        assert!(
            matches!(found, Published::Absent | Published::Current | Published::Stale { .. }),
            "{found:?}"
        );
    }

    /// The pair that is published, if the two files are one.
    pub(crate) fn published(&self) -> Result<Pair, docquay::x509::Error> {
        let read = |ending: &str| {
            std::fs::read(self.certs.join(format!("{}.{ending}.pem", self.name))).unwrap_or_default()
        };
        Pair::from_pem(&read("cert"), &read("key"))
    }

    /// The published files are the pair of the truth, the record knows them, and nothing is left half written.
    #[track_caller]
    pub(crate) fn assert_published(&self) {
        let published = self.published().expect("the published key matches");
        let truth = Hashes::of(self.pair.as_ref().expect("a certificate"));
        assert_eq!(Hashes::of(&published), truth);
        // An end of the process right after the files were written leaves earlier ones in the list.
        assert_eq!(self.record.published.last(), Some(&truth));
        let half_written = self.half_written();
        assert!(half_written.is_empty(), "{half_written:?}");
    }

    /// What a write in progress, or one that was cut off, has left beside its target.
    pub(crate) fn half_written(&self) -> Vec<OsString> {
        [self.certs.clone(), self.certs.join(".docquay")]
            .iter()
            .flat_map(|folder| std::fs::read_dir(folder).unwrap())
            .map(|entry| entry.unwrap().file_name())
            .filter(|name| name.to_string_lossy().ends_with(".tmp"))
            .collect()
    }
}
