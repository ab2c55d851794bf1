//! Search over real prose in five languages, apart and mixed: what is there is found, what is asked
//! for is kept, and nothing that anybody may type is an error.

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use docquay::docs::{Hit, Index, Library, Options, Page, Query, Section, Source, Target};
use proptest::prelude::*;

use crate::harness::library::corpora;

const LANGUAGES: [&str; 5] = ["en", "de", "fr", "es", "ru"];

/// A hit is found if it is among so many.
const FIRST: usize = 5;

async fn open(folder: PathBuf) -> Arc<Index> {
    let options = Options::default();
    Library::open(vec![Source::Path(folder)], options).await.unwrap().index()
}

/// Of a text's runs of six words, every third is asked for: all of them take a debug build too long.
const STRIDE: usize = 3;

/// All five languages in one index, built once.
fn mixed() -> &'static Index {
    static MIXED: OnceLock<Arc<Index>> = OnceLock::new();
    MIXED.get_or_init(|| {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
        std::thread::scope(|scope| scope.spawn(|| runtime.block_on(open(corpora()))).join().unwrap())
    })
}

fn ask<'q>(text: &'q str) -> Query<'q> {
    Query { text, ..Query::default() }
}

fn section<'i>(index: &'i Index, hit: &Hit) -> &'i Section {
    &index.pages()[hit.page].sections[hit.section]
}

fn id(index: &Index, hit: &Hit) -> String {
    section(index, hit).id(&index.pages()[hit.page])
}

/// A text's words that hold a letter or digit, as they were written.
fn words(text: &str) -> Vec<&str> {
    text.split_whitespace().filter(|word| word.contains(char::is_alphanumeric)).collect()
}

/// Of how many, and how many of them were found.
#[derive(Clone, Copy, Default)]
struct Share {
    all: usize,
    found: usize,
}

impl Share {
    fn count(&mut self, found: bool) {
        self.all += 1;
        self.found += usize::from(found);
    }

    fn percent(self) -> f64 {
        100.0 * self.found as f64 / self.all as f64
    }
}

/// How many headings, and how many runs of six words, find what they were taken from; by language.
fn measure(index: &Index) -> BTreeMap<String, [Share; 2]> {
    let mut shares: BTreeMap<String, [Share; 2]> = BTreeMap::new();
    let texts: Vec<Vec<String>> = index
        .pages()
        .iter()
        .map(|page| page.sections.iter().map(|section| words(&section.text).join(" ")).collect())
        .collect();
    for (page, texts_of_page) in index.pages().iter().zip(&texts) {
        let [headings, runs] = shares.entry(page.lang.clone().unwrap()).or_default();
        for (section, text) in page.sections.iter().zip(texts_of_page) {
            if !section.heading.is_empty() {
                let hits = index.search(&ask(&section.heading)).hits;
                headings.count(hits.iter().take(FIRST).any(|hit| {
                    let found = &index.pages()[hit.page];
                    found.title == section.heading || found.sections[hit.section].heading == section.heading
                }));
            }
            for run in words(text).windows(6).step_by(STRIDE) {
                let run = run.join(" ");
                let hits = index.search(&ask(&run)).hits;
                runs.count(hits.iter().take(FIRST).any(|hit| texts[hit.page][hit.section].contains(&run)));
            }
        }
    }
    shares
}

fn assert_found(corpus: &str, index: &Index) {
    for (language, [headings, runs]) in measure(index) {
        println!(
            "{corpus}, {language}: headings {:.2} % of {}, six words {:.2} % of {}",
            headings.percent(),
            headings.all,
            runs.percent(),
            runs.all
        );
        assert!(
            headings.all >= 25 && runs.all >= 900 / STRIDE / 2,
            "{corpus}, {language}: a corpus of some size"
        );
        assert!(headings.percent() >= 95.0, "{corpus}, {language}: {:.2} % of headings", headings.percent());
        assert!(runs.percent() >= 95.0, "{corpus}, {language}: {:.2} % of six words", runs.percent());
    }
}

