//! A store that is gone with its process: for tests, and for embedders that keep their entries elsewhere.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::error::{ErrorKind, Operation, StoreError};
use super::key::{CertificateName, Key};
use super::mount::{Durability, Filesystem};
use super::published::PublishedFiles;
use super::{Answer, Lease, Store};
use crate::secret::Secret;
use crate::x509::Pair;

/// A store in memory. Clones share what they keep.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore(Arc<Mutex<Kept>>);

#[derive(Default)]
struct Kept {
    entries: HashMap<Key, Secret>,
    set_aside: Vec<(String, Secret)>,
    published: HashMap<CertificateName, (Vec<u8>, Secret)>,
    leased: HashSet<Key>,
}

/// Frees a lease.
struct Held {
    key: Key,
    kept: Arc<Mutex<Kept>>,
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        lock(&self.0)
    }
}

impl Store for MemoryStore {
    fn load<'a>(&'a self, key: &'a Key) -> Answer<'a, Option<Secret>> {
        Box::pin(async move { Ok(self.kept().entries.get(key).cloned()) })
    }

    fn save<'a>(&'a self, key: &'a Key, content: Secret) -> Answer<'a, ()> {
        Box::pin(async move {
            self.kept().entries.insert(key.clone(), content);
            Ok(())
        })
    }

    fn certificates(&self) -> Answer<'_, Vec<CertificateName>> {
        Box::pin(async {
            let kept = self.kept();
            let name = |key: &Key| match key {
                Key::Certificate { name } => Some(name.clone()),
                _ => None,
            };
            let mut names: Vec<_> = kept.entries.keys().filter_map(name).collect();
            names.sort_unstable();
            Ok(names)
        })
    }

    fn set_aside<'a>(&'a self, key: &'a Key) -> Answer<'a, String> {
        Box::pin(async move {
            let mut kept = self.kept();
            let Some(content) = kept.entries.remove(key) else {
                return Err(StoreError::new(Operation::SetAside, self.place(key), ErrorKind::Io, None));
            };
            let to = format!("{}.broken-{}", key.path(), kept.set_aside.len());
            kept.set_aside.push((to.clone(), content));
            Ok(to)
        })
    }

    fn lease<'a>(&'a self, key: &'a Key) -> Answer<'a, Option<Lease>> {
        Box::pin(async move {
            let free = self.kept().leased.insert(key.clone());
            Ok(free.then(|| Lease::new(Held { key: key.clone(), kept: Arc::clone(&self.0) })))
        })
    }

    fn probe(&self) -> Answer<'_, Durability> {
        Box::pin(async {
            Ok(Durability::Ephemeral { filesystem: Filesystem::Process, path: PathBuf::new() })
        })
    }

    fn publish<'a>(&'a self, name: &'a CertificateName, pair: &'a Pair) -> Answer<'a, ()> {
        Box::pin(async move {
            let files = (pair.chain().to_pem().into_bytes(), Secret::new(pair.key_to_pem()));
            self.kept().published.insert(name.clone(), files);
            Ok(())
        })
    }

    fn published<'a>(&'a self, name: &'a CertificateName) -> Answer<'a, PublishedFiles> {
        Box::pin(async move {
            let (cert, key) = self.kept().published.get(name).cloned().unzip();
            Ok(PublishedFiles { cert, key, key_readable_by_others: false })
        })
    }

    fn place(&self, key: &Key) -> PathBuf {
        key.path().into()
    }

    fn published_paths(&self, _: &CertificateName) -> Option<(PathBuf, PathBuf)> {
        None
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        lock(&self.kept).leased.remove(&self.key);
    }
}

impl fmt::Debug for Kept {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let leased = self.leased.len();
        write!(formatter, "Kept({} entries, {leased} leased)", self.entries.len())
    }
}

/// No change of [`Kept`] can be left half done, so that a panic elsewhere spoils nothing.
fn lock(kept: &Mutex<Kept>) -> MutexGuard<'_, Kept> {
    kept.lock().unwrap_or_else(PoisonError::into_inner)
}
