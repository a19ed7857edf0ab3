//! TCP: bytes that both sides know, and a connection that is kept.

use std::{
    io::{self, BufRead as _, Read, Write},
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use super::{Outcome, say};

/// The first byte of a connection says what it is for.
pub(crate) const CHAT: [u8; 1] = *b"C";
const TRANSFER: [u8; 1] = *b"T";

/// Longer than a few retransmissions.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long an echo on a connection may take, retransmissions included.
const WORD: Duration = Duration::from_secs(3);

/// Bytes that both sides know (Marsaglia's xorshift).
struct Known(u64);

impl Known {
    fn fill(&mut self, chunk: &mut [u8]) {
        for part in chunk.chunks_mut(8) {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            part.copy_from_slice(&self.0.to_le_bytes()[..part.len()]);
        }
    }
}

const UP: u64 = 0x9e37_79b9_7f4a_7c15;
const DOWN: u64 = 0xd1b5_4a32_d192_ed03;

/// A multiple of 8, so that both sides cut the stream alike.
const CHUNK: usize = 64 << 10;

fn send(to: &mut impl Write, seed: u64, mut bytes: u64) -> io::Result<()> {
    let (mut known, mut chunk) = (Known(seed), vec![0; CHUNK]);
    while bytes > 0 {
        let part = usize::try_from(bytes).unwrap_or(CHUNK).min(CHUNK);
        known.fill(&mut chunk[..part]);
        to.write_all(&chunk[..part])?;
        bytes -= part as u64;
    }
    Ok(())
}

fn receive(from: &mut impl Read, seed: u64, bytes: u64) -> io::Result<()> {
    let (mut known, mut chunk, mut wanted) = (Known(seed), vec![0; CHUNK], vec![0; CHUNK]);
    let mut left = bytes;
    while left > 0 {
        let part = usize::try_from(left).unwrap_or(CHUNK).min(CHUNK);
        from.read_exact(&mut chunk[..part])?;
        known.fill(&mut wanted[..part]);
        if chunk[..part] != wanted[..part] {
            let at = bytes - left;
            return Err(io::Error::other(format!(
                "other bytes came than were sent, after {at}"
            )));
        }
        left -= part as u64;
    }
    Ok(())
}

pub(crate) fn serve_transfer(stream: &mut TcpStream) -> io::Result<()> {
    let mut lengths = [0; 16];
    stream.read_exact(&mut lengths)?;
    let [up, down] = [0, 8].map(|at| {
        let mut word = [0; 8];
        word.copy_from_slice(&lengths[at..at + 8]);
        u64::from_le_bytes(word)
    });
    receive(stream, UP, up)?;
    stream.write_all(b"+")?;
    send(stream, DOWN, down)
}

/// Sends and fetches; both sides compare every byte.
pub(crate) fn transfer(address: SocketAddr, up: u64, down: u64) -> Outcome {
    let mut stream = connect(address, PATIENCE)?;
    let begin = Instant::now();
    stream.write_all(&TRANSFER)?;
    stream.write_all(&up.to_le_bytes())?;
    stream.write_all(&down.to_le_bytes())?;
    send(&mut stream, UP, up)?;
    let mut answer = [0];
    stream.read_exact(&mut answer)?;
    receive(&mut stream, DOWN, down)?;
    let seconds = begin.elapsed().as_secs_f64();
    Ok(say(format_args!(
        "ok {up} up {down} down in {seconds:.3} s"
    ))?)
}

/// Opens a connection and keeps it: says for each line of the standard input whether it came back.
pub(crate) fn chat(address: SocketAddr) -> Outcome {
    let mut stream = connect(address, WORD)?;
    stream.set_read_timeout(Some(WORD))?;
    stream.write_all(&CHAT)?;
    say("open")?;
    for line in io::stdin().lock().lines() {
        let line = line?;
        stream.write_all(line.as_bytes())?;
        let mut back = vec![0; line.len()];
        match stream.read_exact(&mut back) {
            Ok(()) if back == line.as_bytes() => say("echo")?,
            Ok(()) => say("other bytes")?,
            Err(error) => say(format_args!("silence: {error}"))?,
        }
    }
    Ok(())
}

/// How long an echo may take across the death of what carries it: TCP doubles its pauses.
const SURVIVAL: Duration = Duration::from_secs(20);

/// Opens many connections and keeps them: says for each line of the standard input how many echo it.
pub(crate) fn crowd(address: SocketAddr, count: usize) -> Outcome {
    let open = |_| {
        let mut stream = connect(address, WORD)?;
        stream.set_read_timeout(Some(SURVIVAL))?;
        stream.write_all(&CHAT)?;
        Ok(stream)
    };
    let mut streams: Vec<TcpStream> = (0..count).map(open).collect::<io::Result<_>>()?;
    say(format_args!("open {}", streams.len()))?;
    for line in io::stdin().lock().lines() {
        let line = line?;
        for stream in &mut streams {
            // One that is broken doesn't answer.
            let _ = stream.write_all(line.as_bytes());
        }
        let mut back = vec![0; line.len()];
        let answers = streams.iter_mut().filter_map(|stream| {
            let read = stream.read_exact(&mut back);
            (read.is_ok() && back == line.as_bytes()).then_some(())
        });
        say(format_args!("alive {}", answers.count()))?;
    }
    Ok(())
}

fn connect(address: SocketAddr, patience: Duration) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&address, patience)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}