#[tokio::test]
async fn headings_and_any_six_words_find_their_section_in_each_language() {
    for language in LANGUAGES {
        let index = open(corpora().join(language)).await;
        assert_found("alone", &index);
    }
}

#[test]
fn headings_and_any_six_words_find_their_section_among_five_languages() {
    let index = mixed();
    let languages: HashSet<_> = index.pages().iter().map(|page| page.lang.as_deref().unwrap()).collect();
    assert_eq!(languages, LANGUAGES.into());
    assert_found("mixed", index);
}

#[test]
fn a_question_finds_pages_of_its_own_language() {
    let index = mixed();
    for (question, page) in [
        ("How do I restore a snapshot after a disk failure?", "en/guide/backup"),
        ("why is my query slow", "en/guide/troubleshooting"),
        ("how do collectors authenticate, where does the token go", "en/reference/api"),
        ("Wie kann ich meine Messwerte wiederherstellen?", "de/anleitung/datensicherung"),
        ("Warum gibt es eine Lücke in meiner Kurve?", "de/anleitung/fehlersuche"),
        ("Welche Voraussetzungen braucht die Installation?", "de/installation"),
        ("comment restaurer un instantané", "fr/guide/sauvegarde"),
        ("pourquoi le certificat n'est-il pas renouvelé", "fr/guide/depannage"),
        ("où se trouve le dossier du journal", "fr/reference/configuration"),
        ("cómo recuperar los datos de una instantánea", "es/guia/copias"),
        ("el servidor no arranca porque el puerto está ocupado", "es/guia/problemas"),
        ("как восстановить данные из снимка", "ru/руководство/копии"),
        ("почему сервер не запускается", "ru/руководство/неполадки"),
        ("нужны ли права администратора для установки", "ru/установка"),
    ] {
        let hits = index.search(&ask(question)).hits;
        let ids: Vec<_> = hits.iter().take(3).map(|hit| id(index, hit)).collect();
        assert!(ids.iter().any(|id| id.split('#').next() == Some(page)), "{question}: {ids:?}");
        assert!(ids[0].starts_with(&page[..2]), "{question}: {ids:?}");
    }
}

#[test]
fn filters_by_language_and_path_hold() {
    let index = mixed();
    for language in LANGUAGES {
        for tag in [language.to_owned(), language.to_uppercase(), format!("{language}-XX")] {
            let query = Query { lang: Some(&tag), limit: 50, ..ask("pegel snapshot max_connections") };
            let hits = index.search(&query).hits;
            assert!(hits.len() > 2, "{tag}");
            assert!(hits.iter().all(|hit| index.pages()[hit.page].lang.as_deref() == Some(language)));
        }
    }
    for (path, pages) in [("en/guide", 2), ("/en/guide/", 2), ("ru/руководство", 2), ("de/installation", 1)]
    {
        let hits = index.search(&Query { path: Some(path), limit: 50, ..ask("pegel") }).hits;
        let found: HashSet<_> = hits.iter().map(|hit| &index.pages()[hit.page].id).collect();
        assert_eq!(found.len(), pages, "{path}: {found:?}");
        assert!(found.iter().all(|id| id.starts_with(path.trim_matches('/'))), "{path}: {found:?}");
    }
    for nowhere in ["en/guid", "guide", "xx"] {
        assert_eq!(index.search(&Query { path: Some(nowhere), ..ask("pegel") }).hits, [], "{nowhere}");
    }
    assert_eq!(index.search(&Query { lang: Some("ja"), ..ask("pegel") }).hits, []);
    let both = Query { path: Some("de"), lang: Some("en"), ..ask("pegel") };
    assert_eq!(index.search(&both).hits, []);
}

