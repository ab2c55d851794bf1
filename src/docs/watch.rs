//! File events as hints that a folder may have changed.
//!
//! Owns the subscription to the operating system's events (notify), where the `cli` feature brings it.
//! Events wake a scan early and decide nothing: mounts without events are found by the scan alone.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::Notify;

/// A running subscription; dropping it ends it.
pub(super) struct Watch {
    woken: Arc<Notify>,
    /// What is watched now: the named path, and where it led.
    roots: Vec<(PathBuf, Option<PathBuf>)>,
    events: Option<events::Events>,
}

impl Watch {
    /// Nothing is watched yet.
    pub(super) fn new() -> Self {
        Self { woken: Arc::new(Notify::new()), roots: Vec::new(), events: None }
    }

    /// Watches these paths, if they lead elsewhere than before. Blocks: walks the folders.
    pub(super) fn follow(&mut self, paths: &[PathBuf]) {
        let real = |path: &PathBuf| {
            (std::path::absolute(path).unwrap_or_else(|_| path.clone()), path.canonicalize().ok())
        };
        let roots: Vec<_> = paths.iter().map(real).collect();
        if roots != self.roots {
            self.events = events::Events::new(&roots, Arc::clone(&self.woken));
            self.roots = roots;
        }
    }

    /// What a waiter holds on to while the subscription is renewed elsewhere.
    pub(super) fn waker(&self) -> Arc<Notify> {
        Arc::clone(&self.woken)
    }
}

/// Whether an event on `path` concerns one of the roots.
#[cfg_attr(not(feature = "cli"), expect(dead_code, reason = "without events there is nothing to sift"))]
fn concerns(roots: &[(PathBuf, Option<PathBuf>)], path: &Path) -> bool {
    roots.iter().any(|(named, real)| {
        path.starts_with(named)
            || named.starts_with(path)
            || real.as_ref().is_some_and(|real| path.starts_with(real))
    })
}

#[cfg(feature = "cli")]
mod events {
    use std::path::PathBuf;
    use std::sync::Arc;

    use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
    use tokio::sync::Notify;

    /// The subscription itself.
    pub(super) struct Events(#[expect(dead_code, reason = "held so that it lives")] RecommendedWatcher);

    impl Events {
        pub(super) fn new(roots: &[(PathBuf, Option<PathBuf>)], woken: Arc<Notify>) -> Option<Self> {
            let sift = roots.to_vec();
            let handler = move |event: notify::Result<notify::Event>| {
                // Reading documents is an event too: it must not wake the next reading.
                let changed = match event {
                    Ok(event) if matches!(event.kind, EventKind::Access(_)) => false,
                    Ok(event) => {
                        event.paths.iter().any(|path| super::concerns(&sift, path)) || event.paths.is_empty()
                    }
                    Err(_) => true,
                };
                if changed {
                    woken.notify_one();
                }
            };
            let watcher = notify::recommended_watcher(handler);
            let mut watcher = watcher.inspect_err(|error| tracing::debug!(%error, "no file events")).ok()?;
            for (named, real) in roots {
                let mut watch = |path: &std::path::Path, mode| {
                    if let Err(error) = watcher.watch(path, mode) {
                        tracing::debug!(path = %path.display(), %error, "no file events");
                    }
                };
                if let Some(real) = real {
                    watch(real, RecursiveMode::Recursive);
                }
                // A link that is swapped, a folder that is made anew: the folder above sees it.
                if let Some(parent) = named.parent().filter(|parent| parent.is_dir()) {
                    watch(parent, RecursiveMode::NonRecursive);
                }
            }
            Some(Self(watcher))
        }
    }
}

#[cfg(not(feature = "cli"))]
mod events {
    use std::path::PathBuf;
    use std::sync::Arc;

    use tokio::sync::Notify;

    /// No events: the scan finds changes.
    pub(super) struct Events(std::convert::Infallible);

    impl Events {
        pub(super) fn new(_: &[(PathBuf, Option<PathBuf>)], _: Arc<Notify>) -> Option<Self> {
            None
        }
    }
}
