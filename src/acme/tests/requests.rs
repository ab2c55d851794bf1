//! Nonces, errors, deadlines: whatever is asked.

use std::time::Duration;

use http::StatusCode;
use serde_json::json;
use tokio::time::Instant;

use super::account::certificate;
use super::scripted::{
    account, answer, authorization, ca, ca_with, json_answer, looked, lost, new_order, placed, problem,
};
use crate::acme::{CertificateId, ErrorKind, ProblemKind};

#[tokio::test(start_paused = true)]
async fn a_rejected_nonce_is_followed_by_the_one_that_came_with_the_rejection() {
    let storm = (0..20).map(|_| problem(400, "badNonce")).chain([placed("pending")]);
    let (script, account) = ca(storm).await;

    account.new_order(&new_order()).await.unwrap();

    let nonces: Vec<String> = script.seen().iter().map(|seen| seen.nonce().to_owned()).collect();
    let expected: Vec<String> = (1..=21).map(|count| format!("n-{count}")).collect();
    assert_eq!(nonces, expected);
    assert_eq!(script.all().len(), 1 + 1 + 21, "one newNonce");
}

#[tokio::test(start_paused = true)]
async fn nonces_older_than_a_rejected_one_are_forgotten() {
    let steps =
        [answer(404, ""), answer(404, ""), problem(400, "badNonce").without_nonce(), placed("pending")];
    let (script, client) = ca_with(json!({ "renewalInfo": "https://ca.test/ari" }), steps).await;
    let id = CertificateId::of(&certificate()).unwrap();
    for _ in 0..2 {
        client.renewal_info(&id).await.unwrap_err();
    }

    account(&client).new_order(&new_order()).await.unwrap();

    let nonces: Vec<String> = script.seen()[2..].iter().map(|seen| seen.nonce().to_owned()).collect();
    assert_eq!(nonces, ["n-2", "n-3"], "n-1 was at hand");
}

#[tokio::test(start_paused = true)]
async fn a_storm_of_rejections_ends() {
    let (script, account) = ca((0..21).map(|_| problem(400, "badNonce"))).await;

    let error = account.new_order(&new_order()).await.unwrap_err();

    assert_eq!((error.problem_kind(), error.is_retryable()), (Some(ProblemKind::BadNonce), true));
    assert!(script.is_done());
}

