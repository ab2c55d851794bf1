//! The store where it cannot write: full and read-only file systems, folders of other users; and where it can,
//! but nothing lasts.
//!
//! Each test runs itself again as a child: in namespaces of its own, where it may mount (`unshare -rm`, which root
//! or unprivileged user namespaces allow), or as a user whom modes bind.

use std::fs::{self, OpenOptions, Permissions};
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use docquay::clock::SystemClock;
use docquay::entropy::SystemEntropy;
use docquay::names::Identifier;
use docquay::store::{
    CertificateEntry, CertificateName, Durability, ErrorKind, FileStore, Filesystem, Hashes, Key, Operation,
    Record, Store, StoreError, load_certificate, publish_certificate, save_certificate,
};
use docquay::x509::Pair;
use rcgen::{CertificateParams, KeyPair};

const CHILD_OF: &str = "DOCQUAY_TEST_STORE_FAULTS_OF";
/// Printed by a child that came to its end, so that one that did nothing is no success.
const DONE: &str = "the child is done";

/// The folder of the parent, in the child.
fn child_of() -> Option<PathBuf> {
    std::env::var_os(CHILD_OF).map(PathBuf::from)
}

/// Runs one test of this binary behind the words of `before`, with a folder.
fn run_as_child(before: &[&str], test: &str, folder: &Path) {
    let (program, arguments) = before.split_first().unwrap();
    let output = Command::new(program)
        .args(arguments)
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", &format!("store_faults::{test}"), "--nocapture"])
        .env(CHILD_OF, folder)
        .output()
        .unwrap_or_else(|error| panic!("{program} (Debian package util-linux): {error}"));
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && out.contains(DONE), "{before:?} needs root\n{out}\n{err}");
}

fn run_with_mounts(test: &str) {
    let folder = tempfile::tempdir().unwrap();
    let certs = folder.path().join("a folder of certs");
    fs::create_dir(&certs).unwrap();
    run_as_child(&["unshare", "-rm"], test, &certs);
}

