//! The store in a folder: one file per entry under `certs/.docquay`, the published pair in `certs` itself.
//!
//! Files have mode 0600 and folders 0700. A file of our own found looser is tightened, with a warning, since its
//! key may have been read; a published file keeps the mode that somebody gave it until the next certificate. Nothing
//! is created before something is written, so that a look at a store leaves no trace.
//!
//! Leases are `flock`s of files of their own, which stay: one that is deleted could be locked by two. All work is
//! done on blocking threads.

mod atomic;
mod blame;
mod modes;

use std::fs::{self, OpenOptions, TryLockError};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::task::spawn_blocking;
use tracing::{debug, warn};

use super::error::{ErrorKind, Operation, StoreError};
use super::key::{CertificateName, Key};
use super::mount::{Durability, durability};
use super::published::PublishedFiles;
use super::{Answer, Lease, Store};
use crate::clock::Clock;
use crate::entropy::Entropy;
use crate::secret::Secret;
use crate::x509::{Pair, date};

/// A store in a folder.
#[derive(Clone, Debug)]
pub struct FileStore(Arc<Folders>);

#[derive(Debug)]
struct Folders {
    /// Where pairs are published.
    certs: PathBuf,
    /// The truth.
    own: PathBuf,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
}

impl FileStore {
    /// The store in the folder `certs`, which need not exist. What a crash left half written is removed.
    ///
    /// # Errors
    /// When the runtime is shutting down. Whether the folder can be used, [`probe`](Store::probe) tells.
    pub async fn open(
        certs: impl Into<PathBuf>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self, StoreError> {
        let certs = certs.into();
        let certs = std::path::absolute(&certs).unwrap_or(certs);
        let own = certs.join(".docquay");
        let store = Self(Arc::new(Folders { certs, own, clock, entropy }));
        store
            .run(|folders| {
                for folder in folders.all() {
                    atomic::sweep(&folder);
                }
                Ok(())
            })
            .await?;
        Ok(store)
    }

    fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Folders) -> Result<T, StoreError> + Send + 'static,
    ) -> Answer<'_, T> {
        let folders = Arc::clone(&self.0);
        Box::pin(async move {
            let place = folders.own.clone();
            match spawn_blocking(move || work(&folders)).await {
                Ok(done) => done,
                // The runtime is shutting down: the work was never begun.
                Err(error) => {
                    Err(StoreError::new(Operation::Write, place, ErrorKind::Io, Some(Box::new(error))))
                }
            }
        })
    }
}

impl Store for FileStore {
    fn load<'a>(&'a self, key: &'a Key) -> Answer<'a, Option<Secret>> {
        let path = self.0.file(key);
        self.run(move |_| {
            let Some((content, mode)) = read(&path)? else { return Ok(None) };
            if mode.is_open_to_others() {
                tighten(&path);
            }
            Ok(Some(content))
        })
    }

    fn save<'a>(&'a self, key: &'a Key, content: Secret) -> Answer<'a, ()> {
        let path = self.0.file(key);
        self.run(move |folders| {
            folders.make()?;
            let done = atomic::write(&path, content.bytes(), &*folders.entropy);
            done.map_err(|error| blame::explain(Operation::Write, &path, error))
        })
    }

    fn certificates(&self) -> Answer<'_, Vec<CertificateName>> {
        self.run(|folders| {
            let files = match fs::read_dir(&folders.own) {
                Ok(files) => files,
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
                Err(error) => return Err(blame::explain(Operation::Read, &folders.own, error)),
            };
            let name = |file: fs::DirEntry| {
                let file = file.file_name();
                file.to_str().and_then(|file| file.strip_suffix(".pem")).map(CertificateName::of_path)
            };
            let mut names: Vec<_> = files.flatten().filter_map(name).collect();
            names.sort_unstable();
            Ok(names)
        })
    }

    fn set_aside<'a>(&'a self, key: &'a Key) -> Answer<'a, String> {
        let path = self.0.file(key);
        self.run(move |folders| {
            let stamp: String = date(folders.clock.system()).chars().filter(char::is_ascii_digit).collect();
            let (day, time) = stamp.split_at_checked(8).unwrap_or((&stamp, ""));
            let suffix = format!("broken-{day}T{time}Z");
            let moved = atomic::set_aside(&path, &suffix);
            let moved = moved.map_err(|error| blame::explain(Operation::SetAside, &path, error))?;
            Ok(moved.display().to_string())
        })
    }

    fn lease<'a>(&'a self, key: &'a Key) -> Answer<'a, Option<Lease>> {
        let path = with_ending(&self.0.own, &key.path(), "lock");
        self.run(move |folders| {
            folders.make()?;
            lock(&path).map_err(|error| blame::explain(Operation::Lease, &path, error))
        })
    }

    fn probe(&self) -> Answer<'_, Durability> {
        self.run(|folders| {
            folders.make()?;
            for folder in folders.all() {
                atomic::test_write(&folder, &*folders.entropy).map_err(|error| {
                    // What is in the way is looked for from a file in the folder upwards.
                    blame::explain(Operation::Probe, &folder.join("a file"), error).in_place(&folder)
                })?;
            }
            Ok(folders.durability())
        })
    }

    fn publish<'a>(&'a self, name: &'a CertificateName, pair: &'a Pair) -> Answer<'a, ()> {
        let (cert_path, key_path) = self.0.published(name);
        let (cert, key) = (pair.chain().to_pem(), Secret::new(pair.key_to_pem()));
        self.run(move |folders| {
            make_folder(&folders.certs, "")?;
            let files = [(&*key_path, key.bytes()), (&*cert_path, cert.as_bytes())];
            atomic::write_both(files, &*folders.entropy)
                .map_err(|(path, error)| blame::explain(Operation::Write, path, error))
        })
    }

    fn published<'a>(&'a self, name: &'a CertificateName) -> Answer<'a, PublishedFiles> {
        let (cert_path, key_path) = self.0.published(name);
        self.run(move |_| {
            let cert = read(&cert_path)?.map(|(cert, _)| cert.bytes().to_vec());
            let (key, key_readable_by_others) = match read(&key_path)? {
                Some((key, mode)) => (Some(key), mode.is_open_to_others()),
                None => (None, false),
            };
            Ok(PublishedFiles { cert, key, key_readable_by_others })
        })
    }

    fn place(&self, key: &Key) -> PathBuf {
        self.0.file(key)
    }

    fn published_paths(&self, name: &CertificateName) -> Option<(PathBuf, PathBuf)> {
        Some(self.0.published(name))
    }
}

