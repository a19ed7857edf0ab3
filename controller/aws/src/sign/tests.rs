use super::*;

const NOW: i64 = 1_795_900_476;
const BODY: &[u8] = b"Action=DescribeVpcs&Version=2016-11-15";

fn keys() -> Keys {
    Keys::new(["AKIDEXAMPLE:a-secret-of-somebody".parse().unwrap()])
}

/// What a client sends: signed with this secret, for this service, at this time.
struct Request {
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Request {
    fn new(scope: &str, secret: &str, at: i64) -> Self {
        let stamp = time::basic(at);
        let mut headers = vec![
            ("Host".to_owned(), "127.0.0.1:7480".to_owned()),
            ("X-Amz-Date".to_owned(), stamp.clone()),
        ];
        let unsigned = "0".repeat(64);
        let credential = format!("AKIDEXAMPLE/{}/north/{scope}/aws4_request", &stamp[..8]);
        let header = |signature: &str| {
            format!(
                "{ALGORITHM} Credential={credential}, SignedHeaders=host;x-amz-date, Signature={signature}"
            )
        };
        let first = header(&unsigned);
        let claim = Claim::read(&first).unwrap();
        let http = Http {
            headers: &headers,
            ..http(BODY)
        };
        let text = string_to_sign(&stamp, &claim, &canonical(&http, &claim.headers));
        let tag = hmac::sign(&signing_key(secret, &claim), text.as_bytes());
        let signed = header(&hex(tag.as_ref()));
        headers.push(("Authorization".to_owned(), signed));
        let body = BODY.to_vec();
        Self { headers, body }
    }

    fn verify(&self) -> Result<Signed, (Service, Fault)> {
        let http = Http {
            headers: &self.headers,
            ..http(&self.body)
        };
        verify(&http, &keys(), NOW)
    }

    fn code(&self) -> &'static str {
        self.verify().unwrap_err().1.code
    }
}

fn http(body: &[u8]) -> Http<'_> {
    Http {
        method: "POST",
        path: "/",
        query: "",
        headers: &[],
        body,
    }
}

const SECRET: &str = "a-secret-of-somebody";

#[test]
fn a_request_signed_with_a_known_key_says_its_region_and_service() {
    let signed = Request::new("ec2", SECRET, NOW).verify().unwrap();
    assert_eq!(
        (signed.region.as_str(), signed.service),
        ("north", Service::Ec2)
    );
    assert_eq!(signed.key, "AKIDEXAMPLE");
}

#[test]
fn the_documented_example_key_is_derived() {
    // https://docs.aws.amazon.com/IAM/latest/UserGuide/create-signed-request.html
    let header = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20120215/us-east-1/ec2/aws4_request, \
                  SignedHeaders=host, Signature=0000000000000000000000000000000000000000000000000000000000000000";
    let claim = Claim::read(header).unwrap();
    let claim = Claim {
        scope: "iam",
        ..claim
    };
    let key = signing_key("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", &claim);
    let derived = hmac::sign(&key, b"").as_ref().to_vec();
    let raw = [
        0xf4, 0x78, 0x0e, 0x2d, 0x9f, 0x65, 0xfa, 0x89, 0x5f, 0x9c, 0x67, 0xb3, 0x2c, 0xe1, 0xba,
        0xf0, 0xb0, 0xd8, 0xa4, 0x35, 0x05, 0xa0, 0x00, 0xa1, 0xa9, 0xe0, 0x90, 0xd4, 0x14, 0xdb,
        0x40, 0x4d,
    ];
    let expected = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &raw), b"");
    assert_eq!(derived, expected.as_ref());
}

#[test]
fn another_secret_and_another_body_are_refused_in_the_services_own_words() {
    for (scope, expected) in [
        ("ec2", "AuthFailure"),
        ("sts", "SignatureDoesNotMatch"),
        ("elasticloadbalancing", "SignatureDoesNotMatch"),
    ] {
        let wrong = Request::new(scope, "the-secret-of-another", NOW);
        assert_eq!(wrong.code(), expected, "{scope}");
        let mut changed = Request::new(scope, SECRET, NOW);
        changed.body.extend(b"&VpcId.1=vpc-1");
        assert_eq!(changed.code(), expected, "{scope}");
        let mut changed = Request::new(scope, SECRET, NOW);
        changed.headers[0].1 = "elsewhere".to_owned();
        assert_eq!(changed.code(), expected, "{scope}");
    }
}

#[test]
fn an_unknown_key_and_a_session_are_refused() {
    for (scope, expected) in [("ec2", "AuthFailure"), ("sts", "InvalidClientTokenId")] {
        let mut other = Request::new(scope, SECRET, NOW);
        other.headers[2].1 = other.headers[2].1.replace("AKIDEXAMPLE", "AKIDOTHER");
        assert_eq!(other.code(), expected);
        let mut session = Request::new(scope, SECRET, NOW);
        let token = ("X-Amz-Security-Token".to_owned(), "token".to_owned());
        session.headers.push(token);
        assert_eq!(session.code(), expected);
    }
}

#[test]
fn a_request_holds_for_a_quarter_of_an_hour_before_and_after() {
    for at in [NOW - SKEW, NOW + SKEW] {
        assert!(Request::new("ec2", SECRET, at).verify().is_ok());
    }
    for at in [NOW - SKEW - 1, NOW + SKEW + 1] {
        assert_eq!(Request::new("ec2", SECRET, at).code(), "RequestExpired");
        let (_, fault) = Request::new("sts", SECRET, at).verify().unwrap_err();
        assert_eq!((fault.code, fault.status), ("SignatureDoesNotMatch", 403));
        assert!(fault.message.starts_with("Signature "), "{fault}");
    }
}

#[test]
fn what_is_not_signed_or_not_whole_is_refused() {
    let mut bare = Request::new("ec2", SECRET, NOW);
    bare.headers.truncate(2);
    assert_eq!(bare.code(), "MissingParameter");
    bare.body = b"Action=GetCallerIdentity&Version=2011-06-15".to_vec();
    assert_eq!(bare.code(), "MissingAuthenticationToken");
    for (from, to) in [
        ("AWS4-HMAC-SHA256", "AWS4-HMAC-SHA1"),
        ("SignedHeaders=host;x-amz-date", "SignedHeaders=host"),
        (
            "SignedHeaders=host;x-amz-date",
            "SignedHeaders=x-amz-date;host",
        ),
        ("Signature=", "Signature=x"),
        ("/sts/", "/s3/"),
        ("aws4_request", "aws3_request"),
    ] {
        let mut bad = Request::new("sts", SECRET, NOW);
        bad.headers[2].1 = bad.headers[2].1.replace(from, to);
        bad.body = b"Version=2011-06-15".to_vec();
        assert_eq!(bad.code(), "IncompleteSignature", "{to}");
    }
}