/// In the child with mounts.
fn mount(arguments: &[&str], place: &Path) {
    let output = Command::new("mount").args(arguments).arg(place).output().unwrap();
    assert!(output.status.success(), "mount {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

async fn open(certs: &Path) -> FileStore {
    FileStore::open(certs, Arc::new(SystemClock), Arc::new(SystemEntropy::new())).await.unwrap()
}

fn name() -> CertificateName {
    CertificateName::new(&Identifier::parse("docs.example.com").unwrap())
}

fn pair() -> Pair {
    let key = KeyPair::generate().unwrap();
    let leaf =
        CertificateParams::new(vec!["docs.example.com".to_owned()]).unwrap().self_signed(&key).unwrap();
    Pair::from_pem(leaf.pem().as_bytes(), key.serialize_pem().as_bytes()).unwrap()
}

fn entry() -> CertificateEntry {
    CertificateEntry::new(Record::default(), Some(pair()))
}

fn hashes(entry: &CertificateEntry) -> Hashes {
    Hashes::of(entry.pair.as_ref().unwrap())
}

async fn kept(store: &FileStore) -> Hashes {
    hashes(&load_certificate(store, &name()).await.unwrap().entry.unwrap())
}

/// The hashes of the pair that stands in the published files, which must be one.
fn published(certs: &Path) -> Hashes {
    let read = |ending: &str| fs::read(certs.join(format!("docs.example.com.{ending}.pem"))).unwrap();
    Hashes::of(&Pair::from_pem(&read("cert"), &read("key")).unwrap())
}

fn half_written(certs: &Path) -> usize {
    [certs, &certs.join(".docquay")]
        .iter()
        .flat_map(|folder| fs::read_dir(folder).unwrap())
        .filter(|file| file.as_ref().unwrap().file_name().to_string_lossy().ends_with(".tmp"))
        .count()
}

fn assert_says(error: &StoreError, kind: &ErrorKind, help: &str) {
    assert_eq!(error.kind(), kind, "{error}");
    assert!(error.help().contains(help), "{}", error.help());
}

/// Fills a file system to its last page, and then leaves `pages` of them.
fn fill(folder: &Path, pages: u64) -> PathBuf {
    let path = folder.join("filler");
    let mut filler = OpenOptions::new().create(true).append(true).open(&path).unwrap();
    while filler.write_all(&[0; PAGE as usize]).is_ok() {}
    filler.set_len(filler.metadata().unwrap().len() / PAGE * PAGE - pages * PAGE).unwrap();
    path
}

const PAGE: u64 = 4096;

#[tokio::test]
async fn a_full_disk_leaves_the_old_state_whole() {
    let Some(certs) = child_of() else { return run_with_mounts("a_full_disk_leaves_the_old_state_whole") };
    mount(&["-t", "tmpfs", "-o", "size=128k", "tmpfs"], &certs);
    let store = open(&certs).await;
    store.probe().await.unwrap();
    let mut old = entry();
    publish_certificate(&store, &name(), &mut old).await.unwrap();
    let filler = fill(&certs, 0);

    let mut new = CertificateEntry::new(old.record.clone(), Some(pair()));
    let error = save_certificate(&store, &name(), &new).await.unwrap_err();
    assert_says(&error, &ErrorKind::Full, &format!("df -h {}", certs.join(".docquay").display()));
    assert_says(&store.probe().await.unwrap_err(), &ErrorKind::Full, "df -i");
    assert_says(&store.publish(&name(), &pair()).await.unwrap_err(), &ErrorKind::Full, "df -h");
    assert_eq!((kept(&store).await, published(&certs)), (hashes(&old), hashes(&old)));

    // Room for the truth and one of the two files: the truth is new, what is published is the old pair.
    fill(&certs, 1);
    let error = publish_certificate(&store, &name(), &mut new).await.unwrap_err();
    assert_says(&error, &ErrorKind::Full, "df -h");
    assert_eq!((kept(&store).await, published(&certs)), (hashes(&new), hashes(&old)));
    assert_eq!(half_written(&certs), 0);

    fs::remove_file(filler).unwrap();
    let mut new = load_certificate(&store, &name()).await.unwrap().entry.unwrap();
    publish_certificate(&store, &name(), &mut new).await.unwrap();
    assert_eq!((kept(&store).await, published(&certs)), (hashes(&new), hashes(&new)));
    println!("{DONE}");
}

#[tokio::test]
async fn a_disk_without_inodes_is_full_too() {
    let Some(certs) = child_of() else { return run_with_mounts("a_disk_without_inodes_is_full_too") };
    mount(&["-t", "tmpfs", "-o", "nr_inodes=5", "tmpfs"], &certs);
    let store = open(&certs).await;
    let old = entry();
    save_certificate(&store, &name(), &old).await.unwrap();
    fs::write(certs.join("the last one"), "").unwrap();
    let error = save_certificate(&store, &name(), &entry()).await.unwrap_err();
    assert_says(&error, &ErrorKind::Full, "df -i");
    assert_eq!(kept(&store).await, hashes(&old));
    println!("{DONE}");
}

#[tokio::test]
async fn a_read_only_disk_is_read_and_refused_before_anything_is_ordered() {
    let Some(certs) = child_of() else {
        return run_with_mounts("a_read_only_disk_is_read_and_refused_before_anything_is_ordered");
    };
    mount(&["-t", "tmpfs", "tmpfs"], &certs);
    let store = open(&certs).await;
    let mut old = entry();
    publish_certificate(&store, &name(), &mut old).await.unwrap();
    mount(&["-o", "remount,bind,ro"], &certs);

    let again = open(&certs).await;
    assert_eq!((kept(&again).await, published(&certs)), (hashes(&old), hashes(&old)));
    let errors = [
        again.probe().await.map(drop).unwrap_err(),
        again.lease(&Key::certificate(name())).await.map(drop).unwrap_err(),
        save_certificate(&again, &name(), &entry()).await.unwrap_err(),
        again.publish(&name(), &pair()).await.unwrap_err(),
        again.set_aside(&Key::certificate(name())).await.map(drop).unwrap_err(),
    ];
    for error in &errors {
        assert_says(error, &ErrorKind::ReadOnly, "findmnt -T");
    }
    let operations =
        [Operation::Probe, Operation::Lease, Operation::Write, Operation::Write, Operation::SetAside];
    assert_eq!(errors.map(|error| error.operation()), operations);
    println!("{DONE}");
}

#[tokio::test]
async fn what_lies_in_memory_or_in_a_containers_layer_does_not_last() {
    let Some(certs) = child_of() else {
        return run_with_mounts("what_lies_in_memory_or_in_a_containers_layer_does_not_last");
    };
    let is = |found: Durability, expected: Filesystem| match found {
        Durability::Ephemeral { filesystem, path } => {
            assert_eq!((filesystem, path), (expected, certs.clone()))
        }
        found => panic!("{found:?} is not {expected}"),
    };
    // Each is mounted over the one before, as a volume is over a container's layer.
    mount(&["-t", "tmpfs", "tmpfs"], &certs);
    is(open(&certs).await.probe().await.unwrap(), Filesystem::Tmpfs);
    mount(&["-t", "ramfs", "ramfs"], &certs);
    is(open(&certs).await.probe().await.unwrap(), Filesystem::Ramfs);

    let layers = tempfile::tempdir().unwrap();
    for layer in ["lower", "upper", "work"] {
        fs::create_dir(layers.path().join(layer)).unwrap();
    }
    let layers = layers.path().display();
    let layers = format!("lowerdir={layers}/lower,upperdir={layers}/upper,workdir={layers}/work,userxattr");
    mount(&["-t", "overlay", "-o", &layers, "overlay"], &certs);
    is(open(&certs).await.probe().await.unwrap(), Filesystem::Overlay);

    // What counts is where the truth lies.
    mount(&["-t", "tmpfs", "tmpfs"], &certs.join(".docquay"));
    is(open(&certs).await.probe().await.unwrap(), Filesystem::Tmpfs);
    println!("{DONE}");
}

/// As root: without the capabilities that pass over modes and owners, as in a container with `--cap-drop ALL`.
fn run_bound_by_modes(test: &str, folder: &Path) {
    let bare = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"];
    run_as_child(if is_root() { &bare } else { &["env"] }, test, folder);
}

fn is_root() -> bool {
    fs::metadata("/proc/self").unwrap().uid() == 0
}

#[tokio::test]
async fn a_folder_of_another_user_is_named_with_the_chown_line() {
    if let Some(certs) = child_of() {
        let store = open(&certs).await;
        let errors = [
            store.probe().await.map(drop).unwrap_err(),
            store.lease(&Key::certificate(name())).await.map(drop).unwrap_err(),
            save_certificate(&store, &name(), &entry()).await.unwrap_err(),
        ];
        let us = fs::metadata("/proc/self").unwrap();
        let (user, group) = (us.uid(), us.gid());
        let owner = fs::metadata(&certs).unwrap().uid();
        for error in errors {
            let kind = ErrorKind::WrongOwner { path: certs.clone(), owner, user, group };
            assert_says(&error, &kind, &format!("chown -R {user}:{group} {}`", certs.display()));
            assert!(error.cause().contains(&format!("runs as user {user}")), "{}", error.cause());
        }
        println!("{DONE}");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let test = "a_folder_of_another_user_is_named_with_the_chown_line";
    if is_root() {
        chown(folder.path(), Some(12_345), Some(12_345)).unwrap();
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
        run_bound_by_modes(test, folder.path());
    } else {
        run_bound_by_modes(test, Path::new("/usr"));
    }
}

#[tokio::test]
async fn an_entry_of_another_user_is_named() {
    let test = "an_entry_of_another_user_is_named";
    if let Some(certs) = child_of() {
        let path = certs.join(".docquay/docs.example.com.pem");
        let error = load_certificate(&open(&certs).await, &name()).await.unwrap_err();
        match error.kind() {
            ErrorKind::WrongOwner { path: found, owner: 12_345, .. } if is_root() => assert_eq!(found, &path),
            ErrorKind::Mode { path: found } if !is_root() => assert_eq!(found, &path),
            other => panic!("{other:?}"),
        }
        assert!(error.help().contains(&*path.to_string_lossy()), "{}", error.help());
        println!("{DONE}");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    save_certificate(&open(folder.path()).await, &name(), &entry()).await.unwrap();
    let path = folder.path().join(".docquay/docs.example.com.pem");
    if is_root() {
        chown(&path, Some(12_345), None).unwrap();
    } else {
        fs::set_permissions(&path, Permissions::from_mode(0o000)).unwrap();
    }
    run_bound_by_modes(test, folder.path());
}

#[tokio::test]
async fn a_folder_whose_mode_forbids_writing_is_named_with_the_chmod_line() {
    let test = "a_folder_whose_mode_forbids_writing_is_named_with_the_chmod_line";
    if let Some(certs) = child_of() {
        let store = open(&certs).await;
        assert!(load_certificate(&store, &name()).await.unwrap().entry.is_some());
        for error in [
            store.probe().await.map(drop).unwrap_err(),
            save_certificate(&store, &name(), &entry()).await.unwrap_err(),
        ] {
            let own = certs.join(".docquay");
            assert_says(
                &error,
                &ErrorKind::Mode { path: own.clone() },
                &format!("chmod u+rwX {}`", own.display()),
            );
        }
        assert_eq!(half_written(&certs), 0);
        println!("{DONE}");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    save_certificate(&open(folder.path()).await, &name(), &entry()).await.unwrap();
    let own = folder.path().join(".docquay");
    fs::set_permissions(&own, Permissions::from_mode(0o500)).unwrap();
    run_bound_by_modes(test, folder.path());
    fs::set_permissions(&own, Permissions::from_mode(0o700)).unwrap();
}
