//! docquay as an operator runs it: the built binary, its arguments, a folder for its certificates, its log.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Output, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use super::empty_root::EmptyRoot;
use super::namespace::Namespace;
use super::process::{Process, Signal};

/// A running docquay, killed on drop.
#[derive(Debug)]
pub(crate) struct Docquay {
    process: Process,
    _folder: TempDir,
}

/// A command line of docquay.
#[derive(Debug, Default)]
pub(crate) struct Builder {
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    hosts: Vec<(String, IpAddr)>,
    prefix: Vec<String>,
    program: Option<String>,
}

/// The folder that `--certs` names, there as long as this is.
#[derive(Debug)]
pub(crate) struct Certs(TempDir);

/// A small folder of Markdown.
#[derive(Debug)]
pub(crate) struct Docs(TempDir);

/// What a command of docquay left behind.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Docquay {
    /// The program with no argument yet, and an environment of its own: no variable of ours but `PATH`.
    pub(crate) fn builder() -> Builder {
        Builder::default()
    }

    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// All it wrote so far.
    pub(crate) fn log(&self) -> String {
        self.process.log()
    }

    /// How much it wrote so far, for [`Docquay::wait_for_after`].
    pub(crate) fn mark(&self) -> usize {
        self.process.mark()
    }

    /// What it wrote after `mark`.
    pub(crate) fn written_after(&self, mark: usize) -> String {
        self.process.written_after(mark)
    }

    /// Waits for a line, written before or from now on; a failure with the log if it does not come.
    pub(crate) async fn wait_for(&self, is_it: impl Fn(&str) -> bool, limit: Duration) -> String {
        self.process.wait_for(is_it, limit).await
    }

    /// The same among the lines after `mark`.
    pub(crate) async fn wait_for_after(
        &self,
        mark: usize,
        is_it: impl Fn(&str) -> bool,
        limit: Duration,
    ) -> String {
        self.process.wait_for_after(mark, is_it, limit).await
    }

    /// Sends SIGTERM, SIGHUP and the like.
    pub(crate) fn signal(&self, signal: Signal) {
        self.process.signal(signal);
    }

    /// Ends it as a power cut would.
    pub(crate) fn kill(&self) {
        self.process.kill();
    }

    /// The exit status, if it has ended.
    pub(crate) fn exited(&self) -> Option<ExitStatus> {
        self.process.exited()
    }

    /// Waits for its end.
    pub(crate) async fn exit(&self, limit: Duration) -> ExitStatus {
        self.process.exit(limit).await
    }
}

impl Builder {
    pub(crate) fn arg(mut self, argument: impl AsRef<Path>) -> Self {
        self.arguments.push(argument.as_ref().to_str().unwrap().to_owned());
        self
    }

    /// `--NAME VALUE`.
    pub(crate) fn option(self, name: &str, value: impl AsRef<Path>) -> Self {
        self.arg(format!("--{name}")).arg(value)
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Serves this folder.
    pub(crate) fn docs(self, docs: &Docs) -> Self {
        self.arg(docs.path())
    }

    pub(crate) fn certs(self, certs: &Certs) -> Self {
        self.option("certs", certs.path())
    }

    pub(crate) fn domain(self, name: &str) -> Self {
        self.option("domain", name)
    }

    /// The port of `/mcp`, which tls-alpn-01 uses too.
    pub(crate) fn port(self, port: u16) -> Self {
        self.option("port", port.to_string())
    }

    /// The port of http-01.
    pub(crate) fn acme_port(self, port: u16) -> Self {
        self.option("acme-port", port.to_string())
    }

    /// Certificates from this CA, whose terms are agreed to.
    pub(crate) fn ca(self, directory_url: &str, ca_file: &Path) -> Self {
        self.option("acme-directory", directory_url).option("acme-ca-file", ca_file).arg("--agree-tos")
    }

    /// For docquay alone `host` is `address`, as by /etc/hosts. Takes the mount namespace of `unshare`; without root
    /// it takes a user namespace too.
    pub(crate) fn resolves(mut self, host: &str, address: IpAddr) -> Self {
        self.hosts.push((host.to_owned(), address));
        self
    }

    /// Runs where `mount WORDS…` was done before, seen by it alone. Needs root; no word has a space.
    pub(crate) fn after_mount(mut self, words: &[&str]) -> Self {
        let script = format!("mount {} && exec \"$@\"", words.join(" "));
        self.prefix.extend(["unshare", "--mount", "sh", "-c", &script, "sh"].map(str::to_owned));
        self
    }

    /// Runs in a namespace.
    pub(crate) fn within(mut self, namespace: &Namespace) -> Self {
        self.prefix = namespace.prefix();
        self
    }

    /// Runs as on a kernel without IPv6; said after [`Builder::within`].
    pub(crate) fn without_ipv6(mut self) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/python/without_ipv6.py");
        self.prefix.extend(["python3".to_owned(), script.to_str().unwrap().to_owned()]);
        self
    }

