//! One reload: what changed, reading it whole, and the index made of it.
//!
//! Owns the memory of what each source was at the last load, and the rule that a source which cannot be
//! read stops the reload, unless it has never been read: then it is waited for.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

use bytes::Bytes;

use super::index::Index;
use super::loader::Loader;
use super::progress::Step;
use super::source::{Fetched, Options, Reading, Source, SourceError, Validators};

/// How often a folder that changes under its reading is read anew.
const TRIES: usize = 3;
/// How often a scan is repeated until two find the same.
const SCANS: usize = 10;

/// What a reload came to.
pub(super) enum Outcome {
    /// Nothing had changed, and nothing was read.
    Unchanged,
    /// Sources were read.
    Loaded {
        /// `None`: the pages are the same as before.
        index: Option<Arc<Index>>,
        /// What was left out.
        warnings: Vec<String>,
    },
}

/// What is remembered between reloads.
pub(super) struct Known {
    sources: Vec<KnownSource>,
    /// A hash over all pages.
    pages: Option<u64>,
    warnings: Vec<String>,
}

#[derive(Default)]
struct KnownSource {
    read: bool,
    stamp: Option<u64>,
    validators: Validators,
    /// Why it could not be read so far.
    waiting: Option<SourceError>,
}

impl Known {
    pub(super) fn new(sources: &[Source]) -> Self {
        let sources = sources.iter().map(|_| KnownSource::default()).collect();
        Self { sources, pages: None, warnings: Vec::new() }
    }

    /// For other sources, none of them read, in place of these.
    pub(super) fn for_others(&self, sources: &[Source]) -> Self {
        Self { pages: self.pages, warnings: self.warnings.clone(), ..Self::new(sources) }
    }

    /// Those warnings that the last load did not have.
    pub(super) fn news(&mut self, warnings: Vec<String>) -> Vec<String> {
        let news = warnings.iter().filter(|warning| !self.warnings.contains(warning)).cloned().collect();
        self.warnings = warnings;
        news
    }

    /// Those of the last load.
    pub(super) fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Why not every source has been read yet.
    pub(super) fn waiting_for(&self) -> Option<SourceError> {
        let error = self.sources.iter().find_map(|source| source.waiting.as_ref())?;
        Some(SourceError { what: error.what.clone(), cause: error.cause.clone(), help: error.help.clone() })
    }
}

/// What a look at a source found.
enum Look {
    Same,
    Changed(Material),
    /// Never read so far, and not readable now.
    Waiting(SourceError),
}

/// What is needed to read a source.
#[derive(Default)]
struct Material {
    stamp: Option<u64>,
    body: Option<Bytes>,
    validators: Validators,
}

/// Reads the sources if one changed (or `all`), and builds the index if its pages did.
pub(super) async fn load(
    loader: &Loader,
    sources: Arc<[Source]>,
    options: Arc<Options>,
    known: &mut Known,
    all: bool,
) -> Result<Outcome, SourceError> {
    let mut tries = 0;
    loop {
        let result = load_once(loader, &sources, &options, known, all).await;
        options.progress.end();
        tries += 1;
        match result {
            Err(_) if tries < TRIES && moved(loader, &sources, known).await => {
                tokio::time::sleep(options.settle).await
            }
            result => return result,
        }
    }
}

/// Whether a folder that is there has changed since the last load: a failed reading may be a torn one.
async fn moved(loader: &Loader, sources: &Arc<[Source]>, known: &Known) -> bool {
    let mut moved = false;
    for (source, known) in sources.iter().zip(&known.sources) {
        if known.read && matches!(source, Source::Path(_)) {
            moved |= stamp(loader, source.clone()).await.is_ok_and(|stamp| stamp != known.stamp);
        }
    }
    moved
}

