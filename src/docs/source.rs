//! Where pages come from: a folder, a file, a JSON index by path or URL, the embedded manual.

use std::fmt;
use std::fs;
use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use super::progress::Progress;
use super::{Page, dir, document, hugo_json, manual};

/// A source as the operator named it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Source {
    /// docquay's own manual, embedded in the binary.
    Manual,
    /// A folder, or a single document, or a `.json` index on disk.
    Path(PathBuf),
    /// A `.json` index at an http(s) URL.
    Url(String),
}

impl Source {
    /// What an argument means: an `http(s)://` URL or a path.
    #[must_use]
    pub fn parse(argument: &str) -> Self {
        if argument.starts_with("http://") || argument.starts_with("https://") {
            Self::Url(argument.to_owned())
        } else {
            Self::Path(PathBuf::from(argument))
        }
    }
}

impl Source {
    /// Reads the source whole. `body` is what was fetched, for a URL.
    ///
    /// # Errors
    /// When the path cannot be read, the index is malformed, or a cap is exceeded.
    pub(super) fn read(&self, body: Option<&[u8]>, options: &Options) -> Result<Reading, SourceError> {
        match self {
            Self::Manual => Ok(manual::read()),
            Self::Path(path) if is_index(path) => {
                let unreadable = |error: io::Error| dir::unreadable(path, &error);
                let file = fs::File::open(path).map_err(unreadable)?;
                if file.metadata().map_err(unreadable)?.len() > options.source_bytes as u64 {
                    return Err(dir::too_large(path, options.source_bytes, "limits.source_bytes"));
                }
                let name = path.display().to_string();
                hugo_json::read(&name, io::BufReader::new(file), options.site_url.as_deref(), options)
            }
            Self::Path(path) => {
                if path.is_file() && !document::is_document(&path.to_string_lossy()) {
                    return Err(unknown_ending(path));
                }
                dir::read(path, options)
            }
            Self::Url(url) => hugo_json::read(url, body.unwrap_or_default(), Some(url), options),
        }
    }

    /// A hash of what a path source consists of now; `None` for the others.
    ///
    /// # Errors
    /// When the path cannot be read.
    pub(super) fn stamp(&self) -> Result<Option<u64>, SourceError> {
        match self {
            Self::Path(path) => dir::stamp(path).map(Some),
            Self::Manual | Self::Url(_) => Ok(None),
        }
    }
}

/// Whether the path names a JSON index, by its ending: a folder may be called `x.json` too.
fn is_index(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("json")) && !path.is_dir()
}

fn unknown_ending(path: &Path) -> SourceError {
    SourceError {
        what: format!("cannot read {}", path.display()),
        cause: "its ending is none of a document or an index".to_owned(),
        help: format!("name a folder, a .json index, or a file ending in .{}", document::ENDINGS.join(", .")),
    }
}

/// How sources are read.
#[derive(Clone)]
#[non_exhaustive]
pub struct Options {
    /// Time between scans of a folder and polls of a URL. Default 30 s.
    pub reload_every: Duration,
    /// How long a burst of file events must be quiet. Default 500 ms.
    pub settle: Duration,
    /// Longest fetch of a URL. Default 30 s.
    pub fetch_time: Duration,
    /// Largest single source file or URL answer, bytes. Default 64 MiB.
    pub source_bytes: usize,
    /// Largest sum of document text, bytes. Default 512 MiB.
    pub corpus_bytes: usize,
    /// Where the same pages are published: a page's url is this plus its path, if it has no own.
    pub site_url: Option<String>,
    /// Whether a missing folder is waited for, instead of ending the start.
    pub source_wait: bool,
    /// How URLs are fetched; none: a URL source is an error.
    pub fetch: Option<Arc<dyn Fetch>>,
    /// How far a load is; a clone kept elsewhere can be looked at.
    pub progress: Progress,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            reload_every: Duration::from_secs(30),
            settle: Duration::from_millis(500),
            fetch_time: Duration::from_secs(30),
            source_bytes: 64 * 1024 * 1024,
            corpus_bytes: 512 * 1024 * 1024,
            site_url: None,
            source_wait: false,
            fetch: None,
            progress: Progress::default(),
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Options").field("site_url", &self.site_url).finish_non_exhaustive()
    }
}

/// Fetches a URL, so that `docs` needs no HTTP client: `outbound` implements it.
pub trait Fetch: Send + Sync + 'static {
    /// Fetches `url` unless it still matches `validators` (`ETag`, `Last-Modified`, verbatim).
    fn fetch<'a>(
        &'a self,
        url: &'a str,
        validators: &'a Validators,
        max_bytes: usize,
        deadline: Duration,
    ) -> Pin<Box<dyn Future<Output = Result<Fetched, SourceError>> + Send + 'a>>;
}

/// What an earlier answer said of its version.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Validators {
    /// `ETag`, verbatim.
    pub etag: Option<String>,
    /// `Last-Modified`, verbatim.
    pub last_modified: Option<String>,
}

/// A fetch's outcome.
#[derive(Debug)]
pub enum Fetched {
    /// 304, or the same validators.
    Unchanged,
    /// 200.
    New {
        /// The body.
        body: bytes::Bytes,
        /// For the next fetch.
        validators: Validators,
    },
}

/// Why a source could not be read; the old index stays.
#[derive(Debug)]
#[non_exhaustive]
pub struct SourceError {
    /// What failed, with the path or URL: `cannot read the index docs/index.json`.
    pub what: String,
    /// Why: `line 3, column 9: expected a string for "title"`.
    pub cause: String,
    /// The exact thing to do.
    pub help: String,
}

impl fmt::Display for SourceError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.what, self.cause)
    }
}

impl std::error::Error for SourceError {}

/// What reading a source gave: its pages, and what was left out and why (binary files, drafts).
#[derive(Debug, Default)]
pub(crate) struct Reading {
    /// In source order, ids not yet made unique.
    pub(crate) pages: Vec<Page>,
    /// One line each, for the log.
    pub(crate) warnings: Vec<String>,
}
