//! VXLAN's header (RFC 7348 section 5).

use crate::{Malformed, Vni, headers::ETHERNET, wire::array};

/// Bytes of the header.
pub const HEADER: usize = 8;
/// The UDP port that IANA gave it.
pub const PORT: u16 = 4789;

/// "The I flag MUST be set to 1 for a valid VXLAN network ID".
const I_FLAG: u8 = 0x08;

/// Reads the header of a UDP payload; the inner frame is `payload[HEADER..]`.
///
/// A reserved bit that is set is refused, though the RFC has receivers ignore it: later extensions
/// (group policy, GPE) give those bits a meaning that changes what the inner bytes are, and Linux's
/// own device drops what it can't parse for the same reason.
///
/// # Errors
/// A payload that can't hold the header and an inner Ethernet header, a clear I flag, a reserved
/// bit, VNI 0.
#[inline]
pub fn parse(payload: &[u8]) -> Result<Vni, Malformed> {
    let h = array::<HEADER>(payload, 0).ok_or(Malformed::VxlanTruncated)?;
    if h[0] & I_FLAG == 0 {
        return Err(Malformed::VxlanFlag);
    }
    if h[0] != I_FLAG || h[1..4] != [0; 3] || h[7] != 0 {
        return Err(Malformed::VxlanReserved);
    }
    let number = u32::from_be_bytes([0, h[4], h[5], h[6]]);
    if number == 0 {
        return Err(Malformed::VxlanVni);
    }
    if payload.len() < HEADER + ETHERNET {
        return Err(Malformed::VxlanTruncated);
    }
    Vni::try_from(number).map_err(|_| Malformed::VxlanVni)
}

/// The header for a network; reserved bits are zero.
#[inline]
pub fn emit(vni: Vni) -> [u8; HEADER] {
    let [_, a, b, c] = vni.get().to_be_bytes();
    [I_FLAG, 0, 0, 0, a, b, c, 0]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn packet(header: [u8; 8]) -> Vec<u8> {
        [&header[..], &[0; ETHERNET]].concat()
    }

    #[test]
    fn a_clear_i_flag_is_refused_whatever_else_is_set() {
        let bytes = packet([0xf7, 0xff, 0xff, 0xff, 0, 0, 1, 0xff]);
        assert_eq!(parse(&bytes), Err(Malformed::VxlanFlag));
    }

    #[test]
    fn vni_zero_is_refused() {
        assert_eq!(
            parse(&packet([8, 0, 0, 0, 0, 0, 0, 0])),
            Err(Malformed::VxlanVni)
        );
    }

    #[test]
    fn every_length_short_of_an_inner_ethernet_header_is_truncated() {
        let bytes = packet([8, 0, 0, 0, 0, 0, 1, 0]);
        for length in 0..bytes.len() {
            assert_eq!(parse(&bytes[..length]), Err(Malformed::VxlanTruncated));
        }
        assert!(parse(&bytes).is_ok());
    }

    #[test]
    fn each_reserved_bit_alone_is_refused() {
        let clean = packet([8, 0, 0, 0, 0, 0, 1, 0]);
        let reserved = (0..64).filter(|bit| !(32..56).contains(bit) && *bit != 4);
        for bit in reserved {
            let mut bytes = clean.clone();
            bytes[bit / 8] ^= 0x80 >> (bit % 8);
            assert_eq!(parse(&bytes), Err(Malformed::VxlanReserved), "bit {bit}");
        }
    }

    proptest! {
        #[test]
        fn what_is_emitted_parses_back(number in 1..=Vni::MAX) {
            let vni = Vni::try_from(number).unwrap();
            prop_assert_eq!(parse(&packet(emit(vni))), Ok(vni));
        }
    }
}
