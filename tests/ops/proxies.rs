//! Behind nginx and Caddy, each with Host kept and with Host rewritten: addresses, tokens, rates, streams.

use std::net::{IpAddr, Ipv4Addr};

use serde_json::json;

use crate::harness::proxies::{BURST, Front, Host, NAME, SILENCE, Site, THIS};

const EVERY: [(Front, Host); 4] = [
    (Front::Nginx, Host::Kept),
    (Front::Nginx, Host::Rewritten),
    (Front::Caddy, Host::Kept),
    (Front::Caddy, Host::Rewritten),
];

#[tokio::test]
async fn a_search_is_answered_with_the_public_address_and_a_refusal_comes_through() {
    for (front, host) in EVERY {
        let site = Site::start(front, host, &[]).await;
        let search = json!({"name": "search", "arguments": {"query": "bowline"}});

        let answer = site.call("tools/call", search.clone()).await;
        assert_eq!(answer.status, 200, "{front:?} {host:?}: {}\n{}", answer.text(), site.log());
        let url = &answer.json()["result"]["structuredContent"]["results"][0]["url"];
        assert_eq!(url, &format!("https://{NAME}/docs/rope#knots"), "{front:?} {host:?}");

        let refused = site.call_from(THIS, "tools/call", search, &[]).await;
        assert_eq!(
            (refused.status, refused.header("www-authenticate")),
            (401, Some("Bearer realm=\"docquay\""))
        );
        let page =
            site.from(THIS).await.request("GET", "/docs/rope", &[("host", NAME), site.token()], "").await;
        assert!(page.status == 200 && page.text().contains("bowline"), "{front:?} {host:?}: {}", page.text());
    }
}

#[tokio::test]
async fn the_rate_is_that_of_the_clients_address_whatever_the_client_says_of_itself() {
    let address = |last| IpAddr::V4(Ipv4Addr::new(127, 0, 0, last));
    for (front, host) in EVERY {
        let site = Site::start(front, host, &[]).await;
        let (greedy, modest) = (address(2), address(3));
        let ping = || json!({});
        let mut answered = 0;
        let refused = loop {
            let answer = site.call_from(greedy, "server/discover", ping(), &[site.token()]).await;
            if answer.status != 200 {
                break answer;
            }
            answered += 1;
            assert!(answered <= 2 * BURST, "{front:?} {host:?}: no end");
        };
        assert_eq!((answered, refused.status), (BURST, 429), "{front:?} {host:?}: {}", refused.text());
        assert!(
            refused
                .header("retry-after")
                .is_some_and(|wait| wait.parse::<u64>().is_ok_and(|wait| wait <= 60))
        );
        for forged in [
            ("x-forwarded-for", "203.0.113.7"),
            ("forwarded", "for=203.0.113.7"),
            ("forwarded", "for=203.0.113.7, malformed"),
            ("x-real-ip", "203.0.113.7"),
        ] {
            let answer = site.call_from(greedy, "server/discover", ping(), &[site.token(), forged]).await;
            assert_eq!(answer.status, 429, "{front:?} {host:?} {forged:?}");
        }
        let answer = site.call_from(modest, "server/discover", ping(), &[site.token()]).await;
        assert_eq!(answer.status, 200, "{front:?} {host:?}");
        let health = site.from(greedy).await.request("GET", "/healthz", &[("host", NAME)], "").await;
        assert_eq!(health.status, 200, "a probe has no rate");
    }
}

#[tokio::test]
async fn a_name_that_is_not_ours_is_refused_though_the_proxy_rewrites_it() {
    for host in [Host::Kept, Host::Rewritten] {
        let site = Site::start(Front::Nginx, host, &[]).await;
        let fields = [("host", "evil.example"), site.token(), ("x-forwarded-host", NAME)];
        let answer = site.from(THIS).await.request("GET", "/docs/rope", &fields, "").await;
        assert_eq!(answer.status, 403, "{host:?}");
        assert!(answer.text().contains("\"evil.example\""), "{host:?}: {}", answer.text());
    }
}

/// Both streams of one site: each event comes while its stream is open, before and after a silence for which a
/// proxy that hears nothing cuts.
async fn streams_flow_and_survive_silence(front: Front, host: Host) {
    let site = Site::start(front, host, &[]).await;
    let (mut older, endpoint) = site.open_sse().await;
    let mut modern = site.listen().await;

    tokio::time::sleep(SILENCE + SILENCE / 4).await;

    site.add_page();
    let heard = modern.event().await.expect("the modern stream is open");
    assert!(heard.data.contains("notifications/resources/list_changed"), "{heard:?}");
    let heard = older.event().await.expect("the older stream is open");
    assert!(heard.data.contains("notifications/resources/list_changed"), "{heard:?}");
    let search = json!({"name": "search", "arguments": {"query": "anchor"}});
    site.message(&endpoint, json!({"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": search}))
        .await;
    let answer = older.event().await.unwrap();
    assert!(answer.data.contains("\"id\":7") && answer.data.contains("anchor"), "{answer:?}");
}

#[tokio::test]
async fn streams_flow_through_nginx_and_survive_twenty_seconds_of_silence() {
    streams_flow_and_survive_silence(Front::Nginx, Host::Kept).await;
}

#[tokio::test]
async fn streams_flow_through_nginx_that_rewrites_host_and_survive_twenty_seconds_of_silence() {
    streams_flow_and_survive_silence(Front::Nginx, Host::Rewritten).await;
}

#[tokio::test]
async fn streams_flow_through_caddy_and_survive_twenty_seconds_of_silence() {
    streams_flow_and_survive_silence(Front::Caddy, Host::Kept).await;
}

#[tokio::test]
async fn streams_flow_through_caddy_that_rewrites_host_and_survive_twenty_seconds_of_silence() {
    streams_flow_and_survive_silence(Front::Caddy, Host::Rewritten).await;
}

#[tokio::test]
async fn without_comments_nginx_cuts_a_silent_stream() {
    let site = Site::start(Front::Nginx, Host::Kept, &["--sse-keep-alive", "0"]).await;
    let mut stream = site.listen().await;
    tokio::time::sleep(SILENCE + SILENCE / 4).await;
    assert_eq!(stream.event().await, None, "what the comments are for");
}
