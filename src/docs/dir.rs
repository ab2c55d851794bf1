//! A folder of documents: the walk, the links, the order, the reading.
//!
//! Owns which files of a folder are documents and which are left out. The root is resolved anew at each
//! walk, since git-sync and Kubernetes swap links under it. Never leaves the root.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io;
use std::path::{Path, PathBuf};

use super::document::{self, Document};
use super::progress::Step;
use super::source::{Options, Reading, SourceError};
use crate::platform::Identity;

/// A document found by a walk.
#[derive(Debug)]
struct Found {
    /// Relative to the root, with `/` and its ending.
    path: String,
    /// What to open; through links as walked.
    file: PathBuf,
    bytes: u64,
}

/// What a walk saw.
#[derive(Debug, Default)]
struct Walk {
    found: Vec<Found>,
    warnings: Vec<String>,
    /// A hash over path, size, mtime and inode of each document.
    stamp: u64,
}

/// A hash of what lies under `root` now, without reading any document.
///
/// # Errors
/// When the root cannot be walked.
pub(super) fn stamp(root: &Path) -> Result<u64, SourceError> {
    Ok(walk(root)?.stamp)
}

/// Reads every document under `root`, or the single one that `root` is.
///
/// # Errors
/// When the root cannot be walked, a file vanished meanwhile, or a cap is exceeded.
pub(super) fn read(root: &Path, options: &Options) -> Result<Reading, SourceError> {
    let walk = walk(root)?;
    let stems: HashSet<String> = walk.found.iter().map(|found| stem(&found.path).to_owned()).collect();
    let mut reading = Reading { pages: Vec::new(), warnings: walk.warnings };
    let mut documents: Vec<(String, Document)> = Vec::new();
    let mut corpus = 0_u64;
    options.progress.begin(Step::Reading, walk.found.len());
    for found in walk.found {
        options.progress.advance();
        if found.bytes > options.source_bytes as u64 {
            return Err(too_large(&found.file, options.source_bytes, "limits.source_bytes"));
        }
        corpus += found.bytes;
        if corpus > options.corpus_bytes as u64 {
            return Err(too_large(root, options.corpus_bytes, "limits.corpus_bytes"));
        }
        let text = match text_of(&found.file) {
            Ok(Ok(text)) => text,
            Ok(Err(why)) => {
                reading.warnings.push(format!("{}: {why}; left out", found.path));
                continue;
            }
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                reading.warnings.push(format!("{}: {error}; left out", found.path));
                continue;
            }
            Err(error) => return Err(vanished(&found.file, &error)),
        };
        let id = document::id_of(&found.path, |other| stems.contains(other));
        if let Some(mut document) = document::read(&found.path, id, &text, options.site_url.as_deref()) {
            let warning = document.warning.take();
            reading.warnings.extend(warning.map(|why| format!("{}: front matter: {why}", found.path)));
            documents.push((found.path, document));
        }
    }
    reading.pages = in_order(documents);
    if reading.pages.is_empty() {
        reading.warnings.push(format!("{} holds no document ({})", root.display(), endings()));
    }
    Ok(reading)
}

/// Siblings by weight, then name; a folder's own page stands for it and comes first.
fn in_order(documents: Vec<(String, Document)>) -> Vec<super::Page> {
    let mut folders: HashMap<String, i64> = HashMap::new();
    for (path, document) in &documents {
        if let (Some(folder), Some(weight)) = (folder_page(path), document.weight) {
            folders.insert(folder.to_owned(), weight);
        }
    }
    let key = |path: &str, weight: Option<i64>| {
        let mut key: Vec<(i64, String)> = Vec::new();
        let stem = stem(path);
        for (end, _) in stem.match_indices('/') {
            let folder = stem.get(..end).unwrap_or_default();
            let weight = folders.get(folder).copied().unwrap_or(i64::MAX);
            key.push((weight, folder.to_owned()));
        }
        if folder_page(path).is_none() {
            key.push((weight.filter(|weight| *weight != 0).unwrap_or(i64::MAX), stem.to_owned()));
        }
        key
    };
    let mut keyed: Vec<_> = documents
        .into_iter()
        .map(|(path, document)| (key(&path, document.weight), path, document.page))
        .collect();
    keyed.sort_by(|a, b| (&a.0, &a.1).cmp(&(&b.0, &b.1)));
    keyed.into_iter().map(|(_, _, page)| page).collect()
}

/// The folder that this file is the page of.
fn folder_page(path: &str) -> Option<&str> {
    let (folder, name) = stem(path).rsplit_once('/').unwrap_or_else(|| ("", stem(path)));
    document::stands_for_folder(name).then_some(folder)
}

fn stem(path: &str) -> &str {
    path.rsplit_once('.').map_or(path, |(stem, _)| stem)
}

/// The text of a file, or why it is none.
fn text_of(file: &Path) -> io::Result<Result<String, &'static str>> {
    let bytes = fs::read(file)?;
    if bytes.contains(&0) {
        return Ok(Err("binary (it holds NUL bytes)"));
    }
    Ok(String::from_utf8(bytes).ok().ok_or("not UTF-8"))
}

