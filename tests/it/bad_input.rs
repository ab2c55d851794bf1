//! Bad input: each row of bad_input.toml against the real binary, and after each row the proof that
//! a good client on the same process still searches, still opens a session, still hears its stream.

mod good;
mod process;
mod row;
mod sent;

use std::net::TcpListener;
use std::path::Path;

use process::{Ended, Process};
use row::{CommandRow, Table, WireRow};

/// Short enough that a slow row takes less than a second, long enough for a good client on a loaded
/// machine.
const LIMITS: [&str; 5] =
    ["http.sniff=600ms", "http.header=600ms", "http.body=600ms", "http.idle=2s", "http.write_stall=600ms"];

fn table() -> Table {
    toml::from_str(include_str!("bad_input.toml")).unwrap()
}

/// A page to find, and one that is large enough to fill every buffer between server and client.
fn documents() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("lantern.md"), "# Lantern\n\nThe heron waits at the weir.\n").unwrap();
    let long = "The tide comes in and the tide goes out.\n\n".repeat(20_000);
    std::fs::write(folder.path().join("long.md"), format!("# Tides\n\n{long}")).unwrap();
    folder
}

fn serve(folder: &Path, more: &[String]) -> Process {
    let mut arguments: Vec<String> = ["--port", "0", "--sse-keep-alive", "50ms"].map(str::to_owned).to_vec();
    for limit in LIMITS.iter().map(|limit| (*limit).to_owned()).chain(more.iter().cloned()) {
        arguments.extend(["--limits".to_owned(), limit]);
    }
    arguments.push(folder.display().to_string());
    Process::start(&arguments, folder)
}

#[test]
fn bad_bytes_get_the_exact_answer_and_harm_nobody_else() {
    let folder = documents();
    let server = serve(folder.path(), &[]);
    let mut stream = good::Listening::open(server.address());
    let mut wrong = Vec::new();
    for row in &table().wire {
        let verdict = if row.limits.is_empty() {
            judge(row, &server, &mut stream)
        } else {
            let own = serve(folder.path(), &row.limits);
            judge(row, &own, &mut good::Listening::open(own.address()))
        };
        if let Err(what) = verdict {
            wrong.push(format!("{}: {what}", row.name));
        }
    }
    assert!(wrong.is_empty(), "{} rows:\n{}\n{}", wrong.len(), wrong.join("\n"), server.log());
}

fn judge(row: &WireRow, server: &Process, stream: &mut good::Listening) -> Result<(), String> {
    let answer = sent::send(row, server.address())?;
    row.judge(&answer)?;
    good::searches(server.address(), "heron")?;
    good::opens_a_session(server.address())?;
    stream.is_alive()
}

#[test]
fn two_clients_with_equal_ids_at_once_get_each_its_own_answer() {
    let folder = documents();
    let server = serve(folder.path(), &[]);
    let mut clients: Vec<good::Sse> = (0..2).map(|_| good::Sse::open(server.address())).collect();
    for round in 0..20 {
        // Both ask before either reads.
        for (client, query) in clients.iter_mut().zip(["heron", "tide"]) {
            client.ask(7, query);
        }
        for (client, page) in clients.iter_mut().zip(["lantern", "long"]) {
            let answer = client.answer(7);
            assert!(answer.contains(&format!(r#""id\":\"{page}"#)), "round {round}, {page}: {answer}");
        }
    }
}

#[test]
fn a_command_given_bad_input_says_what_to_do() {
    let wrong: Vec<String> = table()
        .command
        .iter()
        .filter_map(|row| run(row).err().map(|what| format!("{}: {what}", row.name)))
        .collect();
    assert!(wrong.is_empty(), "{} rows:\n{}", wrong.len(), wrong.join("\n"));
}

fn run(row: &CommandRow) -> Result<(), String> {
    let folder = tempfile::tempdir().unwrap();
    row.write_files(folder.path());
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let arguments: Vec<String> = row
        .arguments
        .iter()
        .map(|one| one.replace("{DIR}", &folder.path().display().to_string()).replace("{TAKEN}", &port))
        .collect();
    // A folder of its own to stand in, so that the one with the documents stays as the row says.
    let elsewhere = tempfile::tempdir().unwrap();
    let mut process = Process::spawn(&arguments, elsewhere.path());
    match (process.settle(), &row.exit, &row.search) {
        (Ended::Code(code), Some(expected), None) if code == *expected => {}
        (Ended::Serving, None, Some(query)) if query.is_empty() => good::answers(process.address())?,
        (Ended::Serving, None, Some(query)) => good::searches(process.address(), query)?,
        (ended, _, _) => return Err(format!("ended {ended:?}: {}", process.log())),
    }
    let log = process.log();
    if log.contains(&row.contains) { Ok(()) } else { Err(format!("no {:?} in: {log}", row.contains)) }
}
