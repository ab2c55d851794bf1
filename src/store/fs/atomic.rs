//! Files that are whole or not there: written beside their place, synced, renamed over it, the folder synced.

use std::ffi::OsStr;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use tracing::{debug, info};

use super::modes;
use crate::entropy::{self, Entropy};

/// A file that is written and not in its place yet. Dropped, it is gone.
struct Staged {
    path: Option<PathBuf>,
}

/// Replaces `target` by `content`.
pub(super) fn write(target: &Path, content: &[u8], entropy: &dyn Entropy) -> io::Result<()> {
    let folder = folder_of(target)?;
    place(target, content, entropy)?;
    modes::sync_folder(folder)
}

/// Replaces two files of one folder, both written before either is moved: what can fail for want of space fails
/// first. The path is that of the file that could not be written.
pub(super) fn write_both<'a>(
    [first, second]: [(&'a Path, &[u8]); 2],
    entropy: &dyn Entropy,
) -> Result<(), (&'a Path, io::Error)> {
    let stage = |(target, content)| {
        folder_of(target).and_then(|folder| stage(folder, content, entropy)).map_err(|error| (target, error))
    };
    let staged = [(stage(first)?, first), (stage(second)?, second)];
    for (staged, (target, content)) in staged {
        commit(staged, target, content, entropy).map_err(|error| (target, error))?;
    }
    folder_of(first.0).and_then(modes::sync_folder).map_err(|error| (first.0, error))
}

/// Moves `path` to `path.suffix`, or `path.suffix-2` and so on: never over anything.
pub(super) fn set_aside(path: &Path, suffix: &str) -> io::Result<PathBuf> {
    let folder = folder_of(path)?;
    fs::metadata(path)?;
    for number in 1..=MOST_SET_ASIDE {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".{suffix}"));
        if number > 1 {
            name.push(format!("-{number}"));
        }
        let aside = PathBuf::from(name);
        // A rename replaces what is there, so the name is taken first, by an empty file of ours.
        match modes::private(OpenOptions::new().write(true).create_new(true)).open(&aside) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
            Err(error) => return Err(error),
        }
        fs::rename(path, &aside)?;
        modes::sync_folder(folder)?;
        return Ok(aside);
    }
    Err(io::Error::other(format!("{MOST_SET_ASIDE} files were set aside within this second")))
}

/// Writes, syncs, reads back and removes a file as large as an entry with its pair.
pub(super) fn test_write(folder: &Path, entropy: &dyn Entropy) -> io::Result<()> {
    let line = token(entropy)?;
    let content: Vec<u8> = line.bytes().cycle().take(TEST_SIZE).collect();
    for _ in 0..MOST_SWEPT {
        let staged = stage(folder, &content, entropy)?;
        match check(staged, folder, &content) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            done => return done,
        }
    }
    Err(io::Error::other("what was written is gone at once"))
}

/// Reads a staged file back and removes it. It is not found if a [`sweep`] of another process took it.
fn check(staged: Staged, folder: &Path, content: &[u8]) -> io::Result<()> {
    modes::sync_folder(folder)?;
    if staged.path.as_deref().map(fs::read).transpose()?.as_deref() != Some(content) {
        return Err(io::Error::other("what was written does not read back"));
    }
    staged.remove()?;
    modes::sync_folder(folder)
}

/// Makes a folder with mode 0700, and what leads to it.
pub(super) fn make_folder(folder: &Path) -> io::Result<()> {
    match fs::metadata(folder) {
        Ok(found) if found.is_dir() => return Ok(()),
        Ok(_) => return Err(io::ErrorKind::NotADirectory.into()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    modes::private_folder().recursive(true).create(folder)?;
    match folder.parent() {
        Some(parent) => modes::sync_folder(parent),
        None => Ok(()),
    }
}

/// Removes what a crash left half written. A process that is writing just now writes again.
pub(super) fn sweep(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten().filter(|entry| is_temporary(&entry.file_name())) {
        let path = entry.path();
        match fs::remove_file(&path) {
            Ok(()) => info!(path = %path.display(), "removed: half written when docquay ended"),
            Err(error) => debug!(path = %path.display(), %error, "half written, and cannot be removed"),
        }
    }
}

fn place(target: &Path, content: &[u8], entropy: &dyn Entropy) -> io::Result<()> {
    let staged = stage(folder_of(target)?, content, entropy)?;
    commit(staged, target, content, entropy)
}

/// Moves a staged file to its place; stages it anew if a [`sweep`] of another process took it.
fn commit(mut staged: Staged, target: &Path, content: &[u8], entropy: &dyn Entropy) -> io::Result<()> {
    for _ in 0..MOST_SWEPT {
        match staged.rename(target) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                staged = stage(folder_of(target)?, content, entropy)?;
            }
            done => return done,
        }
    }
    staged.rename(target)
}