#[test]
fn the_limit_is_ten_unless_given_and_fifty_at_most() {
    let pages = (0..120).map(|number| {
        let mut page = Page::new(format!("page{number}"), format!("Page {number}"));
        page.sections.push(Section::lead("the weir and the sluice"));
        page
    });
    let index = Index::build(pages.collect());
    for (limit, expected) in [(0, 10), (1, 1), (7, 7), (50, 50), (51, 50), (usize::MAX, 50)] {
        assert_eq!(index.search(&Query { limit, ..ask("sluice") }).hits.len(), expected, "{limit}");
    }
}

#[test]
fn identifiers_are_found_whole_and_by_part() {
    let index = mixed();
    for (query, wanted) in [
        ("max_connections", "max_connections"),
        ("`max_connections`", "max_connections"),
        ("MAX_CONNECTIONS", "max_connections"),
        ("max connections", "max_connections"),
        ("--acme-port", "--acme-port"),
        ("acme-port", "--acme-port"),
        ("acme port", "--acme-port"),
        ("acme", "acme"),
        ("HttpClient", "HttpClient"),
        ("httpclient", "HttpClient"),
        ("class HttpClient", "HttpClient"),
        ("http client python", "HttpClient"),
        ("v1.2.3", "v1.2.3"),
        ("version v1.2.3", "v1.2.3"),
        ("pegel.toml", "pegel.toml"),
        ("/var/lib/pegel", "/var/lib/pegel"),
    ] {
        for language in LANGUAGES {
            let hits = index.search(&Query { lang: Some(language), ..ask(query) }).hits;
            let first = hits.first().unwrap_or_else(|| panic!("{query} in {language}: nothing"));
            let text = &section(index, first).text.to_lowercase();
            assert!(text.contains(&wanted.to_lowercase()), "{query} in {language}: {}", id(index, first));
        }
    }
}

#[test]
fn a_query_of_stop_words_alone_is_answered() {
    let index = mixed();
    for query in ["what is the", "the", "und oder aber", "de la", "что это и как"] {
        let outcome = index.search(&ask(query));
        assert!(!outcome.hits.is_empty() || !outcome.nearest.is_empty(), "{query}");
    }
}

#[test]
fn a_misspelt_word_is_answered_with_a_near_one() {
    let index = mixed();
    for (query, spelling, title) in [
        ("installaton", "installation", "Installation"),
        ("Troubleshotting", "troubleshooting", "Troubleshooting"),
        ("Wiederherstelung", "wiederherstellung", "Datensicherung und Wiederherstellung"),
        ("dépanage", "dépannage", "Dépannage"),
        ("problmas", "problemas", "Resolución de problemas"),
        ("восстановлние", "восстановление", "Резервное копирование и восстановление"),
    ] {
        let outcome = index.search(&ask(query));
        assert_eq!(outcome.hits, [], "{query}");
        assert_eq!(outcome.spelling.as_deref(), Some(spelling), "{query}");
        let titles: Vec<_> = outcome.nearest.iter().map(|page| &index.pages()[*page].title).collect();
        assert!(titles.iter().any(|near| *near == title), "{query}: {titles:?}");
        assert_ne!(index.search(&ask(spelling)).hits, [], "{query}");
    }
    let outcome = index.search(&ask("how to rehaerse"));
    assert_eq!(outcome.spelling.as_deref(), Some("how to rehearsed"));
    let known = index.search(&ask("installation"));
    assert_eq!((known.spelling, known.nearest), (None, vec![]));
}

#[test]
fn nonsense_of_any_size_is_answered() {
    let index = mixed();
    let long = "snapshot restore journal ".repeat(100 * 1024 / 25);
    let unknown = "xyzzy".repeat(20 * 1024);
    let spread: String = (0..20_000).map(|number| format!("w{number} ")).collect();
    for query in [
        "",
        " ",
        "\n\t",
        "\0",
        "\u{1}\u{7f}\u{9f}",
        "?",
        "...",
        "--",
        "_",
        "*",
        "`",
        "\"",
        "\\",
        "#",
        "/",
        "~2",
        "%00",
        "\u{feff}",
        "\u{202e}abc",
        "\u{301}",
        "🦀",
        "a\0b",
        "OR AND NOT",
        "foo:bar^2 AND (\"",
        "<!--",
        "{{<",
        &long,
        &unknown,
        &spread,
    ] {
        let outcome = index.search(&ask(query));
        assert!(outcome.hits.len() <= 10);
        assert!(outcome.hits.is_empty() || outcome.nearest.is_empty(), "guidance is for no hits");
    }
    assert!(!index.search(&ask(&long)).hits.is_empty());
    let empty = Index::default().search(&ask("anything"));
    assert_eq!((empty.hits.len(), empty.nearest.len(), empty.spelling), (0, 0, None));
}

