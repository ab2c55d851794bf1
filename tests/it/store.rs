//! The store as its users meet it: real folders, other processes, crashes. What needs root, a full disk or a
//! read-only mount, is in tests/pebble/store_faults.rs.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use docquay::clock::SystemClock;
use docquay::entropy::SystemEntropy;
use docquay::names::Identifier;
use docquay::secret::Secret;
use docquay::store::{
    AccountEntry, Answer, CertificateEntry, CertificateName, DecodeError, Durability, ErrorKind, FileStore,
    Hashes, Key, Lease, MemoryStore, Operation, Published, PublishedFiles, Record, Store, StoreError,
    load_account, load_certificate, peek_certificate, publish_certificate, save_account, save_certificate,
};
use docquay::x509::Pair;
use rcgen::{CertificateParams, KeyPair};

fn name() -> CertificateName {
    CertificateName::new(&Identifier::parse("docs.example.com").unwrap())
}

fn key() -> Key {
    Key::certificate(name())
}

fn pair() -> Pair {
    let key = KeyPair::generate().unwrap();
    let leaf =
        CertificateParams::new(vec!["docs.example.com".to_owned()]).unwrap().self_signed(&key).unwrap();
    Pair::from_pem(leaf.pem().as_bytes(), key.serialize_pem().as_bytes()).unwrap()
}

fn same(pair: &Pair) -> Pair {
    Pair::from_pem(pair.chain().to_pem().as_bytes(), pair.key_to_pem().as_bytes()).unwrap()
}

fn entry(pair: &Pair) -> CertificateEntry {
    let mut record = Record::default();
    record.names = vec!["docs.example.com".to_owned()];
    CertificateEntry::new(record, Some(same(pair)))
}

async fn open(certs: &Path) -> FileStore {
    FileStore::open(certs, Arc::new(SystemClock), Arc::new(SystemEntropy::new())).await.unwrap()
}

/// A store in a folder of its own that does not exist yet, and that folder.
async fn store() -> (FileStore, PathBuf, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let certs = folder.path().join("certs");
    (open(&certs).await, certs, folder)
}

fn truth(certs: &Path) -> PathBuf {
    certs.join(".docquay/docs.example.com.pem")
}

fn mode(path: impl AsRef<Path>) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn names(folder: impl AsRef<Path>) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// The pair that stands in the published files.
fn published(certs: &Path) -> Pair {
    let read = |ending: &str| fs::read(certs.join(format!("docs.example.com.{ending}.pem"))).unwrap();
    Pair::from_pem(&read("cert"), &read("key")).unwrap()
}

fn write_published(certs: &Path, cert: Option<&Pair>, key: Option<&Pair>) {
    let files = [("cert", cert.map(|pair| pair.chain().to_pem())), ("key", key.map(Pair::key_to_pem))];
    for (ending, content) in files {
        let path = certs.join(format!("docs.example.com.{ending}.pem"));
        match content {
            Some(content) => fs::write(path, content).unwrap(),
            None => drop(fs::remove_file(path)),
        }
    }
}

#[tokio::test]
async fn an_entry_is_kept_for_its_owner_alone() {
    let (store, certs, _folder) = store().await;
    let pair = pair();
    save_certificate(&store, &name(), &entry(&pair)).await.unwrap();
    let mut account = AccountEntry::new("https://ca.example/dir", Secret::new(pair.key_to_pem()));
    account.url = Some("https://ca.example/account/1".to_owned());
    save_account(&store, &account).await.unwrap();
    publish_certificate(&store, &name(), &mut entry(&pair)).await.unwrap();
    drop(store.lease(&key()).await.unwrap());

    let own = certs.join(".docquay");
    for folder in [certs.clone(), own.clone(), own.join("accounts")] {
        assert_eq!(mode(&folder), 0o700, "{}", folder.display());
        for file in
            fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).filter(|file| file.is_file())
        {
            assert_eq!(mode(&file), 0o600, "{}", file.display());
        }
    }
    let again = open(&certs).await;
    let read = load_certificate(&again, &name()).await.unwrap().entry.unwrap();
    assert_eq!(Hashes::of(&read.pair.unwrap()), Hashes::of(&pair));
    assert_eq!(load_account(&again, "https://ca.example/dir").await.unwrap().entry, Some(account));
    assert_eq!(load_account(&again, "https://ca.example/other").await.unwrap().entry, None);
    assert_eq!(names(&certs), [".docquay", "docs.example.com.cert.pem", "docs.example.com.key.pem"]);
    assert_eq!(names(&own), ["accounts", "docs.example.com.lock", "docs.example.com.pem"]);
}

