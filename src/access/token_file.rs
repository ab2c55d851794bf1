//! The token file: read, looked at again, and never half believed.
//!
//! A file that cannot be used changes nothing: the tokens of its last good reading stay. One that is empty is a
//! good reading that lets nobody in.

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tracing::{info, warn};

use crate::platform;

use super::tokens::{LineError, Tokens};
use crate::entropy::Entropy;
use crate::shutdown::Shutdown;

/// The tokens of a file, as of its last good reading.
#[derive(Debug)]
pub struct TokenFile {
    path: PathBuf,
    entropy: Arc<dyn Entropy>,
    tokens: watch::Sender<Arc<Tokens>>,
}

/// Why a token file cannot be used.
#[derive(Debug)]
#[non_exhaustive]
pub enum TokenFileError {
    /// It cannot be read.
    Read(io::Error),
    /// It is larger than any list of tokens, or no text.
    NotText,
    /// A line of it cannot be used.
    Line(LineError),
}

impl fmt::Display for TokenFileError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(error) => error.fmt(formatter),
            Self::NotText => write!(formatter, "it is no text, or larger than {LARGEST} bytes"),
            Self::Line(error) => error.fmt(formatter),
        }
    }
}

impl std::error::Error for TokenFileError {}

impl TokenFileError {
    /// What to do about it.
    #[must_use]
    pub fn help(&self) -> &'static str {
        match self {
            Self::Read(_) => {
                "check the path and the file's permissions; make the first token with: docquay token --name NAME"
            }
            Self::NotText => "write one token a line: sha256:HEX NAME",
            Self::Line(error) => error.kind.help(),
        }
    }
}

impl TokenFile {
    /// Reads the file. Blocks.
    ///
    /// # Errors
    /// When it cannot be read or used.
    pub fn open(path: &Path, entropy: Arc<dyn Entropy>) -> Result<Self, TokenFileError> {
        let text = read(path)?;
        let tokens = Tokens::parse(&text, &*entropy).map_err(TokenFileError::Line)?;
        tell(path, &tokens);
        warn_of_mode(path);
        Ok(Self { path: path.to_owned(), entropy, tokens: watch::Sender::new(Arc::new(tokens)) })
    }

    /// The tokens that are let in now.
    #[must_use]
    pub fn tokens(&self) -> Arc<Tokens> {
        Arc::clone(&self.tokens.borrow())
    }

    /// Completes when the token of this hash is let in no more. Cancel safe.
    pub fn removal(&self, hash: [u8; 32]) -> impl Future<Output = ()> + Send + 'static {
        let mut tokens = self.tokens.subscribe();
        async move {
            if tokens.wait_for(|tokens| !tokens.have(&hash)).await.is_err() {
                // Without the file nothing is removed any more.
                std::future::pending::<()>().await;
            }
        }
    }

    /// Reads the file again every `every` and at each `wake`, until `shutdown` drains.
    ///
    /// What cannot be used is a warning, once for each new fault and at each `wake`.
    pub async fn watch(self: Arc<Self>, every: Duration, wake: Arc<Notify>, shutdown: Shutdown) {
        let mut last = Look::default();
        let mut asked = false;
        loop {
            let this = Arc::clone(&self);
            let looked = tokio::select! {
                looked = tokio::task::spawn_blocking(move || this.look(last, asked)) => looked,
                () = shutdown.draining() => return,
            };
            // The look was cancelled: the runtime ends.
            let Ok(look) = looked else { return };
            last = look;
            asked = tokio::select! {
                () = wake.notified() => true,
                () = tokio::time::sleep(every) => false,
                () = shutdown.draining() => return,
            };
        }
    }

    /// One look at the file.
    fn look(&self, last: Look, asked: bool) -> Look {
        let parsed = read(&self.path).and_then(|text| {
            if last.text.as_deref() == Some(&text) {
                return Ok((text, None));
            }
            let tokens = Tokens::parse(&text, &*self.entropy).map_err(TokenFileError::Line)?;
            Ok((text, Some(tokens)))
        });
        match parsed {
            Ok((text, None)) => Look { text: Some(text), fault: None },
            Ok((text, Some(tokens))) => {
                // The first look finds what the start has read.
                if last.text.is_some() || last.fault.is_some() || asked {
                    tell(&self.path, &tokens);
                }
                self.tokens.send_replace(Arc::new(tokens));
                Look { text: Some(text), fault: None }
            }
            Err(error) => {
                let fault = error.to_string();
                if asked || last.fault.as_ref() != Some(&fault) {
                    let file = self.path.display();
                    warn!(%file, cause = fault, help = error.help(), "the token file cannot be used; the old tokens stay");
                }
                Look { text: last.text, fault: Some(fault) }
            }
        }
    }
}

/// What the last looks found: the text of the good one, and what is wrong since.
#[derive(Debug, Default)]
struct Look {
    text: Option<String>,
    fault: Option<String>,
}

