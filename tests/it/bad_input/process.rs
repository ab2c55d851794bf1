//! The real binary as a child process: its address from the banner, its log, its end.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// How long a start or an end may take on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) struct Process {
    child: Child,
    log: Arc<Mutex<String>>,
}

#[derive(Debug)]
pub(super) enum Ended {
    /// With this exit code.
    Code(i32),
    /// Not at all: it serves.
    Serving,
    /// Neither in time.
    Hanging,
}

impl Process {
    /// Starts it and waits until it serves.
    pub(super) fn start(arguments: &[String], folder: &Path) -> Self {
        let mut process = Self::spawn(arguments, folder);
        let ended = process.settle();
        assert!(matches!(ended, Ended::Serving), "{arguments:?}: {ended:?}: {}", process.log());
        process
    }

    pub(super) fn spawn(arguments: &[String], folder: &Path) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_docquay"));
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("DOCQUAY_") {
                command.env_remove(name);
            }
        }
        command.args(arguments).current_dir(folder);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let log = Arc::new(Mutex::new(String::new()));
        let kept = Arc::clone(&log);
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                let mut kept = kept.lock().unwrap();
                kept.push_str(&line);
                kept.push('\n');
            }
        });
        Self { child, log }
    }

    /// Waits until it serves or has ended.
    pub(super) fn settle(&mut self) -> Ended {
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            if let Some(status) = self.child.try_wait().unwrap() {
                // The reader of stderr may be a line behind.
                std::thread::sleep(Duration::from_millis(50));
                return Ended::Code(status.code().unwrap_or(-1));
            }
            if self.find_address().is_some() {
                // The rest of the banner and the warnings of the start.
                std::thread::sleep(Duration::from_millis(50));
                return Ended::Serving;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ended::Hanging
    }

    /// Where it serves: `127.0.0.1:12345`.
    pub(super) fn address(&self) -> &str {
        // Once found it never changes; leaking a few bytes keeps the tests plain.
        self.find_address().unwrap().leak()
    }

    fn find_address(&self) -> Option<String> {
        let log = self.log();
        let (address, _) = log.split_once("http://")?.1.split_once("/mcp\n")?;
        Some(address.to_owned())
    }

    pub(super) fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
