//! Search over generated corpora: how long an index takes to build, and a query to answer.

use std::hint::black_box;
use std::time::Duration;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use docquay::docs::{Index, Page, Query, Section};

/// Numbers that look random and are the same each time (splitmix64).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// From 0 to below 1.
    fn fraction(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// How many words the vocabulary has.
const VOCABULARY: f64 = 20_000.0;

/// Words as prose has them: the n-th most frequent about once in n (Zipf), the first few stop words.
struct Words {
    numbers: Numbers,
}

impl Words {
    fn word(&mut self) -> String {
        // Inverts the sum of 1/n, which grows as the logarithm.
        let rank = VOCABULARY.powf(self.numbers.fraction()) as usize - 1;
        match STOPS.get(rank) {
            Some(stop) => (*stop).to_owned(),
            None => spelled(rank),
        }
    }

    fn text(&mut self, length: usize) -> String {
        let mut text = String::new();
        for number in 1..=length {
            text.push_str(&self.word());
            text.push_str(match number {
                _ if number % 60 == 0 => ".\n\n",
                _ if number % 13 == 0 => ". ",
                _ => " ",
            });
        }
        text
    }
}

const STOPS: [&str; 12] = ["the", "of", "and", "to", "a", "in", "is", "for", "that", "with", "on", "as"];

/// A word of its own for each number, two to five syllables.
fn spelled(mut number: usize) -> String {
    const SYLLABLES: [&str; 16] = [
        "ba", "co", "di", "fen", "gu", "ha", "jor", "ki", "lem", "mo", "nar", "pel", "qui", "ro", "sta", "tu",
    ];
    let mut word = String::new();
    while number > 0 || word.len() < 4 {
        word.push_str(SYLLABLES[number % SYLLABLES.len()]);
        number /= SYLLABLES.len();
    }
    word
}

/// Pages of ten sections, each of some 120 words.
fn pages(sections: usize) -> Vec<Page> {
    let mut words = Words { numbers: Numbers(7) };
    let page = |number: usize| {
        let mut page = Page::new(format!("part{}/page{number}", number % 20), words.text(3).trim());
        page.lang = Some("en".to_owned());
        page.sections = (0..10)
            .map(|place| {
                let heading = words.text(4);
                let length = 60 + (words.numbers.next() % 120) as usize;
                Section::new(format!("section-{place}"), heading.trim(), 2, words.text(length))
            })
            .collect();
        page
    };
    (0..sections / 10).map(page).collect()
}

/// Runs of so many words from sections all over the corpus.
fn queries(index: &Index, length: usize) -> Vec<String> {
    let sections: Vec<&Section> = index.pages().iter().flat_map(|page| &page.sections).collect();
    let mut numbers = Numbers(length as u64);
    let query = |_| {
        let section = sections[numbers.next() as usize % sections.len()];
        let words: Vec<&str> = section.text.split_whitespace().collect();
        let start = numbers.next() as usize % (words.len() - length);
        words[start..start + length].join(" ")
    };
    (0..256).map(query).collect()
}

fn search(criterion: &mut Criterion) {
    for sections in [1_000, 10_000] {
        let pages = pages(sections);
        let index = Index::build(pages.clone());
        let mut group = criterion.benchmark_group(format!("search/{sections}"));
        group.measurement_time(Duration::from_secs(3)).warm_up_time(Duration::from_secs(1));
        for length in [2, 6, 12] {
            let queries = queries(&index, length);
            let mut queries = queries.iter().cycle();
            group.bench_function(format!("{length} words"), |bencher| {
                bencher.iter(|| ask(&index, queries.next().unwrap()));
            });
        }
        let long: String =
            pages.iter().flat_map(|page| &page.sections).map(|section| &*section.text).collect();
        let control: String = ('\0'..'\u{20}').collect();
        for (name, query) in [
            ("100 kB", &long[..long.floor_char_boundary(100_000)]),
            ("an unknown word", "xyzzyplugh"),
            ("control characters", &control),
            ("lone punctuation", "?! -- \"…\" #"),
        ] {
            group.bench_function(name, |bencher| bencher.iter(|| ask(&index, query)));
        }
        group.sample_size(10).bench_function("build", |bencher| {
            bencher.iter_batched(|| pages.clone(), Index::build, BatchSize::PerIteration);
        });
        group.finish();
    }
}

fn ask(index: &Index, text: &str) -> usize {
    let query = Query { text: black_box(text), ..Query::default() };
    black_box(index.search(&query)).hits.len()
}

criterion_group!(benches, search);
criterion_main!(benches);