#[tokio::test]
async fn a_look_leaves_no_trace() {
    let (store, certs, _folder) = store().await;
    assert!(store.load(&key()).await.unwrap().is_none());
    assert!(store.published(&name()).await.unwrap().cert.is_none());
    assert!(!certs.exists());
}

#[tokio::test]
async fn modes_that_are_too_open_are_tightened_and_a_published_file_keeps_its_own() {
    let (store, certs, _folder) = store().await;
    save_certificate(&store, &name(), &entry(&pair())).await.unwrap();
    publish_certificate(&store, &name(), &mut entry(&pair())).await.unwrap();
    let key_file = certs.join("docs.example.com.key.pem");
    for (path, open) in [(truth(&certs), 0o644), (certs.join(".docquay"), 0o755), (key_file.clone(), 0o640)] {
        fs::set_permissions(path, fs::Permissions::from_mode(open)).unwrap();
    }
    assert!(load_certificate(&store, &name()).await.unwrap().entry.is_some());
    store.probe().await.unwrap();
    assert_eq!((mode(truth(&certs)), mode(certs.join(".docquay"))), (0o600, 0o700));
    assert!(store.published(&name()).await.unwrap().key_readable_by_others);
    assert_eq!(mode(key_file), 0o640);
}

#[tokio::test]
async fn a_probe_leaves_nothing_behind() {
    let (store, certs, _folder) = store().await;
    assert!(matches!(store.probe().await.unwrap(), Durability::Lasting | Durability::Ephemeral { .. }));
    assert_eq!(names(&certs), [".docquay"]);
    assert_eq!(names(certs.join(".docquay")), ["accounts"]);
}

#[tokio::test]
async fn what_a_crash_left_half_written_is_removed_at_the_next_start() {
    let (store, certs, _folder) = store().await;
    save_certificate(&store, &name(), &entry(&pair())).await.unwrap();
    let own = certs.join(".docquay");
    for folder in [&certs, &own, &own.join("accounts")] {
        fs::write(folder.join(".docquay-0123456789abcdef.tmp"), "half").unwrap();
    }
    fs::write(certs.join("operators.tmp"), "mine").unwrap();
    let again = open(&certs).await;
    assert_eq!(names(&certs), [".docquay", "operators.tmp"]);
    assert_eq!(names(&own), ["accounts", "docs.example.com.pem"]);
    assert!(names(own.join("accounts")).is_empty());
    assert!(load_certificate(&again, &name()).await.unwrap().entry.is_some());
}

#[tokio::test]
async fn a_torn_entry_is_set_aside_and_its_record_goes_on() {
    let (store, certs, _folder) = store().await;
    let mut whole = entry(&pair());
    whole.record.attempts.failures = 3;
    save_certificate(&store, &name(), &whole).await.unwrap();
    let bytes = fs::read(truth(&certs)).unwrap();
    let torn = &bytes[..bytes.len() - 100];
    fs::write(truth(&certs), torn).unwrap();

    let looked = peek_certificate(&store, &name()).await.unwrap();
    assert_eq!(looked.broken.unwrap().to, None);
    let loaded = load_certificate(&store, &name()).await.unwrap();
    let broken = loaded.broken.unwrap();
    assert!(matches!(broken.why, DecodeError::Malformed { .. }), "{broken:?}");
    let aside = broken.to.unwrap();
    let stamp = aside.strip_prefix(&format!("{}.broken-", truth(&certs).display())).unwrap();
    let form: String = stamp.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    assert_eq!(form, "00000000T000000Z");
    assert_eq!(fs::read(aside).unwrap(), torn);
    let rest = loaded.entry.unwrap();
    assert_eq!((rest.record, rest.pair.is_none()), (whole.record, true));
    assert!(load_certificate(&store, &name()).await.unwrap().entry.is_none());
}

