//! Any UDP payloads from a known VTEP, one after the other.
#![no_main]

mod towns;

use libfuzzer_sys::fuzz_target;
use weft_packet::vxlan;

fuzz_target!(|input: &[u8]| {
    let (mut net, sender, own) = towns::build();
    let source = net.vtep(sender.host);
    for frame in towns::frames(input) {
        let mut payload = frame.to_vec();
        // Half of them are in the network of the first tenant.
        let first = payload.len() >= 8 && payload[0] & 1 == 0;
        if first {
            payload[..8].copy_from_slice(&vxlan::emit(sender.tenant.vni));
        }
        let fate = net.inject(1 - sender.host, source, payload);
        assert!(fate.wire.is_empty(), "answered a tunnel");
        for (interface, _) in &fate.delivered {
            assert!(
                !first || own.contains(interface),
                "crossed to another tenant"
            );
        }
    }
});
