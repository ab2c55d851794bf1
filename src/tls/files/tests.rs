use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use tempfile::TempDir;
use tokio::sync::mpsc;

use super::*;
use crate::names::Identifier;
use crate::shutdown;
use crate::tls::self_signed;

fn pair(name: &str) -> Pair {
    self_signed(&[Identifier::parse(name).unwrap()], SystemTime::UNIX_EPOCH).unwrap()
}

struct Folder {
    folder: TempDir,
    files: PairFiles,
}

impl Folder {
    fn with(pair: &Pair) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let files = PairFiles { cert: folder.path().join("c.pem"), key: folder.path().join("k.pem") };
        let this = Self { folder, files };
        this.write_cert(pair);
        this.write_key(pair);
        this
    }

    fn write_cert(&self, pair: &Pair) {
        fs::write(&self.files.cert, pair.chain().to_pem()).unwrap();
    }

    fn write_key(&self, pair: &Pair) {
        fs::write(&self.files.key, pair.key_to_pem()).unwrap();
    }

    /// The looks of a server that serves `pair`.
    fn watch(&self, pair: &Pair) -> Option<Watch> {
        Some(Watch { files: self.files.clone(), served: pair.chain().clone(), last: None })
    }
}

/// One look: the new pair's chain, and what is wrong.
fn look(watch: &mut Option<Watch>) -> (Option<Chain>, Option<String>) {
    let (next, pair) = watch.take().unwrap().look(false);
    let wrong = next.last.as_ref().unwrap().1.clone();
    *watch = Some(next);
    (pair.map(|pair| pair.chain().clone()), wrong)
}

#[test]
fn an_error_names_the_file_that_is_at_fault() {
    let (ours, other) = (pair("a.example"), pair("b.example"));
    let folder = Folder::with(&ours);
    let (cert, key) = (folder.files.cert.display().to_string(), folder.files.key.display().to_string());
    let wrong = || in_words(&folder.files.load().unwrap_err());
    assert_eq!(folder.files.load().unwrap().chain(), ours.chain());

    folder.write_key(&other);
    assert_eq!(wrong(), format!("the key in {key} does not belong to the certificate in {cert}"));
    fs::write(&folder.files.key, ours.chain().to_pem()).unwrap();
    assert_eq!(wrong(), format!("cannot use {key}: there is no private key that TLS can use"));
    fs::write(&folder.files.cert, "").unwrap();
    assert_eq!(wrong(), format!("cannot use {cert}: there is no CERTIFICATE block"));
    fs::remove_file(&folder.files.key).unwrap();
    assert!(wrong().starts_with(&format!("cannot read {key}: ")), "{}", wrong());
    fs::remove_file(&folder.files.cert).unwrap();
    fs::create_dir(&folder.files.cert).unwrap();
    assert!(wrong().starts_with(&format!("cannot read {cert}: ")), "{}", wrong());
}

#[test]
fn one_file_may_hold_both() {
    let ours = pair("a.example");
    let folder = Folder::with(&ours);
    let both = folder.folder.path().join("both.pem");
    fs::write(&both, ours.key_to_pem() + &ours.chain().to_pem()).unwrap();
    let files = PairFiles { cert: both.clone(), key: both };
    assert_eq!(files.load().unwrap().chain(), ours.chain());
}

#[test]
fn a_half_written_pair_is_passed_over_until_its_other_half_is_there() {
    let (old, new) = (pair("a.example"), pair("a.example"));
    let folder = Folder::with(&old);
    let mut watch = folder.watch(&old);
    assert_eq!(look(&mut watch), (None, None));

    let text = new.chain().to_pem();
    fs::write(&folder.files.cert, &text[..text.len() / 2]).unwrap();
    let (found, wrong) = look(&mut watch);
    assert!(found.is_none() && wrong.unwrap().contains("c.pem"));

    folder.write_cert(&new);
    let (found, wrong) = look(&mut watch);
    assert!(found.is_none() && wrong.unwrap().contains("does not belong"));

    folder.write_key(&new);
    assert_eq!(look(&mut watch), (Some(new.chain().clone()), None));
    assert_eq!(look(&mut watch), (None, None));
}