#[tokio::test]
async fn a_foreign_file_is_set_aside_whole() {
    let (store, certs, _folder) = store().await;
    store.probe().await.unwrap();
    for content in ["", "not ours", &pair().key_to_pem()] {
        fs::write(truth(&certs), content).unwrap();
        let loaded = load_certificate(&store, &name()).await.unwrap();
        assert!(loaded.entry.is_none());
        assert_eq!(fs::read_to_string(loaded.broken.unwrap().to.unwrap()).unwrap(), content);
    }
}

#[tokio::test]
async fn a_key_that_does_not_match_is_never_served() {
    let (store, certs, _folder) = store().await;
    let ours = pair();
    save_certificate(&store, &name(), &entry(&ours)).await.unwrap();
    let text = fs::read_to_string(truth(&certs)).unwrap();
    fs::write(truth(&certs), text.replace(&ours.key_to_pem(), &pair().key_to_pem())).unwrap();
    let loaded = load_certificate(&store, &name()).await.unwrap();
    assert_eq!(loaded.broken.unwrap().why, DecodeError::KeyMismatch);
    assert!(loaded.entry.unwrap().pair.is_none());
}

#[tokio::test]
async fn another_cas_account_is_set_aside() {
    let (store, certs, _folder) = store().await;
    let account = AccountEntry::new("https://one.example/", Secret::new(pair().key_to_pem()));
    save_account(&store, &account).await.unwrap();
    let path =
        |directory: &str| certs.join(".docquay").join(format!("{}.pem", Key::account(directory).path()));
    fs::copy(path("https://one.example/"), path("https://two.example/")).unwrap();
    let loaded = load_account(&store, "https://two.example/").await.unwrap();
    assert_eq!(loaded.broken.unwrap().why, DecodeError::Foreign { of: "https://one.example/".to_owned() });
    assert!(loaded.entry.is_none() && !path("https://two.example/").exists());
}

#[tokio::test]
async fn a_newer_format_is_left_untouched() {
    let (store, certs, _folder) = store().await;
    store.probe().await.unwrap();
    let newer = r#"{"format": 7, "certificate": "elsewhere"}"#;
    fs::write(truth(&certs), newer).unwrap();
    let error = load_certificate(&store, &name()).await.unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::NewerFormat { found: 7 });
    assert!(error.to_string().contains("formats up to 1"), "{error}");
    assert!(error.help().contains("newer"), "{}", error.help());
    assert_eq!(names(certs.join(".docquay")), ["accounts", "docs.example.com.pem"]);
    assert_eq!(fs::read_to_string(truth(&certs)).unwrap(), newer);
}

#[tokio::test]
async fn a_folder_where_a_file_should_be_is_named() {
    let (store, certs, _folder) = store().await;
    let cert = certs.join("docs.example.com.cert.pem");
    for folder in [truth(&certs), cert.clone()] {
        fs::create_dir_all(folder).unwrap();
    }
    let errors = [
        load_certificate(&store, &name()).await.map(drop).unwrap_err(),
        save_certificate(&store, &name(), &entry(&pair())).await.unwrap_err(),
        store.published(&name()).await.map(drop).unwrap_err(),
        store.publish(&name(), &pair()).await.unwrap_err(),
    ];
    for (error, path) in errors.iter().zip([truth(&certs), truth(&certs), cert.clone(), cert]) {
        assert_eq!((error.kind(), error.place()), (&ErrorKind::NotAFile, &*path), "{error}");
        assert!(error.help().contains(&format!("mv {0} {0}.old", path.display())), "{}", error.help());
    }
    assert_eq!(names(certs.join(".docquay")), ["accounts", "docs.example.com.pem"]);
}

