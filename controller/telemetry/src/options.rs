//! What a daemon's command line says of how it is watched.

use std::net::SocketAddr;

use clap::{Args, ValueEnum};
use http::Uri;

/// How a daemon is watched.
#[derive(Debug, Clone, Args)]
pub struct TelemetryOptions {
    /// What to log: a level, or levels by module as weft=debug,h2=warn
    #[arg(long, value_name = "FILTER", env = "WEFT_LOG", default_value = "info")]
    pub log: String,

    /// How to log: text for people, or JSON, one object a line
    #[arg(
        long,
        value_name = "text|json",
        env = "WEFT_LOG_FORMAT",
        default_value = "text"
    )]
    pub log_format: LogFormat,

    /// Where Prometheus finds /metrics, as 0.0.0.0:9400; nowhere unless given
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub metrics_listen: Option<SocketAddr>,

    /// Where to send traces by OTLP over gRPC, as http://127.0.0.1:4317; nowhere unless given
    #[arg(long, value_name = "URL", env = "WEFT_OTLP", value_parser = collector)]
    pub otlp: Option<Uri>,

    /// The share of traces to send, 0 to 1, of those that no caller has decided on
    #[arg(long, value_name = "SHARE", default_value = "1", value_parser = share)]
    pub trace_share: f64,
}

impl Default for TelemetryOptions {
    fn default() -> Self {
        Self {
            log: "info".to_owned(),
            log_format: LogFormat::Text,
            metrics_listen: None,
            otlp: None,
            trace_share: 1.0,
        }
    }
}

/// How lines of the log look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For programs: one object a line.
    Json,
}

fn collector(text: &str) -> Result<Uri, String> {
    let wanted = || "http://ADDRESS:PORT is wanted".to_owned();
    let uri: Uri = text.parse().map_err(|_| wanted())?;
    if uri.scheme_str() == Some("http") && uri.authority().is_some() {
        Ok(uri)
    } else {
        Err(wanted())
    }
}

fn share(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(share) if (0.0..=1.0).contains(&share) => Ok(share),
        _ => Err("a number from 0 to 1 is wanted".to_owned()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        options: TelemetryOptions,
    }

    #[test]
    fn nothing_said_opens_no_port_and_sends_nothing() {
        let options = Cli::try_parse_from(["weft"]).unwrap().options;
        assert!(options.metrics_listen.is_none() && options.otlp.is_none());
        assert_eq!(options.log_format, LogFormat::Text);
    }

    #[test]
    fn what_makes_no_sense_is_refused_by_name() {
        for arguments in [
            ["weft", "--otlp", "127.0.0.1:4317"],
            ["weft", "--otlp", "https://collector"],
            ["weft", "--trace-share", "2"],
            ["weft", "--metrics-listen", "9400"],
            ["weft", "--log-format", "xml"],
        ] {
            let error = Cli::try_parse_from(arguments).err().unwrap().to_string();
            assert!(error.contains(arguments[1]), "{error}");
        }
    }
}
