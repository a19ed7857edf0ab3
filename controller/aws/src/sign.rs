//! Signature Version 4, verified: <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html>.

use std::{collections::BTreeMap, fmt::Write as _};

use ring::{digest, hmac};

use crate::{Fault, Http, Keys, Service, time};

/// How far a caller's clock may be off, in seconds: AWS's own.
pub const SKEW: i64 = 15 * 60;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// Headers that a signature may cover at most: clients sign ten or so.
const MOST_HEADERS: usize = 64;

/// Who signed a request, and for what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// The access key's id.
    pub key: String,
    /// The region of the scope.
    pub region: String,
    /// The service of the scope.
    pub service: Service,
    /// The signature: the same only where all that it covers is.
    pub signature: [u8; 32],
}

/// What the `Authorization` header says.
struct Claim<'a> {
    key: &'a str,
    date: &'a str,
    region: &'a str,
    scope: &'a str,
    service: Service,
    headers: Vec<&'a str>,
    signature: Vec<u8>,
}

/// Verifies a request at `now` (seconds of the Unix epoch).
///
/// # Errors
/// The service's own error for a request that isn't signed, is signed wrongly, by an unknown key, or
/// at another time; with the service to say it for.
pub fn verify(http: &Http<'_>, keys: &Keys, now: i64) -> Result<Signed, (Service, Fault)> {
    let guess = guess(http);
    let Some(header) = http.header("authorization") else {
        return Err((guess, unsigned(guess)));
    };
    let claim = Claim::read(header).map_err(|why| (guess, incomplete(guess, &why)))?;
    let service = claim.service;
    let signed = check(http, &claim, keys, now).map_err(|fault| (service, fault))?;
    Ok(signed)
}

/// The service that a request without a scope is for.
fn guess(http: &Http<'_>) -> Service {
    let version = |bytes: &[u8]| {
        let mut pairs = form_urlencoded::parse(bytes);
        pairs
            .find(|(name, _)| name == "Version")
            .map(|(_, v)| v.into_owned())
    };
    let version = version(http.body).or_else(|| version(http.query.as_bytes()));
    version
        .and_then(|version| Service::of_version(&version))
        .unwrap_or(Service::Ec2)
}

fn check(http: &Http<'_>, claim: &Claim<'_>, keys: &Keys, now: i64) -> Result<Signed, Fault> {
    let service = claim.service;
    let stamp = http.header("x-amz-date").unwrap_or_default();
    let Some(at) = time::parse_basic(stamp).filter(|_| stamp.starts_with(claim.date)) else {
        let why = "X-Amz-Date must be there, as 20260102T030405Z, and of the scope's date";
        return Err(incomplete(service, why));
    };
    for needed in ["host", "x-amz-date"] {
        if !claim.headers.contains(&needed) {
            let why = format!("'{needed}' must be a 'SignedHeader' in the AWS Authorization.");
            return Err(incomplete(service, &why));
        }
    }
    // A session token is part of keys that nobody is given here.
    let secret = keys.secret(claim.key);
    let secret = secret.filter(|_| http.header("x-amz-security-token").is_none());
    let Some(secret) = secret else {
        return Err(unknown_key(service));
    };
    let canonical = canonical(http, &claim.headers);
    let text = string_to_sign(stamp, claim, &canonical);
    let key = signing_key(secret, claim);
    if hmac::verify(&key, text.as_bytes(), &claim.signature).is_err() {
        return Err(wrong(service));
    }
    check_time(service, at, now)?;
    Ok(Signed {
        key: claim.key.to_owned(),
        region: claim.region.to_owned(),
        service,
        signature: claim.signature.clone().try_into().unwrap_or_default(),
    })
}

impl<'a> Claim<'a> {
    fn read(header: &'a str) -> Result<Self, String> {
        let rest = header.strip_prefix(ALGORITHM);
        let rest = rest.ok_or_else(|| format!("Unsupported AWS 'algorithm': use {ALGORITHM}."))?;
        let parts = rest
            .split(',')
            .filter_map(|part| part.trim().split_once('='));
        let parts: BTreeMap<&str, &str> = parts.collect();
        let part = |name: &str| {
            let missing = || format!("Authorization header requires '{name}' parameter.");
            parts.get(name).copied().ok_or_else(missing)
        };
        let credential: Vec<&str> = part("Credential")?.split('/').collect();
        let [key, date, region, scope, "aws4_request"] = credential[..] else {
            return Err("Credential must have exactly 5 slash-delimited elements.".to_owned());
        };
        let service = Service::of_scope(scope).ok_or_else(|| {
            "Credential should be scoped to a service that is served here".to_owned()
        })?;
        let headers: Vec<&str> = part("SignedHeaders")?.split(';').collect();
        if headers.len() > MOST_HEADERS || !headers.is_sorted() {
            return Err("SignedHeaders must be sorted, and not too many.".to_owned());
        }
        let signature = unhex(part("Signature")?);
        Ok(Self {
            key,
            date,
            region,
            scope,
            service,
            headers,
            signature: signature.ok_or_else(|| "Signature must be 64 hex digits.".to_owned())?,
        })
    }
}