#[tokio::test]
async fn a_file_where_a_folder_should_be_is_named() {
    let (store, certs, _folder) = store().await;
    fs::write(&certs, "").unwrap();
    let errors = [
        store.probe().await.map(drop).unwrap_err(),
        store.lease(&key()).await.map(drop).unwrap_err(),
        store.load(&key()).await.map(drop).unwrap_err(),
    ];
    for error in errors {
        assert_eq!(error.kind(), &ErrorKind::NotAFolder { path: certs.clone() }, "{error}");
        assert!(error.help().contains("mv "), "{}", error.help());
    }
}

#[tokio::test]
async fn a_certificate_is_published_and_published_again_when_it_is_deleted() {
    let (store, certs, _folder) = store().await;
    let (first, second) = (pair(), pair());
    let mut kept = entry(&first);
    assert!(matches!(publish_certificate(&store, &name(), &mut kept).await.unwrap(), Published::Absent));
    assert!(matches!(publish_certificate(&store, &name(), &mut kept).await.unwrap(), Published::Current));
    kept.pair = Some(same(&second));
    assert!(matches!(
        publish_certificate(&store, &name(), &mut kept).await.unwrap(),
        Published::Stale { .. }
    ));
    assert_eq!(kept.record.published, [Hashes::of(&second)]);
    write_published(&certs, None, None);
    assert!(matches!(publish_certificate(&store, &name(), &mut kept).await.unwrap(), Published::Absent));
    assert_eq!(Hashes::of(&published(&certs)), Hashes::of(&second));
    let saved = load_certificate(&store, &name()).await.unwrap().entry.unwrap();
    assert_eq!(saved.record, kept.record);
}

#[tokio::test]
async fn every_state_that_a_crash_can_leave_is_mended() {
    let (old, new) = (pair(), pair());
    let states = [None, Some(&old), Some(&new)];
    let indices = (0..3).flat_map(|cert| (0..3).map(move |key| (cert, key)));
    for (cert, key_file) in indices {
        let (store, certs, _folder) = store().await;
        let mut kept = entry(&new);
        kept.record.published = vec![Hashes::of(&old), Hashes::of(&new)];
        save_certificate(&store, &name(), &kept).await.unwrap();
        write_published(&certs, states[cert], states[key_file]);
        fs::write(certs.join(".docquay-half.tmp"), "half").unwrap();

        let again = open(&certs).await;
        let mut kept = load_certificate(&again, &name()).await.unwrap().entry.unwrap();
        publish_certificate(&again, &name(), &mut kept).await.unwrap();
        assert_eq!(Hashes::of(&published(&certs)), Hashes::of(&new), "{cert} {key_file}");
        assert_eq!(kept.record.published, [Hashes::of(&new)], "{cert} {key_file}");
        assert_eq!(names(&certs), [".docquay", "docs.example.com.cert.pem", "docs.example.com.key.pem"]);
    }
}

/// A store that is gone after some calls, before or after the last one took effect.
#[derive(Debug)]
struct Ending {
    store: FileStore,
    calls: std::sync::atomic::AtomicI32,
    last: Last,
}