impl Folders {
    fn all(&self) -> [PathBuf; 3] {
        [self.certs.clone(), self.own.clone(), self.own.join("accounts")]
    }

    fn file(&self, key: &Key) -> PathBuf {
        with_ending(&self.own, &key.path(), "pem")
    }

    /// Certificate and key.
    fn published(&self, name: &CertificateName) -> (PathBuf, PathBuf) {
        let path = |ending| with_ending(&self.certs, name.as_str(), ending);
        (path("cert.pem"), path("key.pem"))
    }

    fn make(&self) -> Result<(), StoreError> {
        make_folder(&self.certs, "")?;
        make_folder(&self.own, "")?;
        make_folder(&self.own, "accounts")?;
        for folder in self.all().iter().skip(1) {
            if fs::metadata(folder).is_ok_and(|found| modes::of(&found).is_open_to_others()) {
                tighten(folder);
            }
        }
        Ok(())
    }

    fn durability(&self) -> Durability {
        match (fs::canonicalize(&self.own), fs::read("/proc/self/mountinfo")) {
            (Ok(own), Ok(mountinfo)) => match durability(&mountinfo, &own) {
                Durability::Ephemeral { filesystem, .. } => {
                    Durability::Ephemeral { filesystem, path: self.certs.clone() }
                }
                Durability::Lasting => Durability::Lasting,
            },
            (own, mountinfo) => {
                debug!(own = ?own.err(), mountinfo = ?mountinfo.err(), "cannot tell whether certs lasts");
                Durability::Lasting
            }
        }
    }
}

/// `with_extension` would take the last label of a domain for one.
fn with_ending(folder: &Path, name: &str, ending: &str) -> PathBuf {
    folder.join(format!("{name}.{ending}"))
}

fn make_folder(parent: &Path, name: &str) -> Result<(), StoreError> {
    let folder = if name.is_empty() { parent.to_owned() } else { parent.join(name) };
    atomic::make_folder(&folder).map_err(|error| blame::explain(Operation::Write, &folder, error))
}

/// A regular file's bytes and mode; nothing if there is none.
fn read(path: &Path) -> Result<Option<(Secret, modes::Mode)>, StoreError> {
    let explain = |error| blame::explain(Operation::Read, path, error);
    let found = match fs::metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(explain(error)),
    };
    // Asked before it is opened: opening a pipe waits for its writer.
    if !found.is_file() {
        return Err(StoreError::new(Operation::Read, path, ErrorKind::NotAFile, None));
    }
    if found.len() > LARGEST {
        return Err(StoreError::new(Operation::Read, path, ErrorKind::TooLarge, None));
    }
    let file = match fs::File::open(path) {
        Ok(file) => file,
        // Deleted since.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(explain(error)),
    };
    // Room for all of it at once: a buffer that grows leaves copies behind.
    let mut content = Vec::with_capacity(usize::try_from(found.len()).unwrap_or(0) + 1);
    file.take(LARGEST).read_to_end(&mut content).map_err(explain)?;
    Ok(Some((Secret::new(content), modes::of(&found))))
}

fn lock(path: &Path) -> io::Result<Option<Lease>> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    let file = modes::private(&mut options).open(path)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(Lease::new(file))),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

fn tighten(path: &Path) {
    match modes::tighten(path) {
        Ok(()) => warn!(path = %path.display(), "other users could read it: its mode is tightened"),
        Err(error) => {
            warn!(path = %path.display(), %error, "other users can read it, and its mode cannot be changed");
        }
    }
}

/// Far more than a pair with its record needs.
const LARGEST: u64 = 1 << 20;
