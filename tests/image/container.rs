//! A container as runtimes make one: the image's files under a layer of its own, the image's user and environment,
//! /proc, the two files of /etc that every runtime mounts, volumes.
//!
//! Without a runtime, since those want a daemon or cgroups: `unshare`, `mount` and `chroot` show docquay the same.
//! `buildah run` is used where it can do what is asked ([`Container::start_by_buildah`]).

use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;

use crate::harness::namespace::Namespace;
use crate::harness::process::{Process, command};
use crate::image::Image;

/// How a container is to be run.
#[derive(Debug)]
pub(crate) struct Container {
    image: &'static Image,
    prefix: Vec<String>,
    root: Root,
    volumes: Vec<(PathBuf, &'static str)>,
    environment: Vec<(String, String)>,
    arguments: Vec<String>,
}

/// The layer over the image's files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Root {
    /// Gone with the container.
    Writable,
    /// `--read-only`.
    ReadOnly,
}

/// A running container; ended on drop.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) process: Process,
    _folder: TempDir,
}

/// How it ended by itself.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) log: String,
}

impl Container {
    /// Of the image, with no volume and in the network of the tests.
    pub(crate) fn new() -> Self {
        Self {
            image: Image::built(),
            prefix: Vec::new(),
            root: Root::Writable,
            volumes: Vec::new(),
            environment: Vec::new(),
            arguments: Vec::new(),
        }
    }

    /// In a network namespace where any user may open any port, which Docker sees to and Podman does with `--sysctl`.
    pub(crate) fn within(mut self, namespace: &Namespace) -> Self {
        self.prefix = namespace.prefix();
        let mut allow = command(&self.prefix, "sh");
        allow.args(["-c", "echo 0 >/proc/sys/net/ipv4/ip_unprivileged_port_start"]);
        assert!(allow.status().unwrap().success());
        self
    }

    /// In a network namespace as the kernel makes it: ports below 1024 are root's.
    pub(crate) fn within_plain(mut self, namespace: &Namespace) -> Self {
        self.prefix = namespace.prefix();
        self
    }

    pub(crate) fn root(mut self, root: Root) -> Self {
        self.root = root;
        self
    }

    /// Mounts a folder or a file of the host.
    pub(crate) fn volume(mut self, host: &Path, inside: &'static str) -> Self {
        self.volumes.push((host.to_owned(), inside));
        self
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn args(mut self, arguments: &[&str]) -> Self {
        self.arguments.extend(arguments.iter().map(|&argument| argument.to_owned()));
        self
    }

    pub(crate) fn start(self) -> Running {
        let folder = tempfile::tempdir().unwrap();
        let read_only = if self.root == Root::ReadOnly { "read-only" } else { "" };
        let mut command = command(&self.prefix, "unshare");
        command.args(["--mount", "sh", "-euc", RUNTIME, "sh"]);
        command.arg(self.image.root()).arg(folder.path()).arg(read_only);
        command.arg(self.image.config("User").as_str().unwrap());
        command.arg(self.volumes.len().to_string());
        for (host, inside) in &self.volumes {
            command.arg(host).arg(inside);
        }
        command.args(self.image.words("Entrypoint")).args(&self.arguments);
        command.env_clear().envs(self.variables());
        Running { process: Process::start(command, "util-linux"), _folder: folder }
    }

    /// By `buildah run`, which drops every capability and has a writable root.
    pub(crate) fn start_by_buildah(self) -> Running {
        assert_eq!(self.root, Root::Writable);
        let buildah = self.image.buildah();
        let mut command = command(&self.prefix, buildah.get_program().to_str().unwrap());
        command.args(buildah.get_args());
        command.args(["run", "--isolation", "chroot", "--network", "host", "--cap-drop", "ALL"]);
        for (host, inside) in &self.volumes {
            command.arg("--volume").arg(format!("{}:{inside}", host.display()));
        }
        for (name, value) in &self.environment {
            command.arg("--env").arg(format!("{name}={value}"));
        }
        command.arg(self.image.container()).arg("--");
        command.args(self.image.words("Entrypoint")).args(&self.arguments);
        Running { process: Process::start(command, "buildah"), _folder: tempfile::tempdir().unwrap() }
    }

    /// Runs it to its end, for what does not start.
    pub(crate) async fn run(self) -> Ended {
        let running = self.start();
        let status = running.process.exit(LIMIT).await;
        Ended { code: status.code(), log: running.process.log() }
    }

    /// Of the image, then of the command line. `PATH` is for the tools before docquay.
    fn variables(&self) -> Vec<(String, String)> {
        let image = self.image.words("Env");
        let image = image.iter().map(|variable| variable.split_once('=').unwrap());
        let image = image.map(|(name, value)| (name.to_owned(), value.to_owned()));
        image.chain(self.environment.iter().cloned()).collect()
    }
}

impl Running {
    pub(crate) async fn wait_for(&self, part: &str) -> String {
        self.process.wait_for(|line| line.contains(part), LIMIT).await
    }

    /// What the kernel says of docquay's process: a field of its status.
    pub(crate) fn status(&self, field: &str) -> String {
        let status = self.docquay().join("status");
        let status = std::fs::read_to_string(status).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(&format!("{field}:")));
        line.unwrap().split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// docquay's process: this one, or what it has started.
    fn docquay(&self) -> PathBuf {
        let mut ids = vec![self.process.id()];
        while let Some(id) = ids.pop() {
            let process = Path::new("/proc").join(id.to_string());
            if std::fs::read(process.join("cmdline")).unwrap_or_default().starts_with(b"/docquay\0") {
                return process;
            }
            for thread in std::fs::read_dir(process.join("task")).unwrap() {
                let children = std::fs::read_to_string(thread.unwrap().path().join("children"));
                ids.extend(
                    children.unwrap_or_default().split_whitespace().map(|id| id.parse::<u32>().unwrap()),
                );
            }
        }
        panic!("no docquay runs; it wrote:\n{}", self.process.log());
    }
}

/// Image, folder, read-only or not, user, number of volumes, the volumes, the command line.
const RUNTIME: &str = r#"
image=$1 folder=$2 read_only=$3 user=$4 volumes=$5
shift 5
mount -t tmpfs tmpfs "$folder"
mkdir "$folder/upper" "$folder/work" "$folder/root"
mount -t overlay overlay -o "lowerdir=$image,upperdir=$folder/upper,workdir=$folder/work" "$folder/root"
cd "$folder/root"
mkdir -p proc etc
mount --bind /proc proc
for file in hosts resolv.conf; do
    : >"etc/$file"
    mount --bind "/etc/$file" "etc/$file"
done
while [ "$volumes" -gt 0 ]; do
    if [ -d "$1" ]; then mkdir -p ".$2"; else : >".$2"; fi
    mount --bind "$1" ".$2"
    shift 2
    volumes=$((volumes - 1))
done
[ -z "$read_only" ] || mount -o remount,ro "$folder/root"
# The kernel takes every capability with the user.
exec chroot --userspec="$user" "$folder/root" "$@"
"#;

/// Bounds what never comes; nothing here takes long.
pub(crate) const LIMIT: Duration = Duration::from_secs(90);
