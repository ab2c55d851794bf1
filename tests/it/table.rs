//! The README's table of what each revision has over which transport, read from there and run cell by cell: each row is a
//! test, and a dash is tested as well. One dispatcher serves every revision on every transport at once.

use docquay::mcp::catalog::Changes;
use serde_json::{Value, json};

use crate::harness::conversation::{Client, Site, Transport};

/// A column and a transport, and whether the table says that they have what the row is about.
#[derive(Clone, Copy, Debug)]
struct Cell {
    revision: &'static str,
    transport: Transport,
    has: bool,
}

impl Cell {
    /// Whether the revision is this one or a later one: names of revisions are ordered like dates.
    fn since(self, revision: &str) -> bool {
        self.revision >= revision
    }

    fn is_modern(self) -> bool {
        self.since("2026-07-28")
    }
}

#[tokio::test]
async fn every_transport_opens_a_conversation() {
    each_cell("every_transport_opens_a_conversation", async |cell, site| {
        if cell.has {
            // Asserts what was negotiated.
            site.open(cell.revision, cell.transport).await;
            return;
        }
        // A modern client on the transport of the older era is sent back to `initialize`.
        let mut client = site.open("2025-11-25", cell.transport).await;
        assert_eq!(client.ask_modern("server/discover").await["error"]["code"], -32601);
    })
    .await;
}

