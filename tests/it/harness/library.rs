//! A library over a folder of documents that asks for trouble, and calls of the tools over it.

use std::path::PathBuf;
use std::sync::Arc;

use serde_json::{Value, json};
use tempfile::TempDir;

use docquay::docs::{Library, Options, Source, Urls};
use docquay::mcp::catalog::Catalog;
use docquay::mcp::dispatch::{Call, Client, Dispatcher, Outbox};
use docquay::mcp::jsonrpc::RequestId;
use docquay::mcp::revision::{Revision, Rules};
use docquay::mcp::tools::{self, Tools};
use docquay::mcp::{ErrorKind, Limits};
use docquay::shutdown::{self, Trigger};
use docquay::trace::Trace;

/// Where the tests' server says it lives.
pub(crate) const BASE: &str = "http://localhost:8080";

/// Files whose names, headings and scripts are hard on ids, addresses and budgets.
pub(crate) fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let long = |words: &str| {
        let section = |n: usize| {
            let code = format!("```sh\ncertctl renew --number {n}\n\ncertctl show\n```");
            format!("## Chapter {n}\n\n{}\n\n{code}\n\n### Detail {n}\n\n- one\n- two\n\n", words.repeat(30))
        };
        format!("# The long one\n\nIntro.\n\n{}", (0..40).map(section).collect::<String>())
    };
    for (path, text) in [
        (
            "index.md",
            "---\ntitle: Start here\ndescription: What this is.\ntags: [first, \"a b\"]\n---\n\nWelcome aboard.\n\n## Next steps\n\nRead on in [TLS](guide/tls.md#renewal).\n",
        ),
        (
            "guide/tls.md",
            "# TLS\n\nCertificates come by themselves.\n\n## Renewal\n\nThe `max_connections` limit and `--acme-port` matter.\n\n### Forced renewal\n\nRun `renew --force`.\n\n## Renewal\n\nA second heading of the same words.\n",
        ),
        (
            "guide/odd name & more.md",
            "# Odd <name> & \"more\"\n\n<script>alert(1)</script>\n\n## What? Why: #1 / 50%\n\nPunctuation everywhere.\n",
        ),
        ("c# notes.md", "# C# notes\n\n## Größe ändern\n\nUmlaute im Anker.\n"),
        (
            "ru/начало.md",
            &format!(
                "# Начало\n\n{}\n\n## Установка\n\nУстановите пакет.\n",
                "Сервер читает документы и отвечает на вопросы. ".repeat(400)
            ),
        ),
        ("zh/start.md", &format!("# 开始\n\n{}\n", "服务器读取文档并回答问题。\n\n".repeat(600))),
        ("long.md", &long("Plain words about certificates that fill the page. ")),
        (
            "code.md",
            &format!("# One block\n\n```\n{}```\n\nEnd.\n", "a line of code that goes on\n".repeat(900)),
        ),
        ("line.txt", &"word ".repeat(6_000)),
        ("empty.md", ""),
    ] {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    folder
}

/// Real prose in five languages.
pub(crate) fn corpora() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/corpora"))
}

/// A library over a folder, read once.
pub(crate) async fn library(folder: &std::path::Path) -> Arc<Library> {
    let source = Source::Path(folder.to_owned());
    Arc::new(Library::open(vec![source], Options::default()).await.unwrap())
}

/// The tools over a library, and what runs them.
pub(crate) struct Server {
    pub(crate) library: Arc<Library>,
    pub(crate) tools: Arc<Tools>,
    pub(crate) urls: Urls,
    dispatcher: Dispatcher,
    _trigger: Trigger,
}

impl Server {
    pub(crate) async fn over(folder: &std::path::Path) -> Self {
        let library = library(folder).await;
        let urls = Urls::new(BASE);
        let tools = Arc::new(Tools::new(Arc::clone(&library), tools::Options::new(urls.clone())));
        let (trigger, shutdown) = shutdown::channel();
        let catalog: Arc<dyn Catalog> = Arc::<Tools>::clone(&tools);
        let dispatcher = Dispatcher::new(catalog, Limits::default(), shutdown);
        Self { library, tools, urls, dispatcher, _trigger: trigger }
    }

    /// A call in the newest revision.
    pub(crate) async fn call(&self, method: &str, params: Value) -> (Value, Option<ErrorKind>) {
        self.call_in(Revision::MODERN.rules(), method, params).await
    }

    pub(crate) async fn call_in(
        &self,
        rules: &'static Rules,
        method: &str,
        params: Value,
    ) -> (Value, Option<ErrorKind>) {
        let call = Call {
            id: RequestId::Number(1),
            method: method.to_owned(),
            params: params.as_object().unwrap().clone(),
            rules,
            client: Arc::new(Client::default()),
            trace: Trace::default(),
        };
        let reply = self.dispatcher.answer(call, Outbox::closed()).await;
        super::record::message(rules.name, method, &reply.message);
        (serde_json::from_slice(&reply.message).unwrap(), reply.error)
    }

    /// A tool's structured answer; it has exactly one text, its twin.
    pub(crate) async fn tool(&self, name: &str, arguments: Value) -> Value {
        let (reply, _) = self.call("tools/call", json!({ "name": name, "arguments": arguments })).await;
        let result = &reply["result"];
        assert_ne!(result["isError"], true, "{name} {arguments}: {reply}");
        let [content] = &result["content"].as_array().unwrap()[..] else { panic!("one item: {reply}") };
        assert_eq!(content["type"], "text");
        let twin: Value = serde_json::from_str(content["text"].as_str().unwrap()).unwrap();
        assert_eq!(twin, result["structuredContent"]);
        twin
    }

    /// A tool's refusal: the text of a result with `isError`.
    pub(crate) async fn refusal(&self, name: &str, arguments: Value) -> String {
        let (reply, _) = self.call("tools/call", json!({ "name": name, "arguments": arguments })).await;
        assert_eq!(reply["result"]["isError"], true, "{name} {arguments}: {reply}");
        reply["result"]["content"][0]["text"].as_str().unwrap().to_owned()
    }
}
