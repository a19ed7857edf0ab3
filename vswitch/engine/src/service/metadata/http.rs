//! As much of HTTP/1.1 (RFC 9112) as the metadata service speaks: one request and one response on a
//! connection, no bodies in requests.

use std::fmt::Write as _;

/// Bytes of a request at most.
const LONGEST: usize = 4 << 10;
/// Headers of a request at most.
const HEADERS: usize = 32;
const TOKEN: &str = "x-aws-ec2-metadata-token";
const TTL: &str = "x-aws-ec2-metadata-token-ttl-seconds";

/// What a request asks to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    Get,
    Head,
    Put,
    Other,
}

/// A request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Request {
    pub(super) method: Method,
    /// Without a query.
    pub(super) path: String,
    pub(super) token: Option<String>,
    /// The seconds that a token is asked for.
    pub(super) ttl: Option<u32>,
    /// Whether a proxy says that it passed it on.
    pub(super) forwarded: bool,
}

/// Why there is no request (yet).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reading {
    /// More has to come.
    Partial,
    /// More than anybody needs to say.
    TooLong,
    /// It isn't HTTP.
    Malformed,
}

impl Request {
    /// Reads what came so far.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, Reading> {
        let mut headers = [httparse::EMPTY_HEADER; HEADERS];
        let mut parsed = httparse::Request::new(&mut headers);
        match parsed.parse(bytes) {
            Ok(httparse::Status::Complete(_)) => {}
            Ok(httparse::Status::Partial) if bytes.len() < LONGEST => return Err(Reading::Partial),
            Ok(httparse::Status::Partial) | Err(httparse::Error::TooManyHeaders) => {
                return Err(Reading::TooLong);
            }
            Err(_) => return Err(Reading::Malformed),
        }
        let path = parsed.path.unwrap_or_default();
        let path = path.split('?').next().unwrap_or_default();
        let mut request = Self {
            method: match parsed.method {
                Some("GET") => Method::Get,
                Some("HEAD") => Method::Head,
                Some("PUT") => Method::Put,
                _ => Method::Other,
            },
            path: path.to_owned(),
            token: None,
            ttl: None,
            forwarded: false,
        };
        for header in parsed.headers.iter() {
            request.note(header);
        }
        Ok(request)
    }

    fn note(&mut self, header: &httparse::Header<'_>) {
        let value = std::str::from_utf8(header.value).unwrap_or_default().trim();
        if header.name.eq_ignore_ascii_case(TOKEN) {
            self.token = Some(value.to_owned());
        } else if header.name.eq_ignore_ascii_case(TTL) {
            self.ttl = value.parse().ok();
        } else if header.name.eq_ignore_ascii_case("x-forwarded-for") {
            self.forwarded = true;
        }
    }
}

/// A response.
#[derive(Debug)]
pub(super) struct Response {
    code: u16,
    reason: &'static str,
    kind: &'static str,
    ttl: Option<u32>,
    body: Vec<u8>,
}

impl Response {
    pub(super) fn text(text: String) -> Self {
        Self {
            code: 200,
            reason: "OK",
            kind: "text/plain",
            ttl: None,
            body: text.into_bytes(),
        }
    }

    pub(super) fn bytes(body: Vec<u8>) -> Self {
        Self {
            kind: "application/octet-stream",
            body,
            ..Self::text(String::new())
        }
    }

    pub(super) fn error(code: u16, reason: &'static str) -> Self {
        Self {
            code,
            reason,
            ..Self::text(format!("{code} - {reason}\n"))
        }
    }

    pub(super) fn with_ttl(self, ttl: u32) -> Self {
        Self {
            ttl: Some(ttl),
            ..self
        }
    }

    /// As it travels; `head`: without the body, which is only spoken of.
    pub(super) fn encode(&self, head: bool) -> Vec<u8> {
        let mut text = format!("HTTP/1.1 {} {}\r\n", self.code, self.reason);
        // Writing to a string doesn't fail.
        let _ = write!(text, "Content-Type: {}\r\n", self.kind);
        let _ = write!(text, "Content-Length: {}\r\n", self.body.len());
        if let Some(ttl) = self.ttl {
            let _ = write!(text, "X-Aws-Ec2-Metadata-Token-Ttl-Seconds: {ttl}\r\n");
        }
        text.push_str("Server: weft\r\nConnection: close\r\n\r\n");
        let mut bytes = text.into_bytes();
        if !head {
            bytes.extend_from_slice(&self.body);
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_read_once_it_is_whole() {
        let text =
            b"PUT /latest/api/token?x HTTP/1.1\r\nX-aws-ec2-metadata-token-TTL-seconds: 60\r\n\r\n";
        assert_eq!(Request::read(&text[..40]), Err(Reading::Partial));
        let request = Request::read(text).unwrap();
        assert_eq!((request.method, request.ttl), (Method::Put, Some(60)));
        assert_eq!(request.path, "/latest/api/token");
    }

    #[test]
    fn endless_and_strange_requests_are_refused() {
        let endless = format!("GET / HTTP/1.1\r\nA: {}", "x".repeat(LONGEST));
        assert_eq!(Request::read(endless.as_bytes()), Err(Reading::TooLong));
        let many = format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(33));
        assert_eq!(Request::read(many.as_bytes()), Err(Reading::TooLong));
        assert_eq!(Request::read(b"\x16\x03\x01\x00"), Err(Reading::Malformed));
    }
}
