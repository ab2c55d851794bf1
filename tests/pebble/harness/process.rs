//! A program that runs beside the test: its output read live, its end seen, killed when the test is over.
//!
//! The output goes to a file and not through a pipe: what the program wrote before it answered a request is in the
//! log as soon as the answer is there, so that a test can count lines without waiting.

use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tempfile::NamedTempFile;
use tokio::time::{Instant, sleep};

/// One program, killed on drop.
#[derive(Debug)]
pub(crate) struct Process {
    id: u32,
    child: Mutex<Child>,
    log: NamedTempFile,
    title: String,
}

/// What a program can be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    /// Go on after [`Signal::Stop`].
    Continue,
    Hangup,
    Interrupt,
    Kill,
    /// Answer nobody until [`Signal::Continue`]: a peer that hangs.
    Stop,
    Terminate,
}

impl Process {
    /// Starts `command`. A program that is not there is a failure that names the Debian package it comes in.
    pub(crate) fn start(mut command: Command, package: &str) -> Self {
        command.stdin(Stdio::null());
        Self::with_its_stdin(command, package)
    }

    /// [`Self::start`] with the standard input that `command` has.
    pub(crate) fn with_its_stdin(mut command: Command, package: &str) -> Self {
        let title = command.get_program().to_string_lossy().into_owned();
        let log = NamedTempFile::new().unwrap();
        // Both streams share one offset, so that neither overwrites the other.
        let stdout = log.reopen().unwrap();
        let stderr = stdout.try_clone().unwrap();
        let child = command.stdout(stdout).stderr(stderr).spawn();
        let child = child.unwrap_or_else(|error| cannot_start(&title, package, &error));
        Self { id: child.id(), child: Mutex::new(child), log, title }
    }

    pub(crate) fn id(&self) -> u32 {
        self.id
    }

    /// Everything it wrote so far, to stdout and stderr.
    pub(crate) fn log(&self) -> String {
        self.written_after(0)
    }

    /// How much it wrote so far: where [`Self::wait_for_after`] starts.
    pub(crate) fn mark(&self) -> usize {
        self.bytes().len()
    }

    /// What it wrote after `mark`.
    pub(crate) fn written_after(&self, mark: usize) -> String {
        String::from_utf8_lossy(self.bytes().get(mark..).unwrap_or_default()).into_owned()
    }

    /// The first whole line, written before or from now on, that `is_it` takes; a failure with the log if none comes
    /// within `limit` or the program ends without it.
    pub(crate) async fn wait_for(&self, is_it: impl Fn(&str) -> bool, limit: Duration) -> String {
        self.wait_for_after(0, is_it, limit).await
    }

    /// [`Self::wait_for`] among the lines written after `mark`.
    pub(crate) async fn wait_for_after(
        &self,
        mark: usize,
        is_it: impl Fn(&str) -> bool,
        limit: Duration,
    ) -> String {
        let deadline = Instant::now() + limit;
        loop {
            // Asked before the log is read: what it wrote last is then in it.
            let ended = self.exited();
            let text = self.written_after(mark);
            let whole = text.rfind('\n').map_or("", |end| &text[..end]);
            if let Some(line) = whole.lines().find(|line| is_it(line)) {
                return line.to_owned();
            }
            let why = match ended {
                Some(status) => format!("ended ({status}) without the line that was waited for"),
                None if Instant::now() >= deadline => {
                    format!("did not write the line that was waited for within {limit:?}")
                }
                None => {
                    sleep(Duration::from_millis(10)).await;
                    continue;
                }
            };
            panic!("{}: {why}; it wrote:\n{}", self.title, self.log());
        }
    }

    /// The exit status, if it has ended.
    pub(crate) fn exited(&self) -> Option<ExitStatus> {
        self.child().try_wait().unwrap()
    }

    /// Waits for its end; a failure with the log if it does not come within `limit`.
    pub(crate) async fn exit(&self, limit: Duration) -> ExitStatus {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(status) = self.exited() {
                return status;
            }
            assert!(
                Instant::now() < deadline,
                "{} still runs after {limit:?}; it wrote:\n{}",
                self.title,
                self.log()
            );
            sleep(Duration::from_millis(10)).await;
        }
    }

    /// Sends a signal to the running program.
    pub(crate) fn signal(&self, signal: Signal) {
        assert!(self.exited().is_none(), "{} has ended; it wrote:\n{}", self.title, self.log());
        // The shell's own `kill`: std knows SIGKILL alone, and anything else takes unsafe code or a crate.
        let script = format!("kill -{} {}", signal.name(), self.id());
        let status = Command::new("sh").args(["-c", &script]).status().unwrap();
        assert!(status.success(), "{script}: {status}");
    }

    /// Ends it at once, as a power cut would.
    pub(crate) fn kill(&self) {
        let mut child = self.child();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    fn child(&self) -> MutexGuard<'_, Child> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn bytes(&self) -> Vec<u8> {
        std::fs::read(self.log.path()).unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let mut child = self.child();
        let _ = child.kill();
        let _ = child.wait();
        if std::thread::panicking() {
            eprintln!("--- {} wrote:\n{}---", self.title, self.log());
        }
    }
}

impl Signal {
    fn name(self) -> &'static str {
        match self {
            Self::Continue => "CONT",
            Self::Hangup => "HUP",
            Self::Interrupt => "INT",
            Self::Kill => "KILL",
            Self::Stop => "STOP",
            Self::Terminate => "TERM",
        }
    }
}

/// Runs `command` to its end and returns what it wrote to stdout; a failure with its stderr unless it exits with 0.
pub(crate) fn run(command: &mut Command, package: &str) -> String {
    let title = format!("{command:?}");
    let output =
        command.stdin(Stdio::null()).output().unwrap_or_else(|error| cannot_start(&title, package, &error));
    assert!(
        output.status.success(),
        "{title}: {}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// `command` as written, or behind `prefix` (`ip netns exec NAME`).
pub(crate) fn command(prefix: &[String], program: &str) -> Command {
    match prefix.split_first() {
        None => Command::new(program),
        Some((first, rest)) => {
            let mut command = Command::new(first);
            command.args(rest).arg(program);
            command
        }
    }
}

fn cannot_start(title: &str, package: &str, error: &std::io::Error) -> ! {
    panic!(
        "cannot run {title}: {error}\nhelp: apt-get install {package}, or run tests/run, which installs it"
    )
}