#[tokio::test]
async fn the_certificates_that_are_kept_are_listed_and_nothing_else() {
    let (files, _certs, _folder) = store().await;
    for store in [&files as &dyn Store, &MemoryStore::new()] {
        assert_eq!(store.certificates().await.unwrap(), []);
        let other = CertificateName::new(&Identifier::parse("2001:db8::1").unwrap());
        let mut kept = entry(&pair());
        publish_certificate(store, &name(), &mut kept).await.unwrap();
        save_certificate(store, &other, &entry(&pair())).await.unwrap();
        let broken = CertificateName::new(&Identifier::parse("broken.example").unwrap());
        store.save(&Key::certificate(broken.clone()), Secret::new(b"x".to_vec())).await.unwrap();
        store.set_aside(&Key::certificate(broken)).await.unwrap();
        let account = AccountEntry::new("https://ca.example/".to_owned(), Secret::new(b"key".to_vec()));
        let _lease = store.lease(&Key::serving(name())).await.unwrap();
        let _ = save_account(store, &account).await;

        assert_eq!(store.certificates().await.unwrap(), [other, name()]);
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Last {
    Undone,
    Done,
}

impl Ending {
    async fn pass<T>(&self, work: Answer<'_, T>) -> Result<T, StoreError> {
        let left = self.calls.fetch_sub(1, std::sync::atomic::Ordering::Relaxed);
        if left > 0 {
            return work.await;
        }
        if left == 0 && self.last == Last::Done {
            work.await?;
        }
        Err(StoreError::new(Operation::Write, "", ErrorKind::Io, None))
    }
}

impl Store for Ending {
    fn load<'a>(&'a self, key: &'a Key) -> Answer<'a, Option<Secret>> {
        Box::pin(self.pass(self.store.load(key)))
    }
    fn save<'a>(&'a self, key: &'a Key, content: Secret) -> Answer<'a, ()> {
        Box::pin(self.pass(self.store.save(key, content)))
    }
    fn set_aside<'a>(&'a self, key: &'a Key) -> Answer<'a, String> {
        Box::pin(self.pass(self.store.set_aside(key)))
    }
    fn lease<'a>(&'a self, key: &'a Key) -> Answer<'a, Option<Lease>> {
        Box::pin(self.pass(self.store.lease(key)))
    }
    fn probe(&self) -> Answer<'_, Durability> {
        Box::pin(self.pass(self.store.probe()))
    }
    fn publish<'a>(&'a self, name: &'a CertificateName, pair: &'a Pair) -> Answer<'a, ()> {
        Box::pin(self.pass(self.store.publish(name, pair)))
    }
    fn published<'a>(&'a self, name: &'a CertificateName) -> Answer<'a, PublishedFiles> {
        Box::pin(self.pass(self.store.published(name)))
    }
    fn place(&self, key: &Key) -> PathBuf {
        self.store.place(key)
    }
    fn published_paths(&self, name: &CertificateName) -> Option<(PathBuf, PathBuf)> {
        self.store.published_paths(name)
    }
}

#[tokio::test]
async fn a_replacement_that_ends_at_any_call_is_mended_at_the_next_start() {
    let mut ends = 0;
    for (calls, last) in (0..).flat_map(|calls| [(calls, Last::Undone), (calls, Last::Done)]) {
        let (store, certs, _folder) = store().await;
        let (old, new) = (pair(), pair());
        let mut kept = entry(&old);
        publish_certificate(&store, &name(), &mut kept).await.unwrap();

        let ending = Ending { store, calls: calls.into(), last };
        kept.pair = Some(same(&new));
        let replaced = async {
            save_certificate(&ending, &name(), &kept).await?;
            publish_certificate(&ending, &name(), &mut kept).await
        };
        let ended = replaced.await.is_err();

        let again = open(&certs).await;
        let mut kept = load_certificate(&again, &name()).await.unwrap().entry.unwrap();
        publish_certificate(&again, &name(), &mut kept).await.unwrap();
        let truth = Hashes::of(kept.pair.as_ref().unwrap());
        let replaced_by_then = calls > 0 || last == Last::Done;
        assert_eq!(truth, Hashes::of(if replaced_by_then { &new } else { &old }), "{calls} {last:?}");
        assert_eq!(Hashes::of(&published(&certs)), truth, "{calls} {last:?}");
        if !ended {
            break;
        }
        ends += 1;
    }
    assert_eq!(ends, 10, "five calls, each undone or done");
}

#[tokio::test]
async fn the_operators_pair_is_never_overwritten() {
    let (ours, theirs) = (pair(), pair());
    for (cert, key_file) in
        [(Some(&theirs), Some(&theirs)), (Some(&theirs), None), (Some(&ours), Some(&theirs))]
    {
        let (store, certs, _folder) = store().await;
        let mut kept = entry(&ours);
        publish_certificate(&store, &name(), &mut kept).await.unwrap();
        write_published(&certs, cert, key_file);
        let found = publish_certificate(&store, &name(), &mut kept).await.unwrap();
        assert!(matches!(found, Published::Operators(_) | Published::OperatorsBroken { .. }), "{found:?}");
        let files = store.published(&name()).await.unwrap();
        assert_eq!(files.cert, cert.map(|pair| pair.chain().to_pem().into_bytes()));
        assert_eq!(files.key, key_file.map(|pair| Secret::new(pair.key_to_pem())));
    }
}

