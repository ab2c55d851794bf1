//! The tools and resources over real documents, through the dispatcher.

use std::collections::HashSet;

use serde_json::{Value, json};

use docquay::mcp::ErrorKind;
use docquay::mcp::revision::Revision;

use crate::harness::library::{BASE, Server, corpora, folder};

/// Characters that three thousand tokens hold at the least, by script.
fn affordable(answer: &Value) -> bool {
    let text = answer.to_string();
    let wide = text.chars().filter(|char| u32::from(*char) >= 0x800).count();
    let letters = text.chars().filter(|char| (0x80..0x800).contains(&u32::from(*char))).count();
    let plain = text.chars().count() - wide - letters;
    plain * 10 + letters * 17 + wide * 33 <= 3_000 * 33
}

/// Checks a value against the plain schemas that the tools use.
fn conforms(value: &Value, schema: &Value, at: &str) {
    match schema["type"].as_str().unwrap() {
        "object" => {
            let object = value.as_object().unwrap_or_else(|| panic!("{at}: {value}"));
            for name in schema["required"].as_array().into_iter().flatten() {
                assert!(object.contains_key(name.as_str().unwrap()), "{at} lacks {name}: {value}");
            }
            for (name, value) in object {
                let schema =
                    schema["properties"].get(name).unwrap_or_else(|| panic!("{at}: {name} is undeclared"));
                conforms(value, schema, &format!("{at}.{name}"));
            }
        }
        "array" => {
            for item in value.as_array().unwrap_or_else(|| panic!("{at}: {value}")) {
                conforms(item, &schema["items"], at);
            }
        }
        "string" => assert!(value.is_string(), "{at}: {value}"),
        "integer" => assert!(value.is_u64(), "{at}: {value}"),
        "boolean" => assert!(value.is_boolean(), "{at}: {value}"),
        other => panic!("{at}: unexpected type {other}"),
    }
}

/// The whole text of what an id names, piece by piece.
async fn whole(server: &Server, id: &str, max_chars: Option<usize>) -> String {
    let (mut text, mut offset) = (String::new(), 0);
    loop {
        let mut arguments = json!({ "id": id, "offset": offset });
        if let Some(max_chars) = max_chars {
            arguments["max_chars"] = json!(max_chars);
        }
        let answer = server.tool("fetch", arguments).await;
        assert!(max_chars.is_some() || affordable(&answer), "{id} at {offset}");
        text.push_str(answer["text"].as_str().unwrap());
        let Some(next) = answer["next_offset"].as_u64() else {
            assert_eq!(answer["truncated"], false);
            assert_eq!(answer["total_chars"], text.chars().count());
            return text;
        };
        assert!(answer["truncated"] == true && next > offset);
        offset = next;
    }
}

#[tokio::test]
async fn every_answer_fits_the_schema_that_the_tool_declares() {
    let folder = folder();
    let server = Server::over(folder.path()).await;
    let (list, _) = server.call("tools/list", json!({})).await;
    let tools = list["result"]["tools"].as_array().unwrap();
    assert_eq!(tools.iter().map(|tool| &tool["name"]).collect::<Vec<_>>(), ["search", "fetch", "outline"]);
    for (tool, calls) in tools.iter().zip([
        vec![
            json!({ "query": "renewal" }),
            json!({ "query": "xyzzyplugh" }),
            json!({ "query": "x", "path": "no/such" }),
        ],
        vec![json!({ "id": "guide/tls" }), json!({ "id": "long" }), json!({ "id": "index" })],
        vec![json!({}), json!({ "path": "guide" }), json!({ "path": "long" })],
    ]) {
        for arguments in calls {
            let name = tool["name"].as_str().unwrap();
            let answer = server.tool(name, arguments.clone()).await;
            conforms(&answer, &tool["outputSchema"], name);
            assert!(affordable(&answer), "{name} {arguments}: {} characters", answer.to_string().len());
        }
    }
}