async fn load_once(
    loader: &Loader,
    sources: &Arc<[Source]>,
    options: &Arc<Options>,
    known: &mut Known,
    all: bool,
) -> Result<Outcome, SourceError> {
    let mut looks = Vec::with_capacity(sources.len());
    for (source, known) in sources.iter().zip(&known.sources) {
        looks.push(look(loader, source, options, known, all).await?);
    }
    if !looks.iter().any(|look| matches!(look, Look::Changed(_))) {
        for (known, look) in known.sources.iter_mut().zip(looks) {
            if let Look::Waiting(error) = look {
                known.waiting = Some(error);
            }
        }
        return Ok(Outcome::Unchanged);
    }
    let mut materials = Vec::with_capacity(sources.len());
    for ((source, look), known) in sources.iter().zip(looks).zip(&mut known.sources) {
        materials.push(match look {
            Look::Changed(material) => Some(material),
            // Its pages are needed again beside those of a source that changed.
            Look::Same => {
                Some(gather(loader, source, options, &Validators::default()).await?.unwrap_or_default())
            }
            Look::Waiting(error) => {
                known.waiting = Some(error);
                None
            }
        });
    }
    let (reading, materials) = read(loader, Arc::clone(sources), Arc::clone(options), materials).await?;
    for (known, material) in known.sources.iter_mut().zip(materials) {
        if let Some(material) = material {
            let Material { stamp, validators, .. } = material;
            *known = KnownSource { read: true, stamp, validators, waiting: None };
        }
    }
    let Reading { pages, warnings } = reading;
    let mut hasher = DefaultHasher::new();
    pages.hash(&mut hasher);
    let hash = hasher.finish();
    if known.pages.replace(hash) == Some(hash) {
        return Ok(Outcome::Loaded { index: None, warnings });
    }
    let progress = options.progress.clone();
    let index = loader.run(move || Ok(Arc::new(Index::build_watched(pages, &progress)))).await?;
    Ok(Outcome::Loaded { index: Some(index), warnings })
}

/// Looks whether a source changed since the last load.
async fn look(
    loader: &Loader,
    source: &Source,
    options: &Options,
    known: &KnownSource,
    all: bool,
) -> Result<Look, SourceError> {
    let found = match source {
        Source::Manual => Ok((!known.read).then(Material::default)),
        Source::Path(_) => settled(loader, source, options, known, all).await,
        Source::Url(_) => gather(loader, source, options, &known.validators).await,
    };
    match found {
        Ok(Some(material)) => Ok(Look::Changed(material)),
        Ok(None) => Ok(Look::Same),
        Err(error) if !known.read && waits(source, options) => Ok(Look::Waiting(error)),
        Err(error) => Err(error),
    }
}

/// Whether a source that was never read may come later.
fn waits(source: &Source, options: &Options) -> bool {
    match source {
        Source::Manual => false,
        Source::Path(path) => options.source_wait && !path.exists(),
        Source::Url(_) => options.fetch.is_some(),
    }
}

/// Scans a path; if it changed, again until it holds still.
async fn settled(
    loader: &Loader,
    source: &Source,
    options: &Options,
    known: &KnownSource,
    all: bool,
) -> Result<Option<Material>, SourceError> {
    let mut seen = stamp(loader, source.clone()).await?;
    if known.read && seen == known.stamp && !all {
        return Ok(None);
    }
    for _ in 0..SCANS {
        if !known.read || seen == known.stamp {
            break;
        }
        tokio::time::sleep(options.settle).await;
        let now = stamp(loader, source.clone()).await?;
        if now == seen {
            break;
        }
        seen = now;
    }
    Ok(Some(Material { stamp: seen, ..Material::default() }))
}

/// What reading a source needs: its stamp or its body; `None` if the URL says it is unchanged.
async fn gather(
    loader: &Loader,
    source: &Source,
    options: &Options,
    validators: &Validators,
) -> Result<Option<Material>, SourceError> {
    let Source::Url(url) = source else {
        return Ok(Some(Material { stamp: stamp(loader, source.clone()).await?, ..Material::default() }));
    };
    let fetch = options.fetch.as_ref().ok_or_else(|| SourceError {
        what: format!("cannot read {url}"),
        cause: "this build fetches no URLs".to_owned(),
        help: "download the index and name the file".to_owned(),
    })?;
    options.progress.begin(Step::Fetching, 0);
    let fetched = fetch.fetch(url, validators, options.source_bytes, options.fetch_time).await?;
    Ok(match fetched {
        Fetched::Unchanged => None,
        Fetched::New { body, validators } => {
            Some(Material { body: Some(body), validators, ..Material::default() })
        }
    })
}

async fn stamp(loader: &Loader, source: Source) -> Result<Option<u64>, SourceError> {
    loader.run(move || source.stamp()).await
}

/// Reads every source that has its material; bodies are freed one by one.
async fn read(
    loader: &Loader,
    sources: Arc<[Source]>,
    options: Arc<Options>,
    mut materials: Vec<Option<Material>>,
) -> Result<(Reading, Vec<Option<Material>>), SourceError> {
    loader
        .run(move || {
            let mut all = Reading::default();
            for (source, material) in sources.iter().zip(&mut materials) {
                let Some(material) = material else { continue };
                let body = material.body.take();
                let mut reading = source.read(body.as_deref(), &options)?;
                if all.pages.is_empty() {
                    all.pages = reading.pages;
                } else {
                    all.pages.append(&mut reading.pages);
                }
                all.warnings.append(&mut reading.warnings);
            }
            Ok((all, materials))
        })
        .await
}