#[tokio::test]
async fn memory_is_a_store_like_any_other() {
    let store = MemoryStore::new();
    let mut kept = entry(&pair());
    save_certificate(&store, &name(), &kept).await.unwrap();
    assert!(matches!(publish_certificate(&store, &name(), &mut kept).await.unwrap(), Published::Absent));
    let read = load_certificate(&store.clone(), &name()).await.unwrap().entry.unwrap();
    assert_eq!(read.record, kept.record);
    let lease = store.lease(&key()).await.unwrap().unwrap();
    assert!(store.lease(&key()).await.unwrap().is_none());
    drop(lease);
    assert!(store.lease(&key()).await.unwrap().is_some());
    store.save(&key(), Secret::new("torn".to_owned())).await.unwrap();
    assert!(load_certificate(&store, &name()).await.unwrap().broken.unwrap().to.is_some());
    assert!(store.load(&key()).await.unwrap().is_none());
    assert!(matches!(store.probe().await.unwrap(), Durability::Ephemeral { .. }));
    assert!(!format!("{store:?}").contains("PRIVATE"));
}

#[tokio::test(flavor = "multi_thread")]
async fn many_tasks_may_use_one_store_at_once() {
    let (store, certs, _folder) = store().await;
    let shared: Arc<dyn Store> = Arc::new(store);
    // Fewer starts than a write outlives: each sweeps.
    let tasks: Vec<_> = (0..7)
        .map(|_| {
            let store = Arc::clone(&shared);
            tokio::spawn(async move {
                let mut ours = entry(&pair());
                store.probe().await.unwrap();
                save_certificate(&*store, &name(), &ours).await.unwrap();
                publish_certificate(&*store, &name(), &mut ours).await.map(drop)?;
                open(store.place(&key()).ancestors().nth(2).unwrap()).await;
                load_certificate(&*store, &name()).await.map(|loaded| loaded.broken)
            })
        })
        .collect();
    for task in tasks {
        assert_eq!(task.await.unwrap().unwrap(), None);
    }
    assert_eq!(names(certs.join(".docquay")), ["accounts", "docs.example.com.pem"]);
}

// Tests with a second process: the test runs itself again, with the folder in CHILD_OF, and is the child then.

const CHILD_OF: &str = "DOCQUAY_TEST_STORE_CHILD_OF";

/// The folder of the parent, in the child.
fn child_of() -> Option<PathBuf> {
    std::env::var_os(CHILD_OF).map(PathBuf::from)
}

/// This binary as a child that runs one test alone.
fn myself(mut command: Command, test: &str, certs: &Path) -> Command {
    command.args(["--exact", &format!("store::{test}"), "--nocapture"]).env(CHILD_OF, certs);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    command
}

/// Waits for the child to write a line that ends so.
fn await_line(child: &mut Child, end: &str) {
    let mut lines = BufReader::new(child.stdout.as_mut().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().ends_with(end)), "the child never said {end:?}");
}

#[tokio::test]
async fn a_second_process_does_not_get_the_lease_until_the_first_is_gone() {
    if let Some(certs) = child_of() {
        let _lease = open(&certs).await.lease(&key()).await.unwrap().expect("it is free");
        println!("\nheld");
        std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
        return;
    }
    let (store, certs, _folder) = store().await;
    let test = "a_second_process_does_not_get_the_lease_until_the_first_is_gone";
    let mut child = myself(Command::new(std::env::current_exe().unwrap()), test, &certs).spawn().unwrap();
    await_line(&mut child, "held");
    assert!(store.lease(&key()).await.unwrap().is_none());
    let other = Key::account("https://ca.example/dir");
    assert!(store.lease(&other).await.unwrap().is_some(), "another entry has a lease of its own");

    child.kill().unwrap();
    child.wait().unwrap();
    assert!(certs.join(".docquay/docs.example.com.lock").exists(), "the dead process's file is still there");
    let lease = store.lease(&key()).await.unwrap().expect("gone with its process");
    assert!(store.lease(&key()).await.unwrap().is_none(), "nor twice in one process");
    drop(lease);
    assert!(store.lease(&key()).await.unwrap().is_some());
}

