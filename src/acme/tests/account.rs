//! Accounts, and what is asked without an order: renewal information, revocation.

use std::time::Duration;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::json;

use super::scripted::{account, answer, ca, ca_with, json_answer, now, problem};
use crate::acme::{Account, AccountKey, CertificateId, CertificateKey, ErrorKind, NewAccount, Reason};
use crate::x509::Certificate;

pub(super) fn certificate() -> Certificate {
    let issuer = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::default();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let issuer = rcgen::Issuer::new(params, issuer);
    let mut params = rcgen::CertificateParams::new(["a.test".to_owned()]).unwrap();
    params.use_authority_key_identifier_extension = true;
    params.serial_number = Some(rcgen::SerialNumber::from_slice(&[0x00, 0x87, 0x65]));
    let pem = params.signed_by(&rcgen::KeyPair::generate().unwrap(), &issuer).unwrap().pem();
    Certificate::parse(CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn an_account_needs_its_url_and_little_else() {
    let location = "https://ca.test/accounts/7";
    for (step, expected) in [
        (answer(201, "{\"cut\":").header("location", location), Ok(true)),
        (json_answer(200, json!({ "status": "valid" })).header("location", location), Ok(false)),
        (
            json_answer(200, json!({ "status": "deactivated" })).header("location", location),
            Err(ErrorKind::AccountClosed),
        ),
        (json_answer(201, json!({})), Err(ErrorKind::MissingHeader("Location"))),
        (json_answer(201, json!({})).header("location", "http://ca.test/7"), Err(ErrorKind::InsecureUrl)),
    ] {
        let (_script, client) = ca_with(json!({}), [step]).await;
        let made = Account::create(&client, AccountKey::generate().unwrap(), &NewAccount::default()).await;
        assert_eq!(made.map(|account| account.was_created()).map_err(|error| error.kind().clone()), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_change_is_signed_by_both_keys() {
    let (script, account) = ca([answer(200, "")]).await;
    let new = AccountKey::generate().unwrap();

    account.change_key(new.clone()).await.unwrap();

    let outer = script.seen().remove(0);
    assert_eq!(
        (outer.protected["kid"].as_str(), outer.url.as_str()),
        (Some(account.url()), "https://ca.test/key")
    );
    let part = |name: &str| {
        use base64::Engine as _;
        let text = outer.payload[name].as_str().unwrap();
        let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(text).unwrap();
        serde_json::from_slice::<serde_json::Value>(&bytes).unwrap()
    };
    let jwk = |key: &AccountKey| key.p256().jwk().to_json();
    assert_eq!(part("protected"), json!({ "alg": "ES256", "url": "https://ca.test/key", "jwk": jwk(&new) }));
    assert_eq!(part("payload"), json!({ "account": account.url(), "oldKey": jwk(account.key()) }));
}

#[tokio::test(start_paused = true)]
async fn what_a_ca_does_not_offer_is_not_asked() {
    let (script, client) = ca_with(json!({ "keyChange": null }), []).await;
    let (account, certificate) = (account(&client), certificate());
    let id = CertificateId::of(&certificate).unwrap();
    let key = || AccountKey::generate().unwrap();

    for (error, name) in [
        (account.change_key(key()).await.unwrap_err(), "keyChange"),
        (account.revoke(&certificate, Reason::Unspecified).await.unwrap_err(), "revokeCert"),
        (client.renewal_info(&id).await.unwrap_err(), "renewalInfo"),
    ] {
        assert_eq!(error.kind(), &ErrorKind::NotOffered(name));
    }
    assert!(script.seen().is_empty());
}

#[tokio::test(start_paused = true)]
async fn revoking_twice_is_revoking() {
    let directory = json!({ "revokeCert": "https://ca.test/revoke" });
    let steps = [problem(400, "alreadyRevoked"), answer(200, ""), problem(403, "unauthorized")];
    let (script, client) = ca_with(directory, steps).await;
    let key = CertificateKey::generate().unwrap();

    account(&client).revoke(&certificate(), Reason::Unspecified).await.unwrap();
    client.revoke(&certificate(), &key, Reason::KeyCompromise).await.unwrap();
    client.revoke(&certificate(), &key, Reason::Superseded).await.unwrap_err();

    let [by_account, by_key, _] = &script.seen()[..] else { panic!() };
    assert!(by_account.payload.get("reason").is_none() && by_account.protected.get("jwk").is_none());
    assert_eq!((&by_key.payload["reason"], by_key.protected.get("kid")), (&json!(1), None));
    assert_eq!(by_key.protected["jwk"], key.p256().jwk().to_json());
}

#[tokio::test(start_paused = true)]
async fn renewal_information_is_a_window_or_an_error() {
    let window = |start: &str, end: &str| {
        json_answer(
            200,
            json!({ "suggestedWindow": { "start": start, "end": end }, "explanationURL": "https://ca.test/why" }),
        )
    };
    let (early, late) = ("2026-11-24T21:00:00Z", "2026-11-25T21:00:00+01:00");
    let steps = [
        window(early, late).header("retry-after", "21600"),
        window(early, late).header("retry-after", "1"),
        window(early, late).header("retry-after", "999999"),
        window(early, late),
        window(late, early).header("retry-after", "7200"),
        window(early, early),
        window("soon", late),
        answer(200, "{}"),
        answer(404, ""),
    ];
    let (script, client) = ca_with(json!({ "renewalInfo": "https://ca.test/ari/" }), steps).await;
    let id = CertificateId::of(&certificate()).unwrap();
    assert!(id.as_str().ends_with(".AIdl"), "{id}: a leading zero octet stays");

    for seconds in [21_600, 60, 86_400, 21_600] {
        let info = client.renewal_info(&id).await.unwrap();
        assert_eq!(info.start, now() + Duration::from_secs(3_600));
        assert_eq!(info.end, now() + Duration::from_secs(86_400));
        assert_eq!(info.explanation_url.as_deref(), Some("https://ca.test/why"));
        assert_eq!(info.retry_after, Duration::from_secs(seconds));
    }
    let inverted = client.renewal_info(&id).await.unwrap_err();
    assert_eq!(inverted.retry_after(), Some(Duration::from_secs(7_200)));
    for _ in 0..4 {
        client.renewal_info(&id).await.unwrap_err();
    }
    let seen = &script.seen()[0];
    assert_eq!((seen.url.as_str(), seen.method.as_str()), (&*format!("https://ca.test/ari/{id}"), "GET"));
}