/// What language models count, by the estimate that snippets are cut with.
fn tokens(text: &str) -> usize {
    let quarters = text.chars().map(|letter| match u32::from(letter) {
        0..0x80 => 1,
        0x80..0xe00 => 2,
        _ => 4,
    });
    quarters.sum::<usize>().div_ceil(4)
}

fn assert_plain(snippet: &str) {
    assert!(tokens(snippet) <= 150, "{} tokens: {snippet}", tokens(snippet));
    for mark in ["**", "```", "{{", "}}", "<!--", "-->", "](", "|--", "<div", "</", "&amp;"] {
        assert!(!snippet.contains(mark), "{mark} in {snippet}");
    }
    assert!(snippet.lines().all(|line| !line.starts_with('#')), "{snippet}");
}

#[test]
fn snippets_are_short_and_plain_and_show_what_was_asked() {
    let index = mixed();
    for page in index.pages() {
        for asked in &page.sections {
            let sought = words(&asked.text).into_iter().take(8).collect::<Vec<_>>().join(" ");
            for query in [asked.heading.as_str(), &sought] {
                for hit in index.search(&ask(query)).hits {
                    assert_plain(&hit.snippet);
                    assert!(!hit.snippet.is_empty() || section(index, &hit).text.is_empty(), "{query}");
                }
            }
        }
    }
    let outcome = index.search(&ask("never rehearsed is a rumour"));
    assert_eq!(id(index, &outcome.hits[0]), "en/guide/backup#backup-and-restore");
    assert!(outcome.hits[0].snippet.contains("never rehearsed is a rumour"), "{}", outcome.hits[0].snippet);
}