#[tokio::test(start_paused = true)]
async fn an_answer_without_a_nonce_costs_a_request() {
    let odd = placed("pending").without_nonce().header("replay-nonce", "not base64url!");
    let (script, account) = ca([placed("pending").without_nonce(), odd, placed("pending")]).await;

    for _ in 0..3 {
        account.new_order(&new_order()).await.unwrap();
    }

    let nonces: Vec<String> = script.seen().iter().map(|seen| seen.nonce().to_owned()).collect();
    assert_eq!(nonces, ["n-1", "n-2", "n-3"]);
    assert_eq!(script.all().iter().filter(|seen| seen.url == "https://ca.test/nonce").count(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_ca_without_nonces_is_told_from_one_that_is_away() {
    let (_script, client) = ca_with(json!({ "no nonces": true }), []).await;

    let error = account(&client).new_order(&new_order()).await.unwrap_err();

    assert_eq!(error.kind(), &ErrorKind::MissingHeader("Replay-Nonce"));
    assert_eq!(error.to_string(), "newNonce: the CA's answer lacks Replay-Nonce");
}

#[tokio::test(start_paused = true)]
async fn a_request_that_changes_something_is_not_sent_twice() {
    for step in [lost(), answer(500, ""), answer(502, "<html>Bad Gateway"), problem(503, "serverInternal")] {
        let (script, account) = ca([step]).await;
        let error = account.new_order(&new_order()).await.unwrap_err();
        assert!(error.is_retryable() && script.seen().len() == 1, "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_changes_nothing_is() {
    let steps = [placed("pending"), lost(), answer(500, ""), answer(502, "<html>"), authorization("valid")];
    let (script, account) = ca(steps).await;

    super::scripted::one_authorization(&account).await;

    assert!(script.is_done());
}

#[tokio::test(start_paused = true)]
async fn a_busy_ca_is_waited_for_if_it_says_a_short_time() {
    let busy = |wait: &str| problem(503, "serverInternal").header("retry-after", wait);
    let date = "Tue, 24 Nov 2026 20:00:25 GMT";
    let (script, account) = ca([busy("20"), busy(date), placed("pending")]).await;
    let begin = Instant::now();

    account.new_order(&new_order()).await.unwrap();

    assert_eq!((begin.elapsed(), script.seen().len()), (Duration::from_secs(25), 3));
}

#[tokio::test(start_paused = true)]
async fn a_rate_limit_says_until_when_and_where_it_is_explained() {
    let limited = problem(429, "rateLimited")
        .header("retry-after", "Thu, 26 Nov 2026 20:00:00 GMT")
        .header("link", "<https://ca.test/dir>;rel=\"index\", <https://ca.test/limits>; rel=help");
    let (script, account) = ca([limited]).await;

    let error = account.new_order(&new_order()).await.unwrap_err();

    assert_eq!(error.kind(), &ErrorKind::Server(StatusCode::TOO_MANY_REQUESTS));
    assert_eq!(error.retry_after(), Some(Duration::from_secs(2 * 86_400)));
    assert_eq!((error.help_link(), error.is_retryable()), (Some("https://ca.test/limits"), true));
    assert_eq!(error.problem().unwrap().to_string(), "because (rateLimited)");
    assert!(script.is_done());
}

#[tokio::test(start_paused = true)]
async fn a_page_that_a_person_must_visit_is_shown_and_nothing_loops() {
    for kind in ["urn:ietf:params:acme:error:userActionRequired", "urn:acme:error:agreementRequired"] {
        let body = json!({ "type": kind, "detail": "new terms", "instance": "https://ca.test/agree" });
        let step = json_answer(403, body).header("link", "<https://ca.test/tos>;rel=\"terms-of-service\"");
        let (script, account) = ca([step]).await;

        let error = account.new_order(&new_order()).await.unwrap_err();

        assert_eq!(error.problem_kind(), Some(ProblemKind::UserActionRequired));
        assert_eq!(error.problem().unwrap().instance.as_deref(), Some("https://ca.test/agree"));
        assert_eq!((error.terms_link(), error.is_retryable()), (Some("https://ca.test/tos"), false));
        assert_eq!(script.seen().len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn errors_that_are_no_problem_documents_are_errors_still() {
    for (step, shown) in [
        (answer(403, ""), "the CA did not say why"),
        (answer(403, "{\"type\":"), "{\"type\":"),
        (json_answer(403, json!({ "detail": "no type" })), "no type"),
        (json_answer(403, json!({ "type": "https://x.test/p", "title": "no" })), "no (https://x.test/p)"),
        (json_answer(403, json!("text")), "\"text\""),
    ] {
        let (_script, account) = ca([step]).await;
        let error = account.new_order(&new_order()).await.unwrap_err();
        assert_eq!(error.to_string(), "newOrder: the CA answered 403 Forbidden");
        assert_eq!(std::error::Error::source(&error).unwrap().to_string(), shown);
        assert!(!error.is_retryable());
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_no_order_is_malformed() {
    let location = |step: super::scripted::Step| step.header("location", "https://ca.test/orders/1");
    for step in [
        answer(201, ""),
        answer(201, "{\"status\":\"pending\",\"identi"),
        answer(201, "<html>"),
        json_answer(201, json!({})),
        json_answer(201, json!([])),
        json_answer(201, json!({ "status": "odd", "identifiers": [], "finalize": "" })),
    ] {
        let (_script, account) = ca([location(step)]).await;
        let error = account.new_order(&new_order()).await.unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::Malformed("order"));
    }
    let (_script, account) = ca([looked("pending")]).await;
    let error = account.new_order(&new_order()).await.unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::MissingHeader("Location"));
}

#[tokio::test(start_paused = true)]
async fn a_ca_that_says_nothing_is_given_up() {
    let (_script, account) = ca([placed("pending").after(Duration::from_secs(86_400))]).await;
    let begin = Instant::now();

    let error = account.new_order(&new_order()).await.unwrap_err();

    assert_eq!(error.kind(), &ErrorKind::TimedOut(Duration::from_secs(30)));
    assert_eq!(begin.elapsed(), Duration::from_secs(30));
}

#[tokio::test(start_paused = true)]
async fn only_https_is_asked() {
    for url in [
        "http://ca.test/orders/1",
        "/orders/1",
        "https://",
        "https://ca.test/a#b",
        "ftp://ca.test/",
        "",
        "https://a b/",
    ] {
        let (script, account) = ca([]).await;
        let error = account.order(url).await.unwrap_err();
        assert_eq!((error.kind(), script.seen().len()), (&ErrorKind::InsecureUrl, 0), "{url:?}");
    }
    let (_script, account) = ca([looked("pending").header("location", "http://ca.test/orders/1")]).await;
    assert_eq!(account.new_order(&new_order()).await.unwrap_err().kind(), &ErrorKind::InsecureUrl);
}

#[tokio::test(start_paused = true)]
async fn urls_are_asked_and_signed_as_they_came() {
    let url = "https://CA.test:443/a/../orders/1?x=%7e&y";
    let (script, account) = ca([looked("ready")]).await;

    account.order(url).await.unwrap();

    let seen = script.seen().remove(0);
    assert_eq!(seen.protected["url"], url);
    assert_eq!(seen.headers["content-type"], "application/jose+json");
    assert_eq!(seen.url, url);
}