#[tokio::test]
async fn tools_are_listed_and_called() {
    each_client("tools_are_listed_and_called", async |cell, client, _| {
        assert!(cell.has);
        let listed = client.ask("tools/list", json!({})).await;
        let names: Vec<&str> = listed["result"]["tools"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| it["name"].as_str().unwrap())
            .collect();
        assert_eq!(names[0], "echo");
        let called = client.ask("tools/call", json!({ "name": "echo", "arguments": { "a": 1 } })).await;
        assert_eq!(called["result"]["content"][0]["text"], r#"{"a":1}"#);
        let unknown = client.ask("tools/call", json!({ "name": "none", "arguments": {} })).await;
        assert_eq!(unknown["error"]["code"], -32602);
        assert_eq!(client.ask("no/such", json!({})).await["error"]["code"], -32601);
    })
    .await;
}

#[tokio::test]
async fn resources_are_listed_and_read() {
    each_client("resources_are_listed_and_read", async |cell, client, _| {
        assert!(cell.has);
        let listed = client.ask("resources/list", json!({})).await;
        let uri = listed["result"]["resources"][0]["uri"].clone();
        let next = client.ask("resources/list", json!({ "cursor": listed["result"]["nextCursor"] })).await;
        assert_eq!(next["result"]["resources"][0]["uri"], "fake:///two");
        let read = client.ask("resources/read", json!({ "uri": uri })).await;
        assert_eq!(read["result"]["contents"][0]["text"], "hello");
        let missing = client.ask("resources/read", json!({ "uri": "fake:///none" })).await;
        assert_eq!(missing["error"]["code"], if cell.is_modern() { -32602 } else { -32002 });
        let templates = client.ask("resources/templates/list", json!({})).await;
        assert_eq!(templates["result"]["resourceTemplates"][0]["uriTemplate"], "fake:///{+id}");
    })
    .await;
}

#[tokio::test]
async fn prompts_are_listed_and_got() {
    each_client("prompts_are_listed_and_got", async |cell, client, _| {
        assert!(cell.has);
        let listed = client.ask("prompts/list", json!({})).await;
        assert_eq!(listed["result"]["prompts"][0]["name"], "ask");
        let got =
            client.ask("prompts/get", json!({ "name": "ask", "arguments": { "topic": "wicks" } })).await;
        assert_eq!(got["result"]["messages"][0]["content"]["text"], r#"{"topic":"wicks"}"#);
    })
    .await;
}

#[tokio::test]
async fn arguments_are_completed() {
    each_client("arguments_are_completed", async |cell, client, _| {
        assert!(cell.has);
        let reference = json!({ "type": "ref/prompt", "name": "ask" });
        let params = json!({ "ref": reference, "argument": { "name": "topic", "value": "w" } });
        let completed = client.ask("completion/complete", params).await;
        assert_eq!(completed["result"]["completion"]["values"][1], "w1");
    })
    .await;
}

#[tokio::test]
async fn tools_carry_annotations() {
    each_client("tools_carry_annotations", async |cell, client, _| {
        let listed = client.ask("tools/list", json!({})).await;
        let hint = listed["result"]["tools"][0]["annotations"].get("readOnlyHint");
        assert_eq!(hint, cell.has.then_some(&json!(true)), "{listed}");
    })
    .await;
}

#[tokio::test]
async fn results_are_structured() {
    each_client("results_are_structured", async |cell, client, _| {
        let listed = client.ask("tools/list", json!({})).await;
        let called = client.ask("tools/call", json!({ "name": "echo", "arguments": { "a": 1 } })).await;
        assert_eq!(listed["result"]["tools"][0].get("outputSchema").is_some(), cell.has);
        assert_eq!(called["result"].get("structuredContent"), cell.has.then_some(&json!({ "a": 1 })));
    })
    .await;
}

#[tokio::test]
async fn bad_arguments_are_told_to_the_model() {
    each_client("bad_arguments_are_told_to_the_model", async |cell, client, _| {
        let called = client.ask("tools/call", json!({ "name": "picky", "arguments": {} })).await;
        if cell.has {
            assert_eq!(called["result"]["isError"], true, "{called}");
        } else {
            assert_eq!(called["error"]["code"], -32602, "{called}");
        }
    })
    .await;
}

#[tokio::test]
async fn batches_are_answered_with_a_batch() {
    each_client("batches_are_answered_with_a_batch", async |cell, client, _| {
        let answer = client.batch(&["ping", "tools/list"]).await;
        if cell.has {
            let mut ids: Vec<&Value> = answer.as_array().unwrap().iter().map(|it| &it["id"]).collect();
            ids.sort_by_key(|id| id.as_u64());
            assert_eq!(ids, [&json!(0), &json!(1)]);
        } else {
            assert_eq!(answer["error"]["code"], -32600, "{answer}");
        }
    })
    .await;
}

#[tokio::test]
async fn progress_comes_before_the_answer() {
    each_client("progress_comes_before_the_answer", async |cell, client, _| {
        assert!(cell.has);
        let params = json!({ "name": "progress", "arguments": {}, "_meta": { "progressToken": "p" } });
        let (told, answer) = client.exchange("tools/call", params).await;
        let progress: Vec<&Value> = told.iter().map(|it| &it["params"]["progress"]).collect();
        assert_eq!(progress, [0.0, 1.0], "{told:?}");
        assert_eq!(told[0]["params"].get("message").is_some(), cell.since("2025-03-26"), "{told:?}");
        assert_eq!(answer["result"]["content"][0]["text"], "done");
    })
    .await;
}

#[tokio::test]
async fn changed_lists_are_told() {
    each_client("changed_lists_are_told", async |cell, client, site| {
        assert!(cell.has);
        client.listen(json!({ "toolsListChanged": true })).await;
        site.fake.change(Changes { tools: true, ..Changes::default() });
        assert_eq!(client.told().await["method"], "notifications/tools/list_changed");
    })
    .await;
}

#[tokio::test]
async fn updates_of_subscribed_resources_are_told() {
    each_client("updates_of_subscribed_resources_are_told", async |cell, client, site| {
        assert!(cell.has);
        let uri = "fake:///one";
        if !cell.is_modern() {
            assert!(client.ask("resources/subscribe", json!({ "uri": uri })).await["result"].is_object());
        }
        client.listen(json!({ "resourceSubscriptions": [uri] })).await;
        let updated = ["fake:///two", uri].map(str::to_owned).into();
        site.fake.change(Changes { updated, ..Changes::default() });
        let told = client.told().await;
        assert_eq!(told["method"], "notifications/resources/updated");
        assert_eq!(told["params"]["uri"], uri);
    })
    .await;
}

#[tokio::test]
async fn a_broken_stream_is_resumed() {
    each_client("a_broken_stream_is_resumed", async |cell, client, site| {
        if !cell.has {
            return assert!(!client.can_resume().await);
        }
        client.listen(json!({})).await;
        site.fake.change(Changes { tools: true, ..Changes::default() });
        client.told().await;
        client.lose_stream();
        site.fake.change(Changes { prompts: true, ..Changes::default() });
        client.resume().await;
        assert_eq!(client.told().await["method"], "notifications/prompts/list_changed");
    })
    .await;
}

#[tokio::test]
async fn a_session_ends_when_its_client_says_so() {
    each_client("a_session_ends_when_its_client_says_so", async |cell, client, site| {
        assert_eq!(client.has_session(), cell.has);
        client.end().await;
        if cell.transport != Transport::Stdio {
            let sessions = async {
                while site.hub.sessions() > 0 {
                    tokio::task::yield_now().await;
                }
            };
            tokio::time::timeout(crate::harness::peer::PATIENCE, sessions).await.unwrap();
        }
    })
    .await;
}

/// Runs a row's test in each of its cells.
async fn each_cell(row: &str, test: impl AsyncFn(Cell, &Site) -> ()) {
    let cells = cells(row);
    assert_eq!(cells.len(), 15);
    for cell in cells {
        println!("{cell:?}");
        test(cell, &Site::serve().await).await;
    }
}

/// The same with a client that has opened its conversation, on the transports that the revision has.
async fn each_client(row: &str, test: impl AsyncFn(Cell, &mut Client, &Site) -> ()) {
    let opens = cells("every_transport_opens_a_conversation");
    for (cell, _) in cells(row).into_iter().zip(opens).filter(|(_, open)| open.has) {
        println!("{cell:?}");
        let site = Site::serve().await;
        let mut client = site.open(cell.revision, cell.transport).await;
        test(cell, &mut client, &site).await;
    }
}

/// The cells of the README's row whose last column names the test.
fn cells(test: &str) -> Vec<Cell> {
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    let rows: Vec<Vec<&str>> = readme
        .lines()
        .skip_while(|line| !line.contains("| 2024-11-05 |"))
        .take_while(|line| line.starts_with('|'))
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect();
    let named = |row: &&Vec<&str>| *row.last().unwrap() == format!("`{test}`");
    let row = rows.iter().find(named).unwrap_or_else(|| panic!("the README's table has no row of {test}"));
    let mut cells = Vec::new();
    for (column, revision) in REVISIONS.into_iter().enumerate() {
        assert_eq!(rows[0][column + 1], revision);
        let written: Vec<&str> = row[column + 1].split_whitespace().collect();
        for (transport, name) in Transport::NAMED {
            let has = written == ["all"] || written.contains(&name);
            cells.push(Cell { revision, transport, has });
        }
        let known =
            |word: &&&str| ["all", "–"].contains(*word) || Transport::NAMED.iter().any(|it| it.1 == **word);
        assert_eq!(written.iter().filter(known).count(), written.len(), "a word nobody knows: {written:?}");
        assert!(!written.is_empty());
    }
    cells
}

const REVISIONS: [&str; 5] = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28"];