/// What people, models and accidents send.
fn any_query() -> impl Strategy<Value = String> {
    let known = prop::sample::select(vec![
        "pegel",
        "snapshot",
        "the",
        "restore",
        "сервер",
        "journal",
        "max_connections",
        "Lücke",
        "v1.2.3",
        "--port",
        "instalation",
        "東京",
        "#",
        "\"",
        "_",
        ".",
    ]);
    prop_oneof![
        any::<String>(),
        prop::collection::vec(known, 0..14).prop_map(|words| words.join(" ")),
        "[ -~]{0,80}",
        "\\PC{0,40}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_searched_in_order_within_limits_and_alike_each_time(
        text in any_query(),
        limit in 0_usize..70,
        lang in prop::option::of(prop::sample::select(LANGUAGES.to_vec())),
        path in prop::option::of(prop::sample::select(vec!["", "en", "de/anleitung", "ru/", "none", "/fr/guide/"])),
    ) {
        let index = mixed();
        let query = Query { text: &text, limit, lang, path };
        let outcome = index.search(&query);
        let most = if limit == 0 { 10 } else { limit.min(50) };
        prop_assert!(outcome.hits.len() <= most);
        prop_assert!(outcome.hits.windows(2).all(|pair| pair[0].score >= pair[1].score));
        for hit in &outcome.hits {
            let page = &index.pages()[hit.page];
            prop_assert!(hit.section < page.sections.len() && hit.score.is_finite());
            prop_assert!(lang.is_none_or(|lang| page.lang.as_deref() == Some(lang)));
            prop_assert!(path.is_none_or(|path| page.id.starts_with(path.trim_matches('/'))));
            assert_plain(&hit.snippet);
        }
        let places: HashSet<_> = outcome.hits.iter().map(|hit| (hit.page, hit.section)).collect();
        prop_assert_eq!(places.len(), outcome.hits.len(), "a section comes once");
        prop_assert!(outcome.nearest.iter().all(|page| *page < index.pages().len()));
        prop_assert_eq!(outcome, index.search(&query));
    }

    #[test]
    fn every_id_names_exactly_what_it_was_given_for(
        pages in prop::collection::vec((awkward_id(), prop::collection::vec(awkward_anchor(), 0..4)), 1..12),
    ) {
        let pages = pages.into_iter().map(|(id, anchors)| {
            let mut page = Page::new(id, "A page");
            page.sections.push(Section::lead("lead"));
            let anchors: HashSet<String> = anchors.into_iter().collect();
            page.sections.extend(anchors.into_iter().map(|anchor| Section::new(anchor, "Heading", 2, "text")));
            page
        });
        let index = Index::build(pages.collect());
        let mut seen = HashSet::new();
        for (number, page) in index.pages().iter().enumerate() {
            prop_assert!(seen.insert(page.id.clone()), "{} twice", page.id);
            prop_assert_eq!(index.resolve(&page.id), Some(Target::Page(number)), "{}", page.id);
            for (place, section) in page.sections.iter().enumerate().filter(|(_, section)| section.level > 0) {
                let id = section.id(page);
                prop_assert!(seen.insert(id.clone()), "{} twice", id);
                let target = Target::Section { page: number, section: place };
                prop_assert_eq!(index.resolve(&id), Some(target), "{}", id);
            }
        }
    }

    #[test]
    fn snippets_of_any_page_are_short_and_plain(
        pieces in prop::collection::vec(0_usize..PIECES.len(), 1..40),
        query in "(sluice|weir|gate|шлюз|水位| ){1,8}",
    ) {
        let mut page = Page::new("page", "Page");
        page.sections.push(Section::lead(pieces.iter().map(|piece| PIECES[*piece]).collect::<String>()));
        let index = Index::build(vec![page]);
        for hit in index.search(&ask(&query)).hits {
            assert_plain(&hit.snippet);
        }
    }
}

/// Cleaned Markdown of every kind, each piece a block.
const PIECES: [&str; 12] = [
    "The **sluice** opens at *dawn*, see [the weir](weir.md#gate).\n\n",
    "```sh\nsluice --open gate\n```\n\n",
    "| gate | weir |\n|------|------|\n| `one` | **two** |\n\n",
    "- the weir\n- the gate\n  - the sluice & the `gate`\n\n",
    "1. sluice\n2. weir\n\n",
    "> A **weir** is quoted.\n\n",
    "<div class=\"note\">\nThe gate of HTML.\n</div>\n\n",
    "![a gate](gate.png) and <b>weir</b> text &amp; more\n\n",
    "Шлюз открывается на рассвете, плотина закрыта, вода прибывает быстро.\n\n",
    "水位は夜明けに上がります。水門は閉じています。\n\n",
    "---\n\n",
    "gateweirsluicegateweirsluicegateweirsluicegateweirsluicegateweirsluicegateweirsluice\n\n",
];

/// Ids as paths and permalinks may make them, and worse.
fn awkward_id() -> impl Strategy<Value = String> {
    let part = prop::sample::select(vec![
        "guide",
        "Guide",
        "tls",
        "a b",
        "c#",
        "c# notes",
        "~2",
        "guide~2",
        "größe",
        "начало",
        "东",
        "%20",
        "a%20b",
        "a?b",
        "index",
        "README",
        "docs",
        "x.md",
        "x",
        "docs:",
        "http:",
        "&",
        "'",
        "+",
    ]);
    prop::collection::vec(part, 1..4).prop_map(|parts| parts.join("/"))
}

fn awkward_anchor() -> impl Strategy<Value = String> {
    let anchors = ["renewal", "renewal-1", "Größe", "начало", "a%20b", "a.b", "2", "notes", "x:y"];
    prop::sample::select(anchors.to_vec()).prop_map(str::to_owned)
}