/// The request as both sides write it.
fn canonical(http: &Http<'_>, signed: &[&str]) -> String {
    let mut text = format!(
        "{}\n{}\n{}\n",
        http.method,
        http.path,
        canonical_query(http.query)
    );
    for name in signed {
        let values: Vec<String> = http
            .headers
            .iter()
            .filter(|(header, _)| header.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.split_ascii_whitespace().collect::<Vec<_>>().join(" "))
            .collect();
        let _ = writeln!(text, "{name}:{}", values.join(","));
    }
    let body = hex(digest::digest(&digest::SHA256, http.body).as_ref());
    let _ = write!(text, "\n{}\n{body}", signed.join(";"));
    text
}

fn canonical_query(query: &str) -> String {
    let mut pairs: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes())
        .map(|(name, value)| (encode(&name), encode(&value)))
        .collect();
    pairs.sort();
    let pairs: Vec<String> = pairs.into_iter().map(|(n, v)| format!("{n}={v}")).collect();
    pairs.join("&")
}

/// RFC 3986: all but the unreserved characters.
fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

fn string_to_sign(stamp: &str, claim: &Claim<'_>, canonical: &str) -> String {
    let Claim {
        date,
        region,
        scope,
        ..
    } = claim;
    let hash = hex(digest::digest(&digest::SHA256, canonical.as_bytes()).as_ref());
    format!("{ALGORITHM}\n{stamp}\n{date}/{region}/{scope}/aws4_request\n{hash}")
}

fn signing_key(secret: &str, claim: &Claim<'_>) -> hmac::Key {
    let mut key = format!("AWS4{secret}").into_bytes();
    for part in [claim.date, claim.region, claim.scope, "aws4_request"] {
        let with = hmac::Key::new(hmac::HMAC_SHA256, &key);
        key = hmac::sign(&with, part.as_bytes()).as_ref().to_vec();
    }
    hmac::Key::new(hmac::HMAC_SHA256, &key)
}

fn check_time(service: Service, at: i64, now: i64) -> Result<(), Fault> {
    if (now - at).abs() <= SKEW {
        return Ok(());
    }
    if service == Service::Ec2 {
        return Err(expired());
    }
    let (then, here) = (time::basic(at), time::basic(now));
    let message = if at < now {
        let edge = time::basic(now - SKEW);
        format!("Signature expired: {then} is now earlier than {edge} ({here} - 15 min.)")
    } else {
        let edge = time::basic(now + SKEW);
        format!("Signature not yet current: {then} is still later than {edge} ({here} + 15 min.)")
    };
    Err(Fault::new("SignatureDoesNotMatch", message).with_status(403))
}

/// EC2's words for a request of another time.
pub fn expired() -> Fault {
    Fault::new("RequestExpired", "Request has expired.")
}

fn unsigned(service: Service) -> Fault {
    if service == Service::Ec2 {
        return Fault::missing("AWSAccessKeyId");
    }
    let message = "Request is missing Authentication Token";
    Fault::new("MissingAuthenticationToken", message).with_status(403)
}

fn incomplete(service: Service, why: &str) -> Fault {
    if service == Service::Ec2 {
        return not_validated();
    }
    Fault::new("IncompleteSignature", why)
}

fn unknown_key(service: Service) -> Fault {
    if service == Service::Ec2 {
        return not_validated();
    }
    let message = "The security token included in the request is invalid.";
    Fault::new("InvalidClientTokenId", message).with_status(403)
}

fn wrong(service: Service) -> Fault {
    if service == Service::Ec2 {
        return not_validated();
    }
    let message = "The request signature we calculated does not match the signature you provided. \
                   Check your AWS Secret Access Key and signing method. Consult the service \
                   documentation for details.";
    Fault::new("SignatureDoesNotMatch", message).with_status(403)
}

fn not_validated() -> Fault {
    let message = "AWS was not able to validate the provided access credentials";
    Fault::new("AuthFailure", message).with_status(401)
}

/// The services' words for a region that the cloud doesn't have.
pub fn no_region(service: Service, region: &str) -> Fault {
    let message = format!("Credential should be scoped to a valid region, not '{region}'.");
    match service {
        Service::Ec2 => Fault::new("AuthFailure", message).with_status(401),
        Service::Elbv2 | Service::Sts => {
            Fault::new("SignatureDoesNotMatch", message).with_status(403)
        }
    }
}

/// Lower-case hex digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits = text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    let byte = |i: usize| u8::from_str_radix(text.get(2 * i..2 * i + 2)?, 16).ok();
    digits.then(|| (0..32).map(byte).collect()).flatten()
}

#[cfg(test)]
mod tests;
