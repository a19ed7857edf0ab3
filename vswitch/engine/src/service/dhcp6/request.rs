//! Reads a DHCPv6 client's message without recursion and without copying.
//!
//! Options nest (RFC 8415 section 21), and a decoder that follows them by recursion lets a tenant
//! choose how deep the stack goes. What the answer needs is two levels deep, so two levels are read.

use std::net::Ipv6Addr;

use dhcproto::v6::{MessageType, OptionCode};

/// The most identity associations answered in one message. A host has one per interface and kind;
/// more is a way to make the answer larger than the question.
const MAX_ASSOCIATIONS: usize = 4;
/// The most addresses read of one association: more than an interface holds.
const MAX_ADDRESSES: usize = 32;
/// The longest DUID: a two-byte type and 128 more (RFC 8415 section 11.1).
const MAX_DUID: usize = 130;

/// An identity association's kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    Addresses,
    Temporary,
    Prefix,
}

/// One identity association of the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Association<'a> {
    pub(super) wanted: Wanted,
    pub(super) id: u32,
    options: &'a [u8],
}

impl<'a> Association<'a> {
    fn parse(code: OptionCode, body: &'a [u8]) -> Option<Self> {
        let (wanted, fixed) = match code {
            OptionCode::IANA => (Wanted::Addresses, 12),
            OptionCode::IATA => (Wanted::Temporary, 4),
            OptionCode::IAPD => (Wanted::Prefix, 12),
            _ => return None,
        };
        let id = u32::from_be_bytes(*body.first_chunk::<4>()?);
        Some(Self {
            wanted,
            id,
            options: body.get(fixed..)?,
        })
    }

    /// The addresses that the client names in it.
    pub(super) fn addresses(&self) -> impl Iterator<Item = Ipv6Addr> + use<'a> {
        Options(self.options)
            .filter(|(code, _)| *code == OptionCode::IAAddr)
            .filter_map(|(_, body)| body.first_chunk::<16>())
            .map(|octets| Ipv6Addr::from(*octets))
            .take(MAX_ADDRESSES)
    }
}

/// A client's message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Request<'a> {
    pub(super) kind: MessageType,
    pub(super) transaction: [u8; 3],
    pub(super) client: Option<&'a [u8]>,
    pub(super) server: Option<&'a [u8]>,
    pub(super) rapid_commit: bool,
    options: &'a [u8],
}

impl<'a> Request<'a> {
    /// The message in a UDP payload; `None` where its options don't fill it exactly: a length that
    /// runs over is somebody's mistake or somebody's probe, and neither gets an answer.
    pub(super) fn parse(payload: &'a [u8]) -> Option<Self> {
        let ([kind, transaction @ ..], options) = payload.split_first_chunk::<4>()?;
        let mut request = Self {
            kind: MessageType::from(*kind),
            transaction: *transaction,
            client: None,
            server: None,
            rapid_commit: false,
            options,
        };
        let mut rest = Options(options);
        for (code, body) in rest.by_ref() {
            match code {
                OptionCode::ClientId => request.client = Some(duid(body)?),
                OptionCode::ServerId => request.server = Some(duid(body)?),
                OptionCode::RapidCommit => request.rapid_commit = true,
                _ => {}
            }
        }
        rest.0.is_empty().then_some(request)
    }

    /// Its identity associations, as far as they are answered.
    pub(super) fn associations(&self) -> impl Iterator<Item = Association<'a>> + use<'a> {
        Options(self.options)
            .filter_map(|(code, body)| Association::parse(code, body))
            .take(MAX_ASSOCIATIONS)
    }
}

fn duid(body: &[u8]) -> Option<&[u8]> {
    (3..=MAX_DUID).contains(&body.len()).then_some(body)
}

/// The options of one level. It ends at the first that doesn't fit, leaving its bytes.
struct Options<'a>(&'a [u8]);

impl<'a> Iterator for Options<'a> {
    type Item = (OptionCode, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let ([c0, c1, l0, l1], rest) = self.0.split_first_chunk::<4>()?;
        let length = usize::from(u16::from_be_bytes([*l0, *l1]));
        let (body, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((OptionCode::from(u16::from_be_bytes([*c0, *c1])), body))
    }
}