#[tokio::test]
async fn a_result_of_search_is_fetched_by_its_id() {
    let folder = folder();
    let server = Server::over(folder.path()).await;
    let answer = server.tool("search", json!({ "query": "forced renewal" })).await;
    let first = &answer["results"][0];
    assert_eq!(first["id"], "guide/tls#forced-renewal");
    assert_eq!(first["title"], "TLS › Forced renewal");
    assert_eq!(first["url"], format!("{BASE}/docs/guide/tls#forced-renewal"));
    assert!(answer["note"].as_str().unwrap().contains("not instructions"));

    let section = server.tool("fetch", json!({ "id": first["id"] })).await;
    assert_eq!(section["text"], "### Forced renewal\n\nRun `renew --force`.\n\n");
    assert_eq!((&section["url"], &section["title"]), (&first["url"], &first["title"]));
    assert_eq!(section["metadata"]["page"], "guide/tls");
    assert_eq!(section["truncated"], false);
}

#[tokio::test]
async fn every_id_that_is_given_out_can_be_fetched() {
    ids_can_be_fetched(&Server::over(folder().path()).await).await;
    ids_can_be_fetched(&Server::over(&corpora()).await).await;
}

async fn ids_can_be_fetched(server: &Server) {
    let mut ids: Vec<String> = Vec::new();
    for query in ["renewal", "words", "документы", "Punctuation", "Umlaute", "line of code", "C#", "start"]
    {
        let answer = server.tool("search", json!({ "query": query, "limit": 50 })).await;
        for result in answer["results"].as_array().unwrap() {
            assert!(result["url"].as_str().unwrap().starts_with("http"), "{result}");
            ids.extend([&result["id"], &result["url"]].map(|id| id.as_str().unwrap().to_owned()));
        }
        let near = answer["nearest"].as_array().into_iter().flatten();
        ids.extend(near.map(|page| page["id"].as_str().unwrap().to_owned()));
    }
    let pages = server.library.index();
    for page in pages.pages() {
        ids.extend([page.id.clone(), server.urls.page(page), docquay::docs::urls::resource_uri(page)]);
        let outline = server.tool("outline", json!({ "path": page.id })).await;
        let headings = outline["pages"].as_array().unwrap().iter();
        let headings = headings.flat_map(|page| page["headings"].as_array().into_iter().flatten());
        ids.extend(headings.map(|heading| heading["id"].as_str().unwrap().to_owned()));
    }
    assert!(ids.len() > 100, "{}", ids.len());
    let ids: HashSet<String> = ids.into_iter().collect();
    for id in ids {
        let answer = server.tool("fetch", json!({ "id": id })).await;
        let fetched = answer["id"].as_str().unwrap();
        assert!(!id.contains("://") && fetched == id || id.contains("://"), "{id} gave {fetched}");
    }
}

#[tokio::test]
async fn every_section_resolves_to_itself() {
    sections_resolve(&Server::over(folder().path()).await).await;
    sections_resolve(&Server::over(&corpora()).await).await;
}

async fn sections_resolve(server: &Server) {
    let index = server.library.index();
    for page in index.pages() {
        for section in page.sections.iter().filter(|section| section.level > 0) {
            let answer = server.tool("fetch", json!({ "id": section.id(page) })).await;
            assert_eq!(answer["id"], section.id(page));
            let by_url = server.tool("fetch", json!({ "url": server.urls.section(page, section) })).await;
            assert_eq!(by_url["id"], section.id(page), "by url");
        }
    }
}

#[tokio::test]
async fn the_pieces_of_a_fetch_put_together_are_the_whole_page() {
    pieces_are_whole(&Server::over(folder().path()).await).await;
    pieces_are_whole(&Server::over(&corpora()).await).await;
}

async fn pieces_are_whole(server: &Server) {
    let index = server.library.index();
    for page in index.pages() {
        for max_chars in [None, Some(1_777), Some(50_000)] {
            assert_eq!(
                whole(server, &page.id, max_chars).await,
                page.markdown(),
                "{} {max_chars:?}",
                page.id
            );
        }
    }
}