/// Writes and syncs a file of an unheard-of name.
fn stage(folder: &Path, content: &[u8], entropy: &dyn Entropy) -> io::Result<Staged> {
    let path = folder.join(format!("{PREFIX}{}{SUFFIX}", token(entropy)?));
    let mut file = modes::private(OpenOptions::new().write(true).create_new(true)).open(&path)?;
    let staged = Staged { path: Some(path) };
    file.write_all(content)?;
    file.sync_all()?;
    Ok(staged)
}

impl Staged {
    fn rename(&mut self, target: &Path) -> io::Result<()> {
        let Some(path) = &self.path else { return Ok(()) };
        fs::rename(path, target)?;
        self.path = None;
        Ok(())
    }

    fn remove(mut self) -> io::Result<()> {
        self.path.take().map_or(Ok(()), fs::remove_file)
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if let Some(path) = self.path.take() {
            let _ = fs::remove_file(path);
        }
    }
}

fn folder_of(path: &Path) -> io::Result<&Path> {
    path.parent().ok_or_else(|| io::ErrorKind::InvalidInput.into())
}

fn token(entropy: &dyn Entropy) -> io::Result<String> {
    entropy::token(entropy).map_err(io::Error::other)
}

fn is_temporary(name: &OsStr) -> bool {
    name.to_str().is_some_and(|name| name.starts_with(PREFIX) && name.ends_with(SUFFIX))
}

const PREFIX: &str = ".docquay-";
const SUFFIX: &str = ".tmp";
/// A process sweeps once, when it starts: more than this many starts during one write are none of ours.
const MOST_SWEPT: u32 = 8;
const MOST_SET_ASIDE: u32 = 100;
const TEST_SIZE: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::SystemEntropy;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_write_replaces_and_leaves_nothing_beside() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("a.pem");
        for content in ["one", "two"] {
            write(&target, content.as_bytes(), &SystemEntropy::new()).unwrap();
            assert_eq!(fs::read_to_string(&target).unwrap(), content);
        }
        assert_eq!(names(folder.path()), ["a.pem"]);
    }

    #[test]
    fn a_write_that_fails_leaves_nothing_beside() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("a.pem");
        fs::create_dir(&target).unwrap();
        assert!(write(&target, b"one", &SystemEntropy::new()).is_err());
        let other = folder.path().join("b.pem");
        let both = [(&*other, &b"b"[..]), (&*target, &b"a"[..])];
        let (path, _) = write_both(both, &SystemEntropy::new()).unwrap_err();
        assert_eq!((path, names(folder.path())), (&*target, vec!["a.pem".to_owned(), "b.pem".to_owned()]));
    }

    #[test]
    fn a_sweep_during_a_write_does_not_harm_it() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("a.pem");
        let staged = stage(folder.path(), b"one", &SystemEntropy::new()).unwrap();
        sweep(folder.path());
        assert_eq!(names(folder.path()), [""; 0]);
        let swept = Staged { path: staged.path.clone() };
        assert_eq!(check(swept, folder.path(), b"one").unwrap_err().kind(), io::ErrorKind::NotFound);
        commit(staged, &target, b"one", &SystemEntropy::new()).unwrap();
        assert_eq!(
            (names(folder.path()), fs::read(&target).unwrap()),
            (vec!["a.pem".to_owned()], b"one".to_vec())
        );
    }

    #[test]
    fn a_sweep_takes_only_our_own_leftovers() {
        let folder = tempfile::tempdir().unwrap();
        let kept = [".docquay-notes", "docs.example.com.pem", "x.tmp"];
        for name in kept.iter().chain(&[".docquay-0123.tmp"]) {
            fs::write(folder.path().join(name), "").unwrap();
        }
        sweep(folder.path());
        assert_eq!(names(folder.path()), kept);
    }

    #[test]
    fn what_is_set_aside_is_never_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("a.pem");
        for content in ["one", "two", "three"] {
            fs::write(&target, content).unwrap();
            let aside = set_aside(&target, "broken-x").unwrap();
            assert_eq!(fs::read_to_string(aside).unwrap(), content);
        }
        assert_eq!(names(folder.path()), ["a.pem.broken-x", "a.pem.broken-x-2", "a.pem.broken-x-3"]);
        assert_eq!(set_aside(&target, "broken-x").unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
