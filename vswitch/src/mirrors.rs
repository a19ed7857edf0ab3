//! The files of mirror sessions: pcapng, named by the session alone, bounded in size.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    io::{self, BufWriter, Write as _},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
        mpsc::{Receiver, RecvTimeoutError},
    },
    time::Duration,
};

use pcap_file::{
    DataLink, PcapError,
    pcapng::{
        PcapNgBlock as _, PcapNgWriter,
        blocks::{
            enhanced_packet::EnhancedPacketBlock,
            interface_description::{InterfaceDescriptionBlock, InterfaceDescriptionOption},
        },
    },
};
use weft_datapath::MirroredFrame;
use weft_model::MirrorSessionId;

/// Bytes of a file before the next one begins.
const LARGE: u64 = 8 << 20;
/// Older files that are kept: with the present one, a session takes 40 MiB at the most.
const OLDER: u32 = 4;
/// Files that are open at once; more are opened anew.
const OPEN: usize = 64;
/// After so long without a packet what was written can be read.
const QUIET: Duration = Duration::from_millis(100);
/// What a block has beside its packet.
const BLOCK: u64 = 32;

/// What became of packets.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    written: AtomicU64,
    failed: AtomicU64,
}

impl Counters {
    /// Each with its name.
    pub(crate) fn named(&self) -> [(&'static str, u64); 2] {
        [
            ("mirror_file_written", self.written.load(Relaxed)),
            ("mirror_file_failed", self.failed.load(Relaxed)),
        ]
    }
}

/// Writes what comes, on a thread of its own, which ends with the workers. `epoch` is the Unix time of
/// the workers' zero, in nanoseconds.
///
/// # Errors
/// There is no thread left.
pub(crate) fn start(
    dir: PathBuf,
    epoch: u64,
    copies: Receiver<MirroredFrame>,
    counters: Arc<Counters>,
) -> io::Result<()> {
    let mut files = Files {
        dir,
        epoch,
        open: BTreeMap::new(),
        counters,
    };
    std::thread::Builder::new()
        .name("weft-mirrors".into())
        .spawn(move || {
            loop {
                match copies.recv_timeout(QUIET) {
                    Ok(copy) => files.put(&copy),
                    Err(RecvTimeoutError::Timeout) => files.flush(),
                    Err(RecvTimeoutError::Disconnected) => return files.flush(),
                }
            }
        })
        .map(drop)
}

struct Files {
    dir: PathBuf,
    epoch: u64,
    open: BTreeMap<MirrorSessionId, SessionFile>,
    counters: Arc<Counters>,
}

struct SessionFile {
    writer: PcapNgWriter<BufWriter<File>>,
    size: u64,
}

impl Files {
    fn put(&mut self, copy: &MirroredFrame) {
        match self.write(copy) {
            Ok(()) => drop(self.counters.written.fetch_add(1, Relaxed)),
            Err(error) => {
                // Once for each spell of it: a full disk would fill the log too.
                if self
                    .counters
                    .failed
                    .fetch_add(1, Relaxed)
                    .is_multiple_of(10_000)
                {
                    tracing::warn!(session = %copy.session, %error, "a mirror's file can't be written");
                }
                self.open.remove(&copy.session);
            }
        }
    }

    fn write(&mut self, copy: &MirroredFrame) -> io::Result<()> {
        let path = self.dir.join(format!("{}.pcapng", copy.session));
        let more = copy.bytes.len() as u64 + BLOCK;
        let full = |file: &SessionFile| file.size + more > LARGE;
        if self.open.get(&copy.session).is_none_or(full) {
            self.open.remove(&copy.session);
            if self.open.len() >= OPEN {
                self.open.clear();
            }
            self.open
                .insert(copy.session, SessionFile::open(&path, more)?);
        }
        let Some(file) = self.open.get_mut(&copy.session) else {
            return Ok(());
        };
        file.size += more;
        let block = EnhancedPacketBlock {
            interface_id: 0,
            timestamp: Duration::from_nanos(self.epoch.saturating_add(copy.at.0)),
            original_len: u32::try_from(copy.length).unwrap_or(u32::MAX),
            data: Cow::Borrowed(&copy.bytes),
            options: Vec::new(),
        };
        let written = file.writer.write_block(&block.into_block());
        written.map(drop).map_err(failed)
    }

