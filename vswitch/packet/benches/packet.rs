//! What the parsers and the segmentation cost: `cargo bench -p weft-packet`.
#![allow(missing_docs, clippy::unwrap_used)]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use etherparse::PacketBuilder;
use weft_packet::{
    checksum::{self, Sum},
    gro::Coalescer,
    gso::Segments,
    headers::{Body, Headers},
    offload::{Offload, SegmentKind, Segmentation},
    vxlan,
};

fn tcp(payload: usize) -> Vec<u8> {
    let mut out = Vec::new();
    PacketBuilder::ethernet2([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2])
        .ipv4([10, 0, 0, 4], [10, 0, 1, 5], 64)
        .tcp(40000, 443, 1, 5000)
        .ack(7)
        .write(&mut out, &vec![0x5a; payload])
        .unwrap();
    out
}

fn tcp6(payload: usize) -> Vec<u8> {
    let mut out = Vec::new();
    PacketBuilder::ethernet2([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2])
        .ipv6([0xfd; 16], [0xfc; 16], 64)
        .tcp(40000, 443, 1, 5000)
        .ack(7)
        .write(&mut out, &vec![0x5a; payload])
        .unwrap();
    out
}

fn parse(c: &mut Criterion) {
    let mut group = c.benchmark_group("parse");
    for (name, frame) in [("tcp4_64", tcp(10)), ("tcp6_84", tcp6(10))] {
        group.bench_function(name, |b| b.iter(|| Headers::parse(black_box(&frame))));
    }
}

fn sums(c: &mut Criterion) {
    let mut group = c.benchmark_group("checksum");
    for length in [20usize, 1500, 65536] {
        let bytes = vec![0x5a; length];
        group.throughput(Throughput::Bytes(length as u64));
        group.bench_function(length.to_string(), |b| {
            b.iter(|| Sum::of(black_box(&bytes)).checksum());
        });
    }
}

const PAYLOAD: usize = 64_000;
const SIZE: u16 = 1396;

fn super_frame() -> (Vec<u8>, Headers, Offload) {
    let mut frame = tcp(PAYLOAD);
    let headers = Headers::parse(&frame).unwrap();
    let Body::Ip(ip) = headers.body else {
        unreachable!("IPv4")
    };
    let checksum = checksum::open(&mut frame, &ip).unwrap();
    let segmentation = Some(Segmentation {
        kind: SegmentKind::Tcp4,
        size: SIZE,
    });
    (
        frame,
        headers,
        Offload {
            checksum,
            segmentation,
        },
    )
}

fn gso(c: &mut Criterion) {
    let (frame, headers, offload) = super_frame();
    let mut group = c.benchmark_group("gso");
    group.throughput(Throughput::Bytes(PAYLOAD as u64));
    group.bench_function("tcp4_64000", |b| {
        let mut scratch = [0; 256];
        b.iter(|| {
            let segments = Segments::new(black_box(&frame), &headers, offload).unwrap();
            for index in 0..segments.count() {
                black_box(segments.write(index, &mut scratch));
            }
        });
    });
}

fn gro(c: &mut Criterion) {
    let (frame, headers, offload) = super_frame();
    let segments = Segments::new(&frame, &headers, offload).unwrap();
    let mut scratch = vec![0; segments.header_len()];
    let mut buffer = Vec::new();
    for index in 0..segments.count() {
        let payload = segments.write(index, &mut scratch).unwrap();
        buffer.extend_from_slice(&[0; vxlan::HEADER]);
        buffer.extend_from_slice(&scratch);
        buffer.extend_from_slice(&frame[payload]);
    }
    let stride = segments.frame_len() + vxlan::HEADER;
    let mut group = c.benchmark_group("gro");
    group.throughput(Throughput::Bytes(PAYLOAD as u64));
    for (name, compact) in [("gather_64000", false), ("compact_64000", true)] {
        let mut work = buffer.clone();
        group.bench_function(name, |b| {
            b.iter(|| {
                // The walk rewrites the first headers, compacting the rest: start afresh each time.
                let fresh = if compact { buffer.len() } else { stride };
                work[..fresh].copy_from_slice(&buffer[..fresh]);
                let group = Coalescer::new(stride, vxlan::HEADER)
                    .next(&mut work)
                    .unwrap();
                assert_eq!(group.count, segments.count());
                if compact {
                    black_box(group.compact(&mut work));
                }
            });
        });
    }
}

criterion_group!(benches, parse, sums, gso, gro);
criterion_main!(benches);
