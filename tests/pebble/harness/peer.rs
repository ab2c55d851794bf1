//! Real MCP clients, of `tests/peers`, against what a test serves.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::json;

use super::process::command;

/// One client in one mode over one transport, as in `tests/peers/run.py`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer {
    pub(crate) client: Client,
    /// `auto`, `legacy`, or a revision.
    pub(crate) mode: &'static str,
    /// `http` or `sse`.
    pub(crate) transport: &'static str,
    /// The revision that this must end in.
    pub(crate) expect: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Client {
    /// `@modelcontextprotocol/client` on Node.
    TypeScript,
    /// `mcp` 2 on Python.
    Python,
}

impl Peer {
    /// Connects to `base` (`https://localhost:8443`) with `root_file` as its only private root, lists, searches and
    /// fetches; what it said, either way. The pages are those of [`Docs`](super::Docs).
    pub(crate) async fn talks_to(self, base: &str, root_file: &Path) -> Result<String, String> {
        let url = format!("{base}/{}", if self.transport == "sse" { "sse" } else { "mcp" });
        let job = json!({
            "transport": self.transport, "mode": self.mode, "expect": self.expect, "url": url, "command": [],
            "query": "bowline", "phrase": "bowline", "extras": self.transport == "http", "reload": "", "seconds": 60,
        });
        let mut client = command(&[], self.program().to_str().unwrap());
        client.arg(self.script()).env("PEER_JOB", job.to_string());
        // Node adds to its own roots, Python's ssl replaces them.
        client.env("NODE_EXTRA_CA_CERTS", root_file).env("SSL_CERT_FILE", root_file);
        client.env("PYTHONDONTWRITEBYTECODE", "1").stdin(Stdio::null());
        let output = tokio::task::spawn_blocking(move || client.output().unwrap()).await.unwrap();
        let text =
            format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        let done = output.status.success() && text.contains("done\n") && !text.contains("FAILED");
        if done { Ok(text) } else { Err(format!("{self:?}: {}\n{text}", output.status)) }
    }

    fn program(self) -> PathBuf {
        match self.client {
            Client::Python => installed("mcp2/bin/python"),
            Client::TypeScript => {
                let modules = std::fs::read_dir(installed("ts/node_modules")).unwrap();
                let is_node = |path: &PathBuf| {
                    path.file_name().unwrap().to_str().is_some_and(|name| name.starts_with("node-linux-"))
                };
                let node = modules.map(|entry| entry.unwrap().path()).find(is_node);
                node.expect("node is among the modules").join("bin/node")
            }
        }
    }

    fn script(self) -> PathBuf {
        match self.client {
            Client::Python => Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/python/mcp2.py"),
            // A module is looked up from where its importer lies.
            Client::TypeScript => installed("ts/client2.mjs"),
        }
    }
}

fn installed(path: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/.cache/peers").join(path);
    assert!(path.exists(), "{} is missing\nhelp: tests/run pebble installs it", path.display());
    path
}
