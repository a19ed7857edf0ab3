use proptest::prelude::*;

use super::*;
use crate::{checksum, samples};

fn datagram(length: usize) -> Vec<u8> {
    let mut frame = samples::udp(true, &samples::payload(length));
    frame[20] &= !0x40;
    let ip = samples::ip(&frame);
    checksum::fill_l3(&mut frame, &ip);
    frame
}

fn cut(frame: &[u8], mtu: usize) -> Result<Vec<Vec<u8>>, Refused> {
    let mut pieces = Vec::new();
    let ip = samples::ip(frame);
    fragment(frame, &ip, mtu, &mut Vec::new(), |piece| {
        pieces.push(piece.to_vec());
    })?;
    Ok(pieces)
}

/// The payload put together again, with whether the last piece says that more follow.
fn joined(pieces: &[Vec<u8>], base: usize) -> (Vec<u8>, bool) {
    let mut whole = Vec::new();
    let mut more = true;
    for piece in pieces {
        let ip = samples::ip(piece);
        assert!(more && checksum::verify_l3(piece, &ip).is_ok());
        let at = ip.fragment.unwrap();
        assert_eq!(usize::from(at.offset), base + whole.len());
        whole.extend_from_slice(&piece[ip.l4..ip.end]);
        more = at.more;
    }
    (whole, more)
}

#[test]
fn a_packet_that_fits_goes_whole_without_its_padding() {
    let frame = datagram(100);
    let padded = [&frame[..], &[0; 9]].concat();
    assert_eq!(cut(&padded, 128).unwrap(), [frame]);
}

#[test]
fn df_and_ipv6_are_never_cut() {
    let mut df = datagram(2000);
    df[20] |= 0x40;
    assert_eq!(cut(&df, 1500), Err(Refused::DontFragment));
    assert_eq!(
        cut(&samples::udp(false, &[0; 2000]), 1500),
        Err(Refused::DontFragment)
    );
}

#[test]
fn an_mtu_that_holds_no_payload_is_refused() {
    for mtu in [0, 19, 20, 27] {
        assert_eq!(cut(&datagram(100), mtu), Err(Refused::MtuTooSmall { mtu }));
    }
    assert!(cut(&datagram(100), 28).is_ok());
}

#[test]
fn a_fragment_is_cut_on_from_its_own_place() {
    let first = cut(&datagram(4000), 3000).unwrap();
    let smaller: Vec<_> = first.iter().flat_map(|f| cut(f, 700).unwrap()).collect();
    let (whole, more) = joined(&smaller, 0);
    assert_eq!((whole, more), (datagram(4000)[34..].to_vec(), false));
}

#[test]
fn options_that_are_not_copied_become_no_operation() {
    let mut frame = datagram(200);
    // Record route (not copied), then router alert (copied), then padding.
    let options = [7, 3, 4, 0x94, 4, 0, 0, 0];
    frame.splice(34..34, options);
    frame[14] = 0x47;
    let total = (frame.len() - 14) as u16;
    frame[16..18].copy_from_slice(&total.to_be_bytes());
    let pieces = cut(&frame, 128).unwrap();
    assert_eq!(pieces[0][34..42], options);
    assert_eq!(pieces[1][34..42], [1, 1, 1, 0x94, 4, 0, 0, 0]);
}

#[test]
fn options_that_lie_about_their_length_end_the_walk() {
    for mut options in [[7u8, 0, 7, 255], [7, 1, 1, 7], [0x87, 255, 7, 7]] {
        blank_uncopied(&mut options);
    }
    let mut cut_short = [1, 1, 7];
    blank_uncopied(&mut cut_short);
    assert_eq!(cut_short, [1, 1, 1]);
}

proptest! {
    #[test]
    fn pieces_fit_and_make_up_the_packet_again(length in 0usize..9000, mtu in 28usize..2000) {
        let frame = datagram(length);
        let pieces = cut(&frame, mtu).unwrap();
        if pieces.len() > 1 {
            prop_assert!(pieces.iter().all(|p| p.len() - 14 <= mtu));
            prop_assert_eq!(joined(&pieces, 0), (frame[34..].to_vec(), false));
        }
    }
}