fn walk(root: &Path) -> Result<Walk, SourceError> {
    let real = fs::canonicalize(root).map_err(|error| unreadable(root, &error))?;
    let metadata = fs::metadata(&real).map_err(|error| unreadable(root, &error))?;
    let mut walk = Walk::default();
    if metadata.is_file() {
        let name = root.file_name().unwrap_or_default().to_string_lossy().into_owned();
        walk.found.push(Found { path: name, file: real.clone(), bytes: metadata.len() });
    } else {
        fs::read_dir(&real).map_err(|error| unreadable(root, &error))?;
        let mut walker = Walker { root: real.clone(), seen: HashSet::new(), links: Vec::new(), walk };
        walker.folder(&real, "");
        // Links come last, so that a real folder keeps its own path.
        while let Some((file, path)) = walker.links.pop() {
            walker.link(file, path);
        }
        walk = walker.walk;
    }
    walk.found.sort_by(|a, b| a.path.cmp(&b.path));
    walk.warnings.sort();
    let mut hasher = DefaultHasher::new();
    real.hash(&mut hasher);
    for found in &walk.found {
        found.path.hash(&mut hasher);
        fs::metadata(&found.file).map(|metadata| Identity::of(&metadata)).ok().hash(&mut hasher);
    }
    walk.stamp = hasher.finish();
    Ok(walk)
}

struct Walker {
    root: PathBuf,
    /// Real folders already walked.
    seen: HashSet<PathBuf>,
    /// Links still to follow: what to open, the path it stands at. Popped from the end.
    links: Vec<(PathBuf, String)>,
    walk: Walk,
}

impl Walker {
    /// `folder` is a real path.
    fn folder(&mut self, folder: &Path, at: &str) {
        let mut pending = vec![(folder.to_owned(), at.to_owned())];
        let mut links = Vec::new();
        while let Some((folder, at)) = pending.pop() {
            if !self.seen.insert(folder.clone()) {
                continue;
            }
            let entries = match fs::read_dir(&folder) {
                Ok(entries) => entries,
                Err(error) => {
                    self.walk.warnings.push(format!("{at}/: {error}; left out"));
                    continue;
                }
            };
            for entry in entries.flatten() {
                let name = entry.file_name();
                let Some(name) = name.to_str() else {
                    let name = name.to_string_lossy();
                    self.walk.warnings.push(format!("{at}/{name}: its name is not UTF-8; left out"));
                    continue;
                };
                if name.starts_with('.') {
                    continue;
                }
                let path = if at.is_empty() { name.to_owned() } else { format!("{at}/{name}") };
                match entry.file_type() {
                    Ok(kind) if kind.is_dir() => pending.push((entry.path(), path)),
                    Ok(kind) if kind.is_symlink() => links.push((entry.path(), path)),
                    Ok(kind) if kind.is_file() && document::is_document(&path) => {
                        self.file(entry.path(), path);
                    }
                    _ => {}
                }
            }
        }
        links.sort_by(|a, b| b.1.cmp(&a.1));
        self.links.splice(0..0, links);
    }

    fn file(&mut self, file: PathBuf, path: String) {
        // Gone since it was listed: the reading finds the same, or the next walk does.
        let bytes = fs::metadata(&file).map_or(0, |metadata| metadata.len());
        self.walk.found.push(Found { path, file, bytes });
    }

    fn link(&mut self, file: PathBuf, path: String) {
        let Ok(target) = fs::canonicalize(&file) else {
            self.walk.warnings.push(format!("{path}: the link leads nowhere; left out"));
            return;
        };
        if !target.starts_with(&self.root) {
            self.walk.warnings.push(format!("{path}: the link leads out of the folder; left out"));
        } else if target.is_dir() {
            self.folder(&target, &path);
        } else if document::is_document(&path) {
            self.file(file, path);
        }
    }
}

fn endings() -> String {
    document::ENDINGS.map(|ending| format!(".{ending}")).join(", ")
}

fn vanished(file: &Path, error: &io::Error) -> SourceError {
    SourceError {
        what: format!("cannot read {}", file.display()),
        cause: error.to_string(),
        help: "the folder changed while it was read; it is read again at the next scan".to_owned(),
    }
}

pub(super) fn too_large(path: &Path, limit: usize, option: &str) -> SourceError {
    SourceError {
        what: format!("cannot read {}", path.display()),
        cause: format!("it is larger than {limit} bytes"),
        help: format!("leave it out, or raise `{option}`"),
    }
}

/// The error for a root that is not there, with the nearest path that is.
pub(super) fn unreadable(root: &Path, error: &io::Error) -> SourceError {
    let what = format!("cannot read {}", root.display());
    if error.kind() != io::ErrorKind::NotFound {
        let help = "give this user the right to read it, or name another folder".to_owned();
        return SourceError { what, cause: error.to_string(), help };
    }
    let absolute = std::path::absolute(root).unwrap_or_else(|_| root.to_owned());
    let nearest = absolute.ancestors().skip(1).find(|path| path.exists()).map(Path::to_owned);
    let help = match nearest {
        Some(path) => {
            format!("the nearest path that exists is {}{}", path.display(), siblings(&path, &absolute))
        }
        None => "name a folder that exists".to_owned(),
    };
    SourceError { what, cause: "there is no such file or folder".to_owned(), help }
}

/// A few of the folders in `path`, the ones like the missing one first.
fn siblings(path: &Path, missing: &Path) -> String {
    let wanted = missing.strip_prefix(path).ok().and_then(|rest| rest.iter().next()).unwrap_or_default();
    let wanted = wanted.to_string_lossy().to_lowercase();
    let entries = fs::read_dir(path).into_iter().flatten().flatten().filter(|entry| entry.path().is_dir());
    let mut names: Vec<String> =
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.retain(|name| !name.starts_with('.'));
    let like = |name: &String| {
        let name = name.to_lowercase();
        let common = name.chars().zip(wanted.chars()).take_while(|(a, b)| a == b).count();
        (std::cmp::Reverse(common), name)
    };
    names.sort_by_key(like);
    names.truncate(3);
    if names.is_empty() { String::new() } else { format!(" (in it: {})", names.join(", ")) }
}
