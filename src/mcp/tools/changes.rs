//! What a reload changed, for the clients that listen.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::{broadcast, watch};
use tracing::warn;

use crate::docs::{Index, urls};
use crate::mcp::catalog::Changes;
use crate::shutdown::Shutdown;

/// Compares each index with the one before and announces the difference, until the drain.
pub(super) async fn watch(
    mut indexes: watch::Receiver<Arc<Index>>,
    announced: &broadcast::Sender<Arc<Changes>>,
    shutdown: &Shutdown,
) {
    let first = Arc::clone(&indexes.borrow_and_update());
    let mut known = fingerprints(first).await;
    loop {
        tokio::select! {
            () = shutdown.draining() => return,
            changed = indexes.changed() => if changed.is_err() { return },
        }
        let index = Arc::clone(&indexes.borrow_and_update());
        let fresh = fingerprints(index).await;
        if let Some(changes) = difference(&known, &fresh) {
            // An error means that nobody listens.
            let _ = announced.send(Arc::new(changes));
        }
        known = fresh;
    }
}

/// What is remembered of an index's pages: by URI, how the list shows them and what they hold.
type Fingerprints = HashMap<String, Print>;

#[derive(Clone, Debug, PartialEq, Eq)]
struct Print {
    /// Title and description, as resources/list gives them.
    listed: (String, Option<String>),
    content: u64,
}

/// Hashing grows with the corpus, so it runs off the async threads.
async fn fingerprints(index: Arc<Index>) -> Fingerprints {
    let hashed = tokio::task::spawn_blocking(move || {
        let print = |page: &crate::docs::Page| Print {
            listed: (page.title.clone(), page.description.clone()),
            content: page.fingerprint(),
        };
        index.pages().iter().map(|page| (urls::resource_uri(page), print(page))).collect()
    });
    hashed.await.unwrap_or_else(|error| {
        warn!(%error, "the pages could not be compared: clients hear of no change");
        Fingerprints::new()
    })
}

fn difference(old: &Fingerprints, new: &Fingerprints) -> Option<Changes> {
    let mut changes = Changes::default();
    for (uri, print) in new {
        let before = old.get(uri);
        changes.resources |= before.is_none_or(|before| before.listed != print.listed);
        if before.is_none_or(|before| before.content != print.content) {
            changes.updated.push(uri.clone());
        }
    }
    for uri in old.keys().filter(|uri| !new.contains_key(*uri)) {
        changes.resources = true;
        changes.updated.push(uri.clone());
    }
    changes.updated.sort_unstable();
    (changes != Changes::default()).then_some(changes)
}

#[cfg(test)]
mod tests {
    use super::super::testing::page;
    use super::*;
    use crate::shutdown;

    fn index(pages: &[(&str, &str)]) -> Arc<Index> {
        Arc::new(Index::build(pages.iter().map(|(id, text)| page(id, text)).collect()))
    }

    #[tokio::test]
    async fn each_swap_announces_what_it_changed() {
        let (swap, indexes) = watch::channel(index(&[("a", "# A\n\none"), ("b", "# B\n\none")]));
        let (announced, mut heard) = broadcast::channel(8);
        let (trigger, shutdown) = shutdown::channel();
        let task = tokio::spawn(async move { watch(indexes, &announced, &shutdown).await });
        tokio::task::yield_now().await;

        for (pages, resources, updated) in [
            (vec![("a", "# A\n\ntwo"), ("b", "# B\n\none")], false, vec!["docs:///a"]),
            (vec![("a", "# A\n\ntwo"), ("c d", "# C")], true, vec!["docs:///b", "docs:///c%20d"]),
            (vec![("a", "# New title\n\ntwo"), ("c d", "# C")], true, vec!["docs:///a"]),
        ] {
            swap.send_replace(index(&pages));
            let changes = heard.recv().await.unwrap();
            assert_eq!((changes.resources, &changes.updated[..]), (resources, &updated.map_owned()[..]));
            assert!(!changes.tools && !changes.prompts);
        }
        trigger.drain();
        task.await.unwrap();
    }

    #[tokio::test]
    async fn an_equal_index_announces_nothing() {
        let pages = [("a", "# A\n\none")];
        let old = fingerprints(index(&pages)).await;
        assert_eq!(difference(&old, &fingerprints(index(&pages)).await), None);
    }

    trait MapOwned {
        fn map_owned(&self) -> Vec<String>;
    }

    impl MapOwned for Vec<&str> {
        fn map_owned(&self) -> Vec<String> {
            self.iter().map(|text| (*text).to_owned()).collect()
        }
    }
}