#[test]
fn a_pair_that_is_renamed_or_linked_into_place_is_seen() {
    let (old, new) = (pair("a.example"), pair("a.example"));
    let folder = Folder::with(&old);
    let mut watch = folder.watch(&old);
    assert_eq!(look(&mut watch), (None, None));
    // As Kubernetes does it: the files are links through a link to a folder, and that link is swapped.
    let data = folder.folder.path().join("data");
    fs::create_dir(&data).unwrap();
    for (path, text) in [(&folder.files.cert, new.chain().to_pem()), (&folder.files.key, new.key_to_pem())] {
        let real = data.join(path.file_name().unwrap());
        fs::write(&real, text).unwrap();
        fs::remove_file(path).unwrap();
        std::os::unix::fs::symlink(real, path).unwrap();
    }
    assert_eq!(look(&mut watch), (Some(new.chain().clone()), None));
}

#[test]
fn a_file_that_becomes_readable_without_a_change_is_read() {
    let (old, new) = (pair("a.example"), pair("a.example"));
    let folder = Folder::with(&old);
    let mut watch = folder.watch(&old);
    let saved = folder.folder.path().join("saved");
    folder.write_key(&new);
    folder.write_cert(&new);
    fs::rename(&folder.files.key, &saved).unwrap();
    assert!(look(&mut watch).1.is_some());
    fs::rename(&saved, &folder.files.key).unwrap();
    assert_eq!(look(&mut watch).0.as_ref(), Some(new.chain()));
}

/// Runs a watch and gives the chains that it installs.
fn run(
    folder: &Folder,
    served: &Pair,
    every: Duration,
    wake: Arc<Notify>,
    shutdown: Shutdown,
) -> (tokio::task::JoinHandle<()>, mpsc::UnboundedReceiver<Chain>) {
    let (sender, installed) = mpsc::unbounded_channel();
    let (files, served) = (folder.files.clone(), served.chain().clone());
    let task = tokio::spawn(async move {
        let install = |pair: Pair| sender.send(pair.chain().clone()).unwrap();
        files.watch(served, every, &wake, shutdown, install).await;
    });
    (task, installed)
}

#[tokio::test]
async fn a_changed_pair_is_installed_by_itself_and_a_drain_ends_the_watching() {
    let (old, new) = (pair("a.example"), pair("a.example"));
    let folder = Folder::with(&old);
    let (trigger, shutdown) = shutdown::channel();
    let every = Duration::from_millis(10);
    let (task, mut installed) = run(&folder, &old, every, Arc::default(), shutdown);
    folder.write_cert(&new);
    folder.write_key(&new);
    assert_eq!(installed.recv().await.as_ref(), Some(new.chain()));
    trigger.drain();
    task.await.unwrap();
    assert_eq!(installed.recv().await, None);
}

#[tokio::test]
async fn a_wake_looks_at_once_and_tells_again_what_is_wrong() {
    let (old, new) = (pair("a.example"), pair("a.example"));
    let folder = Folder::with(&old);
    let (_trigger, shutdown) = shutdown::channel();
    let wake = Arc::new(Notify::new());
    let (_task, mut installed) = run(&folder, &old, Duration::from_secs(3600), Arc::clone(&wake), shutdown);
    folder.write_cert(&new);
    folder.write_key(&new);
    wake.notify_one();
    assert_eq!(installed.recv().await.as_ref(), Some(new.chain()));
}

#[test]
fn a_fault_is_told_once_for_each_change_and_whenever_it_is_asked_for() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let count = || std::mem::take(&mut *told.lock().unwrap()).len();
    let (old, other) = (pair("a.example"), pair("b.example"));
    let folder = Folder::with(&old);
    let watch = folder.watch(&old).unwrap();
    tracing::subscriber::with_default(Told(Arc::clone(&told)), || {
        folder.write_key(&other);
        let (watch, _) = watch.look(false);
        assert_eq!(count(), 1);
        let (watch, _) = watch.look(false);
        assert_eq!(count(), 0);
        let (watch, _) = watch.look(true);
        assert_eq!(count(), 1);
        folder.write_key(&pair("c.example"));
        let (_, found) = watch.look(false);
        assert!(found.is_none());
        assert_eq!(count(), 1);
    });
}

/// A subscriber that keeps the level of each event.
struct Told(Arc<Mutex<Vec<tracing::Level>>>);

impl tracing::Subscriber for Told {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.target().starts_with("docquay::tls")
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}

    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        self.0.lock().unwrap().push(*event.metadata().level());
    }

    fn enter(&self, _: &tracing::span::Id) {}

    fn exit(&self, _: &tracing::span::Id) {}
}