fn read(path: &Path) -> Result<String, TokenFileError> {
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(TokenFileError::Read)?;
    file.take(LARGEST + 1).read_to_end(&mut bytes).map_err(TokenFileError::Read)?;
    if bytes.len() as u64 > LARGEST {
        return Err(TokenFileError::NotText);
    }
    String::from_utf8(bytes).ok().ok_or(TokenFileError::NotText)
}

fn tell(path: &Path, tokens: &Tokens) {
    let (file, count) = (path.display(), tokens.len());
    if tokens.is_empty() {
        warn!(%file, "the token file names no token: nobody is let in");
    } else {
        let names: Vec<&str> = tokens.names().take(SHOWN).collect();
        info!(%file, count, names = names.join(" "), "tokens read");
    }
}

/// Whoever may write the file may let himself in; whoever may read it learns names and hashes.
fn warn_of_mode(path: &Path) {
    let Ok(metadata) = std::fs::metadata(path) else { return };
    let (file, mode) = (path.display(), platform::owner_and_mode(&metadata).1 & 0o777);
    if mode & 0o022 != 0 {
        warn!(%file, mode = format!("{mode:o}"), "others may change the token file and let themselves in: chmod 600");
    } else if mode & 0o044 != 0 {
        info!(%file, mode = format!("{mode:o}"), "others may read the token file: it holds names and hashes, no token");
    }
}

/// A thousand lines take a tenth of it; a wrong path may lead to something larger.
const LARGEST: u64 = 1024 * 1024;
/// Names in a line of the log.
const SHOWN: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::tokens::new_token;
    use crate::entropy::SystemEntropy;
    use crate::shutdown;

    fn token(name: &str) -> (String, String) {
        new_token(name, &SystemEntropy::new()).unwrap()
    }

    struct Folder(tempfile::TempDir);

    impl Folder {
        fn with(text: &str) -> Self {
            let folder = Self(tempfile::tempdir().unwrap());
            folder.write(text);
            folder
        }

        fn path(&self) -> PathBuf {
            self.0.path().join("tokens")
        }

        fn write(&self, text: &str) {
            std::fs::write(self.path(), text).unwrap();
        }

        fn open(&self) -> Result<TokenFile, TokenFileError> {
            TokenFile::open(&self.path(), Arc::new(SystemEntropy::new()))
        }
    }

    fn lets_in(file: &TokenFile, token: &str) -> bool {
        file.tokens().holder(token).is_some()
    }

    #[test]
    fn a_file_that_is_not_there_or_no_text_is_an_error_with_help() {
        let folder = Folder::with("");
        std::fs::remove_file(folder.path()).unwrap();
        let error = folder.open().unwrap_err();
        assert!(matches!(error, TokenFileError::Read(_)) && error.help().contains("docquay token"));
        std::fs::write(folder.path(), [0xff, 0xfe]).unwrap();
        assert!(matches!(folder.open().unwrap_err(), TokenFileError::NotText));
        folder.write(&"#".repeat(LARGEST as usize + 1));
        assert!(matches!(folder.open().unwrap_err(), TokenFileError::NotText));
    }

    #[test]
    fn a_broken_new_file_changes_nothing_and_an_empty_one_closes() {
        let ((old, old_line), (new, new_line)) = (token("old"), token("new"));
        let folder = Folder::with(&old_line);
        let file = folder.open().unwrap();
        let look = file.look(Look::default(), false);
        for broken in [new.clone(), format!("{new_line}\nsha256:1 x")] {
            folder.write(&broken);
            let look = file.look(Look { text: look.text.clone(), fault: None }, false);
            assert!(look.fault.is_some() && lets_in(&file, &old) && !lets_in(&file, &new));
        }
        std::fs::remove_file(folder.path()).unwrap();
        let look = file.look(look, false);
        assert!(look.fault.is_some() && lets_in(&file, &old));
        folder.write(&new_line);
        let look = file.look(look, false);
        assert!(look.fault.is_none() && !lets_in(&file, &old) && lets_in(&file, &new));
        folder.write("");
        let look = file.look(look, false);
        assert!(look.fault.is_none() && file.tokens().is_empty());
    }

    #[tokio::test]
    async fn a_changed_file_is_read_by_itself_and_at_a_wake_and_a_drain_ends_the_watching() {
        let ((first, first_line), (second, second_line)) = (token("a"), token("b"));
        for (every, wakes) in [(Duration::from_millis(10), false), (Duration::from_secs(3_600), true)] {
            let folder = Folder::with(&first_line);
            let file = Arc::new(folder.open().unwrap());
            let (trigger, shutdown) = shutdown::channel();
            let wake = Arc::new(Notify::new());
            let watching = tokio::spawn(Arc::clone(&file).watch(every, Arc::clone(&wake), shutdown));
            assert!(lets_in(&file, &first));
            folder.write(&second_line);
            if wakes {
                wake.notify_one();
            }
            tokio::time::timeout(Duration::from_secs(20), async {
                while !lets_in(&file, &second) {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            })
            .await
            .unwrap();
            assert!(!lets_in(&file, &first));
            trigger.drain();
            watching.await.unwrap();
        }
    }
}