#[tokio::test]
async fn a_process_killed_while_it_writes_leaves_one_whole_entry() {
    if let Some(certs) = child_of() {
        let store = open(&certs).await;
        let mut kept = load_certificate(&store, &name()).await.unwrap().entry.unwrap_or_default();
        let pairs = [pair(), pair()];
        kept.record.account = "x".repeat(100_000);
        for turn in 0_u32.. {
            kept.pair = Some(same(&pairs[usize::from(turn % 2 == 1)]));
            save_certificate(&store, &name(), &kept).await.unwrap();
            let found = publish_certificate(&store, &name(), &mut kept).await.unwrap();
            assert!(matches!(found, Published::Absent | Published::Stale { .. }), "{found:?}");
            println!("\nwritten");
        }
    }
    let (_, certs, _folder) = store().await;
    let test = "a_process_killed_while_it_writes_leaves_one_whole_entry";
    for round in 0..16 {
        let mut child = myself(Command::new(std::env::current_exe().unwrap()), test, &certs).spawn().unwrap();
        for _ in 0..=round % 4 {
            await_line(&mut child, "written");
        }
        // Each round ends at another point of the next write.
        std::thread::sleep(Duration::from_micros(round * 600));
        child.kill().unwrap();
        child.wait().unwrap();

        let store = open(&certs).await;
        let loaded = load_certificate(&store, &name()).await.unwrap();
        assert_eq!(loaded.broken, None);
        let mut kept = loaded.entry.unwrap();
        publish_certificate(&store, &name(), &mut kept).await.unwrap();
        let truth = Hashes::of(kept.pair.as_ref().unwrap());
        assert_eq!(Hashes::of(&published(&certs)), truth);
        assert_eq!(names(certs.join(".docquay")), ["accounts", "docs.example.com.pem"]);
        assert_eq!(names(&certs).len(), 3, "{:?}", names(&certs));
    }
}

#[tokio::test]
async fn a_limit_on_file_sizes_leaves_the_old_entry_whole() {
    if let Some(certs) = child_of() {
        let store = open(&certs).await;
        let mut large = load_certificate(&store, &name()).await.unwrap().entry.unwrap();
        large.record.account = "x".repeat(100_000);
        let error = save_certificate(&store, &name(), &large).await.unwrap_err();
        assert_eq!((error.kind(), error.place()), (&ErrorKind::Full, &*truth(&certs)), "{error}");
        assert!(error.help().contains("ulimit -f"), "{}", error.help());
        assert_eq!(store.probe().await.unwrap_err().kind(), &ErrorKind::Full);
        println!("\nrefused");
        return;
    }
    let (store, certs, _folder) = store().await;
    let ours = pair();
    save_certificate(&store, &name(), &entry(&ours)).await.unwrap();
    let test = "a_limit_on_file_sizes_leaves_the_old_entry_whole";
    // Without the trap the signal would end the child. 16 blocks of 512 or of 1024 bytes, as shells differ.
    let mut shell = Command::new("sh");
    shell.args(["-c", r#"trap '' XFSZ; ulimit -f 8; exec "$0" "$@""#]).arg(std::env::current_exe().unwrap());
    let mut child = myself(shell, test, &certs).spawn().unwrap();
    await_line(&mut child, "refused");
    assert!(child.wait().unwrap().success());
    let kept = load_certificate(&store, &name()).await.unwrap().entry.unwrap();
    assert_eq!(Hashes::of(&kept.pair.unwrap()), Hashes::of(&ours));
    assert_eq!(names(certs.join(".docquay")), ["accounts", "docs.example.com.pem"]);
}
