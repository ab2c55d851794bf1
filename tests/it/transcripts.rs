//! Replays what the specification says of each revision over each transport: `transcripts/<revision>/<transport>`.
//!
//! The exchanges are written from the specification's text, with the section that each answer follows; the catalog is
//! that of the specification's own examples. Clock and entropy are given, so that whole answers can be written down.

mod catalog;
mod http;
mod script;
mod server;
mod stdio;

use std::path::{Path, PathBuf};

use script::{Block, Step};
use server::Server;

/// Fewer exchanges than this say too little of a transport.
const AT_LEAST: usize = 12;

fn folder(revision: &str, transport: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/transcripts").join(revision).join(transport)
}

/// The transcripts of a folder, in the order of their names.
fn transcripts(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort_unstable();
    paths
}

async fn replay(revision: &str, transport: &str) {
    let (mut exchanges, mut wrong) = (0, Vec::new());
    for path in transcripts(&folder(revision, transport)) {
        let blocks = script::read(&path);
        exchanges += blocks.iter().filter(|block| matches!(block.step, Step::Came(..))).count();
        let name = format!("{revision}/{transport}/{}", path.file_name().unwrap().to_string_lossy());
        if let Err(told) = replay_file(transport, &name, &blocks).await {
            wrong.push(told);
        }
    }
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n\n"));
    assert!(exchanges >= AT_LEAST, "{exchanges} exchanges of {revision} over {transport}");
}

async fn replay_file(transport: &str, name: &str, blocks: &[Block]) -> Result<(), String> {
    let server = Server::new();
    let at = |block: &Block, told: String| format!("{name}:{}: {told}", block.line);
    if transport == "stdio" {
        let mut conversation = stdio::Conversation::new(&server);
        for block in blocks {
            conversation.step(&block.step).await.map_err(|told| at(block, told))?;
        }
        return conversation.finish().await.map_err(|told| format!("{name}: {told}"));
    }
    let mut conversation = http::Conversation::new(&server, name).await;
    for block in blocks {
        conversation.step(&block.step).await.map_err(|told| at(block, told))?;
    }
    conversation.finish();
    Ok(())
}

macro_rules! replayed {
    ($($name:ident: $revision:literal over $transport:literal;)*) => {
        $(#[tokio::test]
        async fn $name() {
            replay($revision, $transport).await;
        })*

        const FOLDERS: &[(&str, &str)] = &[$(($revision, $transport)),*];
    };
}

replayed! {
    what_2024_11_05_says_holds_over_http_and_sse: "2024-11-05" over "sse";
    what_2024_11_05_says_holds_over_stdio: "2024-11-05" over "stdio";
    what_2025_03_26_says_holds_over_http: "2025-03-26" over "http";
    what_2025_03_26_says_holds_over_http_and_sse: "2025-03-26" over "sse";
    what_2025_03_26_says_holds_over_stdio: "2025-03-26" over "stdio";
    what_2025_06_18_says_holds_over_http: "2025-06-18" over "http";
    what_2025_06_18_says_holds_over_http_and_sse: "2025-06-18" over "sse";
    what_2025_06_18_says_holds_over_stdio: "2025-06-18" over "stdio";
    what_2025_11_25_says_holds_over_http: "2025-11-25" over "http";
    what_2025_11_25_says_holds_over_http_and_sse: "2025-11-25" over "sse";
    what_2025_11_25_says_holds_over_stdio: "2025-11-25" over "stdio";
    what_2026_07_28_says_holds_over_http: "2026-07-28" over "http";
    what_2026_07_28_says_holds_over_stdio: "2026-07-28" over "stdio";
}

#[test]
fn every_folder_is_replayed_and_every_answer_cites_its_section() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/transcripts");
    for revision in transcripts(&root).iter().filter(|path| path.is_dir()) {
        for transport in transcripts(revision) {
            let name = |path: &Path| path.file_name().unwrap().to_string_lossy().into_owned();
            let (revision, transport_name) = (name(revision), name(&transport));
            assert!(
                FOLDERS.contains(&(&revision, &transport_name)),
                "{revision}/{transport_name} is not replayed"
            );
            for path in transcripts(&transport) {
                let mut cited = false;
                for block in script::read(&path) {
                    cited |= block.cited;
                    if let Step::Came(..) = block.step {
                        assert!(cited, "{}:{}: no section is cited", path.display(), block.line);
                        cited = false;
                    }
                }
            }
        }
    }
}
