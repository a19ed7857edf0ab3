//! What a process says of itself: lines to standard error, spans to a collector.

use std::{
    io::{self, IsTerminal as _},
    time::Duration,
};

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::ExporterBuildError;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing_subscriber::{
    EnvFilter, Layer, Registry, filter::ParseError, layer::SubscriberExt as _,
    util::SubscriberInitExt as _,
};

use crate::{
    options::{LogFormat, TelemetryOptions},
    traces,
};

/// How long a collector may take for the last spans: nobody waits for a dead one.
const LAST: Duration = Duration::from_secs(2);

/// Why a process can't say what it does.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The log filter can't be read.
    #[error("--log: {0}")]
    Log(#[from] ParseError),
    /// Spans can't be sent there.
    #[error("--otlp: {0}")]
    Otlp(#[from] ExporterBuildError),
}

/// Logs and traces of this process, until it is ended.
#[derive(Debug)]
#[must_use = "spans that are not yet sent go with it"]
pub struct Telemetry {
    provider: Option<SdkTracerProvider>,
}

impl Telemetry {
    /// Begins to log to standard error and to send spans. Needs a tokio runtime around it. Where a
    /// subscriber is set already its owner decides what is logged and sent.
    ///
    /// # Errors
    /// When the filter can't be read, or the exporter can't be made.
    pub fn start(
        options: &TelemetryOptions,
        service: &'static str,
        instance: &str,
    ) -> Result<Self, TelemetryError> {
        let filter = EnvFilter::try_new(&options.log)?;
        let lines = tracing_subscriber::fmt::layer()
            .with_writer(io::stderr)
            .with_ansi(io::stderr().is_terminal());
        let lines: Box<dyn Layer<Registry> + Send + Sync> = match options.log_format {
            LogFormat::Text => lines.with_filter(filter).boxed(),
            LogFormat::Json => lines.json().with_filter(filter).boxed(),
        };
        let provider = options.otlp.as_ref();
        let provider = provider
            .map(|collector| traces::provider(collector, options.trace_share, service, instance))
            .transpose()?;
        let spans = provider.as_ref().map(|provider| {
            // Its own transport makes spans too: sending those would make more of them.
            let own = EnvFilter::new("off,weft=info");
            let tracer = provider.tracer(service);
            tracing_opentelemetry::layer()
                .with_tracer(tracer)
                .with_filter(own)
        });
        let _ = tracing_subscriber::registry()
            .with(lines)
            .with(spans)
            .try_init();
        Ok(Self { provider })
    }

    /// Sends what waits, for some seconds at the most.
    pub fn end(self) {
        if let Some(provider) = self.provider
            && let Err(error) = provider.shutdown_with_timeout(LAST)
        {
            tracing::warn!(%error, "the last spans were not sent");
        }
    }
}
