//! What a start costs: from a new process to its first answer, its memory when idle, the size of the program.
//!
//! `cargo bench --bench start`, or `DOCQUAY_STATIC=PATH cargo bench --bench start` for a binary that is there. Each
//! process serves the manual; the medians of twenty are printed.

#![allow(clippy::disallowed_methods, reason = "it measures real time")]

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const PROCESSES: usize = 20;
/// Long enough for what a start allocates and frees to be over.
const IDLE: Duration = Duration::from_millis(500);

/// One process, ended on drop.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn main() {
    let program = std::env::var_os("DOCQUAY_STATIC").map(PathBuf::from);
    let program = program.unwrap_or_else(|| env!("CARGO_BIN_EXE_docquay").into());
    let size = std::fs::metadata(&program).map(|metadata| metadata.len()).expect("the program is there");
    let (mut starts, mut resident, mut private) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..PROCESSES {
        let port = free_port();
        let begun = Instant::now();
        let server = Server(start(&program, port));
        first_answer(port);
        starts.push(begun.elapsed());
        std::thread::sleep(IDLE);
        resident.push(kilobytes(&server, "VmRSS"));
        private.push(kilobytes(&server, "RssAnon"));
    }
    println!("{}: {size} bytes", program.display());
    println!("start to first answer: median {:?}, least {:?}", median(&mut starts), starts.iter().min());
    println!(
        "resident, idle: median {} kB, of it private {} kB",
        median(&mut resident),
        median(&mut private)
    );
}

fn start(program: &Path, port: u16) -> Child {
    let folder = std::env::temp_dir();
    let mut command = Command::new(program);
    command.args(["--port", &port.to_string()]).current_dir(folder);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().expect("the program starts")
}

/// Asks until it answers; a refused connection costs microseconds.
fn first_answer(port: u16) {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let end = Instant::now() + Duration::from_secs(20);
    loop {
        assert!(Instant::now() < end, "no answer at {address}");
        let Ok(mut stream) = TcpStream::connect(address) else {
            std::thread::sleep(Duration::from_micros(50));
            continue;
        };
        let request = format!("GET /readyz HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("it reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it answers");
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        return;
    }
}

fn kilobytes(server: &Server, field: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.0.id())).expect("Linux");
    let line = status.lines().find(|line| line.starts_with(field)).expect("the field");
    line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).expect("a number")
}

fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("an address").port()
}

fn median<T: Ord + Copy>(values: &mut [T]) -> T {
    values.sort_unstable();
    values[values.len() / 2]
}