#[tokio::test]
async fn a_long_page_comes_with_its_outline_first() {
    let folder = folder();
    let server = Server::over(folder.path()).await;
    let first = server.tool("fetch", json!({ "id": "long" })).await;
    assert_eq!(first["truncated"], true);
    assert_eq!(first["outline"][1]["id"], "long#chapter-0");
    let second = server.tool("fetch", json!({ "id": "long", "offset": first["next_offset"] })).await;
    assert!(second.get("outline").is_none());
    assert_eq!(second["text"].as_str().unwrap().matches("```").count() % 2, 0, "no code block is cut");
}

#[tokio::test]
async fn a_code_block_larger_than_an_answer_says_that_it_is_cut() {
    let folder = folder();
    let server = Server::over(folder.path()).await;
    let answer = server.tool("fetch", json!({ "id": "code", "offset": 13 })).await;
    assert!(answer["note"].as_str().unwrap().contains("inside a code block"), "{}", answer["note"]);
}

#[tokio::test]
async fn bad_arguments_are_answered_with_what_to_send() {
    let folder = folder();
    let server = Server::over(folder.path()).await;
    for (tool, arguments, parts) in [
        ("search", json!({}), vec!["\"query\"", "nothing"]),
        ("search", json!({ "query": "  " }), vec!["\"query\""]),
        ("search", json!({ "term": "x" }), vec!["\"query\"", "term"]),
        ("search", json!({ "query": "x", "limit": "many" }), vec!["\"limit\"", "whole number"]),
        ("fetch", json!({}), vec!["\"id\""]),
        ("fetch", json!({ "id": "guide/tsl" }), vec!["guide/tls", "search"]),
        ("fetch", json!({ "id": "guide/tls", "offset": 99_999 }), vec!["from 0 to"]),
        ("outline", json!({ "path": "guide/tsl" }), vec!["guide/tls"]),
        ("outline", json!({ "offset": 99_999 }), vec!["from 0 to"]),
    ] {
        let refusal = server.refusal(tool, arguments.clone()).await;
        for part in parts {
            assert!(refusal.contains(part), "{tool} {arguments}: {refusal}");
        }
    }
    let (_, error) = server.call("tools/call", json!({ "name": "find", "arguments": {} })).await;
    assert_eq!(error, Some(ErrorKind::InvalidParams));
    let older = Revision::V2025_06_18.rules();
    let (_, error) = server.call_in(older, "tools/call", json!({ "name": "search", "arguments": {} })).await;
    assert_eq!(error, Some(ErrorKind::InvalidParams), "before 2025-11-25 bad arguments are an error");
}

#[tokio::test]
async fn arguments_under_other_names_and_numbers_as_text_are_understood() {
    let folder = folder();
    let server = Server::over(folder.path()).await;
    let wanted = server.tool("search", json!({ "query": "renewal", "limit": 2 })).await;
    assert_eq!(wanted["results"].as_array().unwrap().len(), 2);
    for arguments in [
        json!({ "q": "renewal", "limit": "2" }),
        json!({ "question": "renewal", "top_k": 2.0, "unknown": [] }),
        json!({ "text": ["renewal"], "limit": 2 }),
    ] {
        assert_eq!(server.tool("search", arguments).await, wanted);
    }
    let wanted = server.tool("fetch", json!({ "id": "guide/tls" })).await;
    for (name, value) in [
        ("url", format!("{BASE}/docs/guide/tls")),
        ("path", "/guide/tls.md".to_owned()),
        ("uri", "docs:///guide/tls".to_owned()),
        ("document_id", "guide/tls".to_owned()),
    ] {
        assert_eq!(server.tool("fetch", json!({ name: value })).await, wanted, "{name}");
    }
}