    fn flush(&mut self) {
        let counters = &self.counters;
        self.open.retain(|_, file| {
            let flushed = file.writer.get_mut().flush().is_ok();
            counters.failed.fetch_add(u64::from(!flushed), Relaxed);
            flushed
        });
    }
}

impl SessionFile {
    /// Goes on at the end of the file with a section of its own, or begins the next one where it is
    /// large.
    fn open(path: &Path, more: u64) -> io::Result<Self> {
        if let Some(dir) = path.parent() {
            fs::create_dir_all(dir)?;
        }
        let mut size = fs::metadata(path).map_or(0, |file| file.len());
        if size > 0 && size + more > LARGE {
            rotate(path)?;
            size = 0;
        }
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        let mut writer = PcapNgWriter::new(BufWriter::new(file)).map_err(failed)?;
        let interface = InterfaceDescriptionBlock {
            linktype: DataLink::ETHERNET,
            snaplen: 0,
            // Nanoseconds.
            options: vec![InterfaceDescriptionOption::IfTsResol(9)],
        };
        writer
            .write_block(&interface.into_block())
            .map_err(failed)?;
        Ok(Self { writer, size })
    }
}

fn rotate(path: &Path) -> io::Result<()> {
    let numbered = |n: u32| path.with_extension(format!("pcapng.{n}"));
    for n in (1..OLDER).rev() {
        if numbered(n).exists() {
            fs::rename(numbered(n), numbered(n + 1))?;
        }
    }
    fs::rename(path, numbered(1))
}

fn failed(error: PcapError) -> io::Error {
    match error {
        PcapError::IoError(error) => error,
        other => io::Error::other(other),
    }
}

#[cfg(test)]
mod tests {
    use pcap_file::pcapng::{Block, PcapNgReader};
    use weft_engine::Now;

    use super::*;

    fn files(dir: &Path) -> Files {
        Files {
            dir: dir.to_owned(),
            epoch: 0,
            open: BTreeMap::new(),
            counters: Arc::default(),
        }
    }

    fn copy(bytes: usize) -> MirroredFrame {
        MirroredFrame {
            at: Now(7),
            session: MirrorSessionId::from_bits(1),
            length: bytes + 4,
            bytes: vec![1; bytes],
        }
    }

    #[test]
    fn a_file_goes_on_where_it_ended_and_can_be_read() {
        let dir = tempfile::tempdir().unwrap();
        for _ in 0..2 {
            let mut files = files(dir.path());
            files.put(&copy(60));
            files.flush();
        }
        let path = dir.path().join(format!("{}.pcapng", copy(0).session));
        let mut reader = PcapNgReader::new(File::open(path).unwrap()).unwrap();
        let mut packets = Vec::new();
        while let Some(block) = reader.next_block() {
            if let Block::EnhancedPacket(packet) = block.unwrap() {
                packets.push((packet.data.len(), packet.original_len, packet.timestamp));
            }
        }
        assert_eq!(packets, [(60, 64, Duration::from_nanos(7)); 2]);
    }

    #[test]
    fn a_session_takes_so_much_of_the_disk_and_no_more() {
        let dir = tempfile::tempdir().unwrap();
        let mut files = files(dir.path());
        for _ in 0..1000 {
            files.put(&copy(60_000));
        }
        files.flush();
        let mut sizes = Vec::new();
        for entry in fs::read_dir(dir.path()).unwrap() {
            sizes.push(entry.unwrap().metadata().unwrap().len());
        }
        assert_eq!(sizes.len(), 5);
        assert!(sizes.iter().all(|&size| size <= LARGE + 1024), "{sizes:?}");
    }
}
