//! How the daemons are watched: metrics for Prometheus, traces for OpenTelemetry, logs for people
//! and programs.
//!
//! Nothing here lies on a packet's way: what the datapath counts is read when somebody asks.
#![forbid(unsafe_code)]

mod logs;
mod options;
mod page;
mod process;
mod serve;
mod traces;

pub use prometheus_client::metrics::histogram::Histogram;

pub use self::{
    logs::{Telemetry, TelemetryError},
    options::{LogFormat, TelemetryOptions},
    page::{Label, Page, Source, latencies},
    serve::{Limits, ListenError, MetricsServer},
    traces::{Span, continue_trace},
};
