//! `weft capture`: a workload's packets, each with what became of it.

use std::{
    borrow::Cow,
    fs::File,
    io::{self, BufWriter, Write},
    path::PathBuf,
    process::ExitCode,
    time::Duration,
};

use clap::{Args, ValueEnum};
use pcap_file::{
    DataLink,
    pcapng::{
        PcapNgBlock as _, PcapNgWriter,
        blocks::{
            enhanced_packet::{EnhancedPacketBlock, EnhancedPacketOption},
            interface_description::{InterfaceDescriptionBlock, InterfaceDescriptionOption},
        },
    },
};
use weft_proto::host::v1::{CaptureRequest, Packet};

use super::{FilterArgs, HostArgs, clients, frame, interface, interrupted, moment};
use crate::{
    api::{self, Endpoint},
    error::CliError,
    output,
};

/// Arguments of `weft capture`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  weft capture web-1 --lab quickstart --count 20\n  weft capture web-1 --lab quickstart --where tap,overlay,underlay -w web-1.pcapng\n\nWith `-w -` it is written to standard output: pipe it to `wireshark -k -i -` or `tcpdump -r -`.\nOf the underlay, the outer IP and UDP headers are rebuilt: their source port isn't the one on the wire."
)]
pub(crate) struct CaptureArgs {
    /// The workload or interface: its name or id.
    workload: String,
    /// Where packets are looked at.
    #[arg(
        long = "where",
        value_enum,
        value_delimiter = ',',
        default_value = "tap"
    )]
    points: Vec<Where>,
    #[command(flatten)]
    filter: FilterArgs,
    /// End after so many packets.
    #[arg(long, short = 'n', default_value_t = 10_000, value_name = "N")]
    count: u64,
    /// End after so many seconds.
    #[arg(long, default_value_t = 60, value_name = "S")]
    seconds: u64,
    /// Keep so many bytes of each packet.
    #[arg(long, default_value_t = 9_216, value_name = "BYTES")]
    snaplen: u32,
    /// Write pcapng to this file; `-` is standard output. Left out: a line for each packet.
    #[arg(long, short, value_name = "FILE|-")]
    write: Option<PathBuf>,
    #[command(flatten)]
    hosts: HostArgs,
}

/// A place on a packet's way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Where {
    /// At the workload's device.
    Tap,
    /// Inside the tunnel.
    Overlay,
    /// Under the tunnel, VXLAN and all.
    Underlay,
}

impl Where {
    const ALL: [Self; 3] = [Self::Tap, Self::Overlay, Self::Underlay];

    const fn text(self) -> &'static str {
        match self {
            Self::Tap => "tap",
            Self::Overlay => "overlay",
            Self::Underlay => "underlay",
        }
    }

    const fn link(self) -> DataLink {
        match self {
            Self::Tap | Self::Overlay => DataLink::ETHERNET,
            Self::Underlay => DataLink::RAW,
        }
    }
}

/// Asks the workload's host, and writes until there is enough.
pub(crate) fn run(endpoint: &Endpoint, args: &CaptureArgs) -> Result<ExitCode, CliError> {
    api::runtime()?.block_on(async {
        let interface = interface(endpoint, &args.workload).await?;
        let mut sink = Sink::open(args, &interface.id)?;
        let host = interface.attachment.unwrap_or_default().host;
        let hosts = HostArgs {
            host: host.parse().into_iter().collect(),
            run_dir: args.hosts.run_dir.clone(),
        };
        let request = CaptureRequest {
            filter: Some(args.filter.of(interface.id)),
            points: args
                .points
                .iter()
                .map(|point| point.text().to_owned())
                .collect(),
            most_bytes: args.snaplen,
        };
        let (mut written, mut missed) = (0, 0);
        let end = tokio::time::sleep(Duration::from_secs(args.seconds));
        tokio::pin!(end);
        for mut client in clients(endpoint, &hosts).await? {
            let mut packets = client.capture(request.clone()).await?.into_inner();
            while written < args.count {
                let answer = tokio::select! {
                    answer = packets.message() => answer?,
                    () = &mut end => break,
                    () = interrupted() => break,
                };
                let Some(answer) = answer else {
                    break;
                };
                missed = answer.missed;
                let left = usize::try_from(args.count - written).unwrap_or(usize::MAX);
                for packet in answer.packets.iter().take(left) {
                    sink.put(packet)?;
                    written += 1;
                }
                sink.flush()?;
            }
        }
        note(&format!(
            "{written} packets captured, {missed} came too fast"
        ));
        Ok(ExitCode::SUCCESS)
    })
}

