//! The figures of this process, by the names that every Prometheus client gives them.
//!
//! Read from `/proc` (proc(5)); where that is missing, so are they.

use std::fs;
use std::path::Path;

use super::text::{Kind, Page};

/// Adds what `proc`, a folder like `/proc`, says of this process.
pub(super) fn write(page: &mut Page, proc: &Path) {
    let own = proc.join("self");
    let read = |name: &str| fs::read_to_string(own.join(name)).ok();
    let ticks = ticks_per_second(&fs::read(own.join("auxv")).unwrap_or_default());
    if let Some(stat) = read("stat").as_deref().and_then(Stat::parse) {
        let help = "User and system time that the process took.";
        page.single("process_cpu_seconds_total", Kind::Counter, help, stat.ran / ticks);
        let boot = fs::read_to_string(proc.join("stat")).ok().and_then(|text| field(&text, "btime"));
        if let Some(boot) = boot {
            let help = "When the process started, seconds since 1970.";
            page.single("process_start_time_seconds", Kind::Gauge, help, boot + stat.started / ticks);
        }
    }
    if let Some(status) = read("status") {
        for (name, key, help) in [
            ("process_resident_memory_bytes", "VmRSS:", "Memory of the process that is in RAM."),
            ("process_virtual_memory_bytes", "VmSize:", "Address space of the process."),
        ] {
            if let Some(kibibytes) = field(&status, key) {
                page.single(name, Kind::Gauge, help, kibibytes * 1024.0);
            }
        }
        if let Some(threads) = field(&status, "Threads:") {
            page.single("process_threads", Kind::Gauge, "Threads of the process.", threads);
        }
    }
    if let Ok(open) = fs::read_dir(own.join("fd")) {
        // Looking takes one of them.
        let open = (open.count() as u64).saturating_sub(1);
        page.single("process_open_fds", Kind::Gauge, "File descriptors that are open.", open);
    }
    if let Some(most) = read("limits").as_deref().and_then(|text| field(text, "Max open files")) {
        page.single("process_max_fds", Kind::Gauge, "File descriptors that may be open.", most);
    }
}

/// What `/proc/self/stat` says, in ticks.
#[derive(Debug, PartialEq)]
struct Stat {
    ran: f64,
    started: f64,
}

impl Stat {
    fn parse(text: &str) -> Option<Self> {
        // The command's name, in brackets, may itself hold spaces and brackets.
        let (_, rest) = text.rsplit_once(") ")?;
        let number = |at: usize| rest.split(' ').nth(at)?.trim().parse::<f64>().ok();
        // utime, stime and starttime: fields 14, 15 and 22 of proc(5), and the state is the third.
        Some(Self { ran: number(11)? + number(12)?, started: number(19)? })
    }
}

/// The first number on the line that begins so.
fn field(text: &str, key: &str) -> Option<f64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(key))?;
    rest.split_whitespace().next()?.parse().ok()
}

/// AT_CLKTCK of the auxiliary vector (getauxval(3)): pairs of words. Linux has said 100 for decades.
fn ticks_per_second(auxv: &[u8]) -> f64 {
    const CLOCK_TICKS: usize = 17;
    let words: Vec<usize> = auxv
        .chunks_exact(size_of::<usize>())
        .filter_map(|word| word.try_into().ok().map(usize::from_ne_bytes))
        .collect();
    let found = words.chunks_exact(2).find_map(|pair| match pair {
        [CLOCK_TICKS, ticks] => u32::try_from(*ticks).ok().filter(|ticks| *ticks > 0),
        _ => None,
    });
    found.map_or(100.0, f64::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_times_are_found_behind_any_name() {
        let text = "7 (a) b ( c)) S 1 7 7 0 -1 4194304 1 0 0 0 250 50 0 0 20 0 3 0 12345 1000 10 18446744073709551615";
        assert_eq!(Stat::parse(text), Some(Stat { ran: 300.0, started: 12_345.0 }));
        assert_eq!(Stat::parse("7 (a"), None);
    }

    #[test]
    fn a_field_is_the_first_number_on_its_line() {
        let text = "VmRSS:\t    2048 kB\nMax open files            1024                 4096    files\n";
        assert_eq!((field(text, "VmRSS:"), field(text, "Max open files")), (Some(2048.0), Some(1024.0)));
        assert_eq!(
            (field(text, "VmSize:"), field("Max open files unlimited", "Max open files")),
            (None, None)
        );
    }

    #[test]
    fn without_an_auxiliary_vector_a_tick_is_ten_milliseconds() {
        let auxv: Vec<u8> =
            [6_usize, 4096, 17, 250, 0, 0].iter().flat_map(|word| word.to_ne_bytes()).collect();
        assert_eq!((ticks_per_second(&auxv), ticks_per_second(&[1, 2])), (250.0, 100.0));
    }

    #[test]
    fn where_there_is_no_proc_there_are_no_figures() {
        let mut page = Page::default();
        write(&mut page, Path::new("/nowhere"));
        assert_eq!(page.finish(), "");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_has_every_figure() {
        let mut page = Page::default();
        write(&mut page, Path::new("/proc"));
        let text = page.finish();
        for name in [
            "process_cpu_seconds_total",
            "process_start_time_seconds",
            "process_resident_memory_bytes",
            "process_virtual_memory_bytes",
            "process_threads",
            "process_open_fds",
        ] {
            let value = text
                .lines()
                .find_map(|line| line.strip_prefix(name))
                .and_then(|rest| rest.trim().parse::<f64>().ok());
            assert!(value.is_some_and(|value| value >= 0.0), "{name} in {text}");
        }
        assert!(!text.contains("process_start_time_seconds 0"), "{text}");
    }
}
