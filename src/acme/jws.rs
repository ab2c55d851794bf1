//! Signed requests: flattened JWS by ES256, and by HMAC for external accounts.
//!
//! RFC 7515 §7.2.2, RFC 8555 §6.2. Everything is in the protected header; base64url without padding.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use ring::hmac;
use serde_json::{Value, json};

use super::error::Error;
use super::key::P256;

/// Who signs, and how the CA is to know it: by `jwk` or by `kid`, never both.
#[derive(Clone, Copy)]
pub(super) enum Signer<'a> {
    /// newAccount, revocation by the certificate's key, the inner JWS of a key change.
    Key(&'a P256),
    /// Everything else: the key, and the account's URL verbatim.
    Account(&'a P256, &'a str),
}

/// What is signed.
#[derive(Clone, Copy, Debug)]
pub(super) enum Payload<'a> {
    /// POST-as-GET: the empty string, not `{}` (RFC 8555 §6.3).
    Nothing,
    /// A JSON document.
    Json(&'a Value),
}

/// The body of a signed request. `url` is the request's own, byte for byte; an inner JWS has no nonce.
pub(super) fn sign(
    signer: Signer<'_>,
    nonce: Option<&str>,
    url: &str,
    payload: Payload<'_>,
) -> Result<Value, Error> {
    let (key, jwk, kid) = match signer {
        Signer::Key(key) => (key, Some(key.jwk().to_json()), None),
        Signer::Account(key, account) => (key, None, Some(account.into())),
    };
    let protected = object([
        ("alg", Some("ES256".into())),
        ("nonce", nonce.map(Value::from)),
        ("url", Some(url.into())),
        ("jwk", jwk),
        ("kid", kid),
    ]);
    let input = Input::new(&protected, payload);
    let signature = key.sign(input.text().as_bytes())?;
    Ok(input.flattened(&signature))
}

/// An external account binding: HS256 over the account's public key, by the key that the CA's operator gave out
/// (RFC 8555 §7.3.4).
pub(super) fn bind(mac_key: &[u8], kid: &str, url: &str, account: &P256) -> Value {
    let protected = json!({ "alg": "HS256", "kid": kid, "url": url });
    let input = Input::new(&protected, Payload::Json(&account.jwk().to_json()));
    let signature = hs256(mac_key, input.text().as_bytes());
    input.flattened(signature.as_ref())
}

fn hs256(key: &[u8], input: &[u8]) -> hmac::Tag {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), input)
}

/// A JSON object of the members that there are.
pub(super) fn object<const N: usize>(members: [(&str, Option<Value>); N]) -> Value {
    let there = members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    Value::Object(there.collect())
}

/// A JSON document as the body of a request.
pub(super) fn body(jws: &Value) -> Bytes {
    jws.to_string().into()
}

/// The two halves of a signing input, encoded.
struct Input {
    protected: String,
    payload: String,
}

impl Input {
    fn new(protected: &Value, payload: Payload<'_>) -> Self {
        let payload = match payload {
            Payload::Nothing => String::new(),
            Payload::Json(value) => URL_SAFE_NO_PAD.encode(value.to_string()),
        };
        Self { protected: URL_SAFE_NO_PAD.encode(protected.to_string()), payload }
    }

    fn text(&self) -> String {
        format!("{}.{}", self.protected, self.payload)
    }

    fn flattened(self, signature: &[u8]) -> Value {
        json!({
            "protected": self.protected,
            "payload": self.payload,
            "signature": URL_SAFE_NO_PAD.encode(signature),
        })
    }
}

#[cfg(test)]
mod tests {
    use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};

    use super::*;
    use crate::acme::AccountKey;

    fn decode(text: &str) -> Vec<u8> {
        URL_SAFE_NO_PAD.decode(text).unwrap()
    }

    fn part(jws: &Value, name: &str) -> Value {
        serde_json::from_slice(&decode(jws[name].as_str().unwrap())).unwrap()
    }

    /// As a server does: the key from the header, both parts as they came.
    fn verifies(jwk: &Value, input: &str, signature: &str) -> bool {
        let mut point = vec![4];
        point.extend(decode(jwk["x"].as_str().unwrap()));
        point.extend(decode(jwk["y"].as_str().unwrap()));
        let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point);
        key.verify(input.as_bytes(), &decode(signature)).is_ok()
    }

    fn input(jws: &Value) -> String {
        format!("{}.{}", jws["protected"].as_str().unwrap(), jws["payload"].as_str().unwrap())
    }

    #[test]
    fn es256_as_in_rfc_7515_a_3() {
        let jwk = json!({ "kty": "EC", "crv": "P-256", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
            "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0" });
        let input = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
        let signature =
            "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
        assert!(verifies(&jwk, input, signature));
        assert!(!verifies(&jwk, &input.replace("eyJhbGci", "eyJhbGcj"), signature));
    }

    #[test]
    fn hs256_as_in_rfc_7515_a_1() {
        let key =
            decode("AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow");
        let input = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
        let tag = URL_SAFE_NO_PAD.encode(hs256(&key, input.as_bytes()));
        assert_eq!(tag, "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
    }

    #[test]
    fn a_request_by_key_carries_the_key() {
        let key = AccountKey::generate().unwrap();
        let payload = json!({ "termsOfServiceAgreed": true });
        let jws = sign(Signer::Key(key.p256()), Some("n-1"), "https://ca/new?a=b", Payload::Json(&payload))
            .unwrap();
        let protected = part(&jws, "protected");
        let jwk = key.p256().jwk().to_json();
        assert_eq!(
            protected,
            json!({ "alg": "ES256", "nonce": "n-1", "url": "https://ca/new?a=b", "jwk": jwk })
        );
        assert_eq!(part(&jws, "payload"), payload);
        let signature = jws["signature"].as_str().unwrap();
        assert_eq!(decode(signature).len(), 64);
        assert!(verifies(&protected["jwk"], &input(&jws), signature));
        assert_eq!(jws.as_object().unwrap().len(), 3, "no unprotected header");
    }

    #[test]
    fn a_request_by_account_carries_its_url_and_a_fetch_signs_nothing() {
        let key = AccountKey::generate().unwrap();
        let signer = Signer::Account(key.p256(), "https://ca/acct/1");
        let jws = sign(signer, Some("n-2"), "https://ca/order/1", Payload::Nothing).unwrap();
        let expected = json!({ "alg": "ES256", "nonce": "n-2", "url": "https://ca/order/1", "kid": "https://ca/acct/1" });
        assert_eq!((part(&jws, "protected"), jws["payload"].as_str()), (expected, Some("")));
        assert!(verifies(&key.p256().jwk().to_json(), &input(&jws), jws["signature"].as_str().unwrap()));
    }

    #[test]
    fn a_binding_signs_the_accounts_key() {
        let key = AccountKey::generate().unwrap();
        let jws = bind(b"secret", "kid-1", "https://ca/new-account", key.p256());
        let protected = json!({ "alg": "HS256", "kid": "kid-1", "url": "https://ca/new-account" });
        assert_eq!(part(&jws, "protected"), protected);
        assert_eq!(part(&jws, "payload"), key.p256().jwk().to_json());
        let tag = hmac::Key::new(hmac::HMAC_SHA256, b"secret");
        let signature = decode(jws["signature"].as_str().unwrap());
        hmac::verify(&tag, input(&jws).as_bytes(), &signature).unwrap();
    }
}