/// To standard error: standard output may be the capture.
fn note(text: &str) {
    // Who can't read it has no use for an error either.
    let _ = writeln!(io::stderr(), "{text}");
}

/// Where packets go.
enum Sink {
    Lines,
    Pcapng(Box<PcapNgWriter<Box<dyn Write>>>),
}

impl Sink {
    fn open(args: &CaptureArgs, interface: &str) -> Result<Self, CliError> {
        let Some(path) = &args.write else {
            return Ok(Self::Lines);
        };
        let out: Box<dyn Write> = if path.as_os_str() == "-" {
            Box::new(io::stdout())
        } else {
            Box::new(File::create(path).map_err(CliError::Output)?)
        };
        let out: Box<dyn Write> = Box::new(BufWriter::new(out));
        let mut writer = PcapNgWriter::new(out).map_err(failed)?;
        for point in Where::ALL {
            let name = format!("{}:{}:{}", args.workload, interface, point.text());
            let block = InterfaceDescriptionBlock {
                linktype: point.link(),
                snaplen: args.snaplen,
                options: vec![
                    InterfaceDescriptionOption::IfName(Cow::Owned(name)),
                    // Nanoseconds.
                    InterfaceDescriptionOption::IfTsResol(9),
                ],
            };
            writer.write_block(&block.into_block()).map_err(failed)?;
        }
        let mut sink = Self::Pcapng(Box::new(writer));
        // A reader at a pipe sees at once what it reads.
        sink.flush()?;
        Ok(sink)
    }

    fn put(&mut self, packet: &Packet) -> Result<(), CliError> {
        match self {
            Self::Lines => line(packet),
            Self::Pcapng(writer) => {
                let at = Where::ALL
                    .iter()
                    .position(|point| point.text() == packet.point);
                let Some(at) = at else {
                    return Ok(());
                };
                let whole = (Cow::Borrowed(&packet.data[..]), packet.length as usize);
                let (data, length) = match Where::ALL[at] {
                    Where::Tap | Where::Overlay => whole,
                    Where::Underlay => match frame::underlay(packet) {
                        Some((bytes, length)) => (Cow::Owned(bytes), length),
                        None => return Ok(()),
                    },
                };
                let block = EnhancedPacketBlock {
                    interface_id: at as u32,
                    timestamp: Duration::from_nanos(packet.unix_nanoseconds),
                    original_len: u32::try_from(length).unwrap_or(u32::MAX),
                    data,
                    options: vec![EnhancedPacketOption::Comment(Cow::Borrowed(
                        &packet.comment,
                    ))],
                };
                writer
                    .write_block(&block.into_block())
                    .map(drop)
                    .map_err(failed)
            }
        }
    }

    fn flush(&mut self) -> Result<(), CliError> {
        match self {
            Self::Lines => Ok(()),
            Self::Pcapng(writer) => writer.get_mut().flush().map_err(CliError::Output),
        }
    }
}

fn failed(error: pcap_file::PcapError) -> CliError {
    match error {
        pcap_file::PcapError::IoError(error) => CliError::Output(error),
        other => CliError::Output(io::Error::other(other)),
    }
}

fn line(packet: &Packet) -> Result<(), CliError> {
    let vxlan = if packet.point == "underlay" { 8 } else { 0 };
    let summary = frame::summary(packet.data.get(vxlan..).unwrap_or_default());
    let around = match packet.point.as_str() {
        "underlay" if packet.egress => format!(" in vxlan to {}", packet.vtep),
        "underlay" => format!(" in vxlan from {}", packet.vtep),
        _ => String::new(),
    };
    let time = moment::time(packet.unix_nanoseconds);
    output::lines(&format!(
        "{time} {:8} {summary}{around}, {} bytes; {}",
        packet.point, packet.length, packet.comment
    ))
}