    /// Runs the static binary, for which there is nothing but what lies in `root`; said after [`Builder::within`].
    pub(crate) fn inside(mut self, root: &EmptyRoot) -> Self {
        self.prefix.extend(["chroot".to_owned(), root.path().to_str().unwrap().to_owned()]);
        self.program = Some(EmptyRoot::PROGRAM.to_owned());
        self
    }

    /// Starts it, and waits for nothing.
    pub(crate) fn start(self) -> Docquay {
        let folder = tempfile::tempdir().unwrap();
        Docquay { process: Process::start(self.command(folder.path()), "util-linux"), _folder: folder }
    }

    /// Runs it to its end, as with `docquay cert status`.
    pub(crate) async fn run(self) -> Finished {
        tokio::task::spawn_blocking(move || {
            let folder = tempfile::tempdir().unwrap();
            let Output { status, stdout, stderr } =
                self.command(folder.path()).stdin(Stdio::null()).output().expect("util-linux and docquay");
            let text = |bytes| String::from_utf8(bytes).unwrap();
            Finished { status, stdout: text(stdout), stderr: text(stderr) }
        })
        .await
        .unwrap()
    }

    fn command(&self, folder: &Path) -> Command {
        let mut line = self.prefix.clone();
        if !self.hosts.is_empty() {
            let hosts = folder.join("hosts");
            let entry = |(host, address): &(String, IpAddr)| format!("{address} {host}\n");
            let text: String = self.hosts.iter().map(entry).collect();
            std::fs::write(&hosts, format!("127.0.0.1 localhost\n::1 localhost\n{text}")).unwrap();
            line.extend(["unshare".to_owned(), "--mount".to_owned()]);
            if std::fs::metadata("/proc/self").unwrap().uid() != 0 {
                line.push("--map-root-user".to_owned());
            }
            line.extend(["sh", "-c", "mount --bind \"$0\" /etc/hosts && exec \"$@\""].map(str::to_owned));
            line.push(hosts.to_str().unwrap().to_owned());
        }
        line.push(self.program.clone().unwrap_or_else(|| env!("CARGO_BIN_EXE_docquay").to_owned()));
        line.extend(self.arguments.iter().cloned());
        let mut command = Command::new(&line[0]);
        command.args(&line[1..]).current_dir(folder).env_clear();
        command.envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }
}

impl Certs {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// The published chain of `domain`.
    pub(crate) fn certificate_pem(&self, domain: &str) -> Option<String> {
        std::fs::read_to_string(self.path().join(format!("{domain}.cert.pem"))).ok()
    }

    /// The published key of `domain`.
    pub(crate) fn key_pem(&self, domain: &str) -> Option<String> {
        std::fs::read_to_string(self.path().join(format!("{domain}.key.pem"))).ok()
    }

    /// The files in it, by their path inside, each with its mode (`0o600`).
    pub(crate) fn files(&self) -> BTreeMap<PathBuf, u32> {
        let mut files = BTreeMap::new();
        let mut folders = vec![self.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                let metadata = std::fs::symlink_metadata(&path).unwrap();
                if metadata.is_dir() {
                    folders.push(path);
                } else {
                    let inside = path.strip_prefix(self.path()).unwrap().to_owned();
                    files.insert(inside, metadata.permissions().mode() & 0o777);
                }
            }
        }
        files
    }
}

impl Docs {
    /// Two pages about nothing much.
    pub(crate) fn new() -> Self {
        let docs = Self(tempfile::tempdir().unwrap());
        docs.write("index.md", "# Quay\n\nWhere ships are moored.\n");
        docs.write("rope.md", "# Rope\n\n## Knots\n\nA bowline holds.\n");
        docs
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path().join(name), text).unwrap();
    }
}