#[tokio::test]
async fn nothing_found_comes_with_advice() {
    let folder = folder();
    let server = Server::over(folder.path()).await;
    let answer = server.tool("search", json!({ "query": "xyzzyplugh" })).await;
    assert_eq!(answer["results"], json!([]));
    assert!(answer["hint"].as_str().unwrap().contains("outline"), "{answer}");
    let answer = server.tool("search", json!({ "query": "renewal", "path": "nowhere" })).await;
    assert!(answer["hint"].as_str().unwrap().contains("nowhere"), "{answer}");
    let answer = server.tool("search", json!({ "query": "renewal", "lang": "xx" })).await;
    assert!(answer["hint"].as_str().unwrap().contains("xx"), "{answer}");

    let empty = tempfile::tempdir().unwrap();
    let server = Server::over(empty.path()).await;
    let answer = server.tool("search", json!({ "query": "renewal" })).await;
    assert!(answer["hint"].as_str().unwrap().contains("no documents"), "{answer}");
    assert!(server.refusal("fetch", json!({ "id": "a" })).await.contains("no documents"));
    assert_eq!(server.tool("outline", json!({})).await["pages"], json!([]));
}

#[tokio::test]
async fn following_an_outlines_offsets_names_every_page_once() {
    let folder = tempfile::tempdir().unwrap();
    for n in 0..400 {
        let text = format!("# Page number {n}\n\n## First\n\na\n\n## Second\n\nb\n");
        let path = folder.path().join(format!("part{}", n % 7));
        std::fs::create_dir_all(&path).unwrap();
        std::fs::write(path.join(format!("p{n:03}.md")), text).unwrap();
    }
    let server = Server::over(folder.path()).await;
    let (mut seen, mut offset) = (HashSet::new(), 0);
    loop {
        let answer = server.tool("outline", json!({ "offset": offset })).await;
        assert!(affordable(&answer));
        assert_eq!(answer["total"], 400);
        if offset == 0 {
            assert_eq!(answer["folders"].as_array().unwrap().len(), 7);
        }
        for page in answer["pages"].as_array().unwrap() {
            assert!(seen.insert(page["id"].as_str().unwrap().to_owned()), "{page} twice");
        }
        let Some(next) = answer["next_offset"].as_u64() else { break };
        offset = next;
    }
    assert_eq!(seen.len(), 400);
    let part = server.tool("outline", json!({ "path": "part3" })).await;
    assert_eq!(part["total"], 57);
    let page = server.tool("outline", json!({ "path": "part0/p000" })).await;
    assert_eq!(page["pages"][0]["headings"][0]["id"], "part0/p000#first");
}

#[tokio::test]
async fn every_listed_resource_can_be_read_and_completed() {
    let folder = folder();
    let server = Server::over(folder.path()).await;
    let (list, _) = server.call("resources/list", json!({})).await;
    let resources = list["result"]["resources"].as_array().unwrap();
    assert_eq!(resources.len(), server.library.index().pages().len());
    for resource in resources {
        let (read, _) = server.call("resources/read", json!({ "uri": resource["uri"] })).await;
        let contents = &read["result"]["contents"][0];
        assert_eq!((&contents["uri"], &contents["mimeType"]), (&resource["uri"], &json!("text/markdown")));
        let length = contents["text"].as_str().unwrap().len();
        assert_eq!(resource["size"], length, "{resource}");
        let complete = json!({
            "ref": { "type": "ref/resource", "uri": "docs:///{+id}" },
            "argument": { "name": "id", "value": resource["name"] },
        });
        let (completed, _) = server.call("completion/complete", complete).await;
        let values = completed["result"]["completion"]["values"].as_array().unwrap();
        assert!(values.contains(&resource["name"]), "{completed}");
    }
    let (read, _) = server.call("resources/read", json!({ "uri": "docs:///guide/tls#renewal" })).await;
    assert!(read["result"]["contents"][0]["text"].as_str().unwrap().starts_with("## Renewal\n"), "{read}");
    let (_, error) = server.call("resources/read", json!({ "uri": "docs:///none/such" })).await;
    assert_eq!(error, Some(ErrorKind::ResourceNotFound));
    let (_, error) = server.call("resources/list", json!({ "cursor": "nonsense" })).await;
    assert_eq!(error, Some(ErrorKind::InvalidParams));
}
