//! Any frames out of a port, one after the other, beside another tenant with the same addresses.
#![no_main]

mod towns;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let (mut net, sender, own) = towns::build();
    for frame in towns::frames(input) {
        let mut frame = frame.to_vec();
        // Half of the frames get past the first check of all.
        if frame.len() >= 12 && frame[0] & 2 == 0 {
            frame[6..12].copy_from_slice(&sender.mac.octets());
        }
        let fate = net.send(&sender, frame);
        for (interface, frame) in &fate.delivered {
            assert!(own.contains(interface), "crossed to another tenant");
            assert!(weft_packet::headers::Headers::parse(frame).is_ok());
        }
    }
});
