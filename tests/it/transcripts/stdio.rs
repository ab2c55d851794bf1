//! Replaying a transcript over stdio: a pair of pipes in memory.

use std::sync::Arc;

use docquay::mcp::transport::stdio;
use serde_json::Value;
use tokio::io::{
    AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, DuplexStream, Lines, ReadHalf, WriteHalf, duplex,
    split,
};

use super::script::{Step, equal};
use super::server::Server;
use crate::harness::raw::in_time;
use crate::harness::record;

pub(super) struct Conversation<'a> {
    server: &'a Server,
    input: WriteHalf<DuplexStream>,
    output: Lines<BufReader<ReadHalf<DuplexStream>>>,
    said: record::Lines,
}

impl<'a> Conversation<'a> {
    pub(super) fn new(server: &'a Server) -> Self {
        let (ours, theirs) = duplex(1 << 20);
        let (input, output) = split(theirs);
        tokio::spawn(stdio::serve(Arc::clone(&server.dispatcher), input, output, server.shutdown.clone()));
        let (output, input) = split(ours);
        Self { server, input, output: BufReader::new(output).lines(), said: record::Lines::default() }
    }

    pub(super) async fn step(&mut self, step: &Step) -> Result<(), String> {
        match step {
            Step::Event(event) => self.server.happens(event).await,
            Step::Sent(Some(_), _) | Step::Came(Some(_), _) => Err("stdio has one connection".into()),
            Step::Sent(None, lines) if lines == &["(end)"] => {
                in_time(self.input.shutdown()).await.map_err(|error| error.to_string())
            }
            Step::Sent(None, lines) => self.send(&on_one_line(&lines.join("\n"))).await,
            Step::Came(None, lines) => {
                let expected = lines.join("\n");
                let got = in_time(self.output.next_line()).await.map_err(|error| error.to_string())?;
                same_line(&expected, got.as_deref())?;
                if let Some(line) = got {
                    self.said.push('<', &line);
                }
                Ok(())
            }
        }
    }

    async fn send(&mut self, line: &str) -> Result<(), String> {
        self.said.push('>', line);
        let bytes = format!("{line}\n");
        in_time(self.input.write_all(bytes.as_bytes())).await.map_err(|error| error.to_string())
    }

    /// Nothing was said that the transcript does not have: the input ends, and then the output.
    pub(super) async fn finish(mut self) -> Result<(), String> {
        let _ = in_time(self.input.shutdown()).await;
        let more = in_time(self.output.next_line()).await.map_err(|error| error.to_string())?;
        more.map_or(Ok(()), |line| Err(format!("more came: {line}")))
    }
}

/// A message is shown over several lines but sent on one; what is not JSON is sent as it is shown.
fn on_one_line(shown: &str) -> String {
    match serde_json::from_str::<Value>(shown) {
        Ok(message) => message.to_string(),
        Err(_) => shown.to_owned(),
    }
}

fn same_line(expected: &str, got: Option<&str>) -> Result<(), String> {
    let same = match got {
        None => expected == "(end)",
        Some(line) => match (serde_json::from_str::<Value>(expected), serde_json::from_str(line)) {
            (Ok(expected), Ok(got)) => equal(&expected, &got),
            _ => false,
        },
    };
    if same { Ok(()) } else { Err(format!("expected\n{expected}\ngot\n{}", got.unwrap_or("(end)"))) }
}
