//! Where pages come from: a folder, a file, a JSON index by path or URL, the embedded manual.

use std::fmt;
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use super::Page;

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
