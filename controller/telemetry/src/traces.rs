//! Traces, by OTLP over gRPC to a collector.

use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use http::{HeaderMap, Uri};
use opentelemetry::{
    KeyValue,
    propagation::{Extractor, TextMapPropagator as _},
};
use opentelemetry_otlp::{ExporterBuildError, SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    propagation::TraceContextPropagator,
    trace::{BatchConfigBuilder, BatchSpanProcessor, Sampler, SdkTracerProvider, SpanData},
};
pub use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use crate::page::{Page, Source};

/// Spans that wait to be sent; more are dropped, and nobody waits.
const QUEUE: usize = 4096;
/// Spans in one message.
const BATCH: usize = 512;
/// How long they gather.
const DELAY: Duration = Duration::from_secs(1);
/// How long a collector may take to say that it has them.
const PATIENCE: Duration = Duration::from_secs(5);

/// One process has one exporter, so its counts are the process's.
static SENT: AtomicU64 = AtomicU64::new(0);
static LOST: AtomicU64 = AtomicU64::new(0);

/// What became of spans, for the page of metrics.
#[derive(Debug)]
pub(crate) struct SpanCounts;

impl Source for SpanCounts {
    fn write(&self, page: &mut Page<'_>) -> fmt::Result {
        let rows = [("sent", &SENT), ("lost", &LOST)];
        let rows = rows.map(|(how, n)| ([("outcome", how.to_owned())], n.load(Relaxed)));
        let help = "Spans that a collector took, and those that it didn't.";
        page.counters("weft_trace_spans", help, rows)
    }
}

/// Counts what becomes of spans.
#[derive(Debug)]
struct Counted(SpanExporter);

impl opentelemetry_sdk::trace::SpanExporter for Counted {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len() as u64;
        let told = self.0.export(batch).await;
        let count = if told.is_ok() { &SENT } else { &LOST };
        count.fetch_add(spans, Relaxed);
        told
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.0.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.0.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.0.set_resource(resource);
    }
}

/// Begins to send spans of the service. Needs a tokio runtime around it.
///
/// # Errors
/// When the exporter can't be made.
pub(crate) fn provider(
    collector: &Uri,
    share: f64,
    service: &str,
    instance: &str,
) -> Result<SdkTracerProvider, ExporterBuildError> {
    let exporter = SpanExporter::builder()
        .with_tonic()
        .with_endpoint(collector.to_string())
        .with_timeout(PATIENCE)
        .build()?;
    let batches = BatchConfigBuilder::default()
        .with_max_queue_size(QUEUE)
        .with_max_export_batch_size(BATCH)
        .with_scheduled_delay(DELAY)
        .build();
    let processor = BatchSpanProcessor::builder(Counted(exporter))
        .with_batch_config(batches)
        .build();
    let resource = Resource::builder_empty()
        .with_service_name(service.to_owned())
        .with_attribute(KeyValue::new("service.instance.id", instance.to_owned()))
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .build();
    let own = Sampler::TraceIdRatioBased(share);
    Ok(SdkTracerProvider::builder()
        .with_span_processor(processor)
        .with_sampler(Sampler::ParentBased(Box::new(own)))
        .with_resource(resource)
        .build())
}

/// Makes the span part of the trace that the headers name (W3C Trace Context), if they name one.
pub fn continue_trace(span: &Span, headers: &HeaderMap) {
    if !headers.contains_key("traceparent") {
        return;
    }
    let context = TraceContextPropagator::new().extract(&Headers(headers));
    // Where nothing is sent there is nothing to continue.
    let _ = span.set_parent(context);
}

struct Headers<'h>(&'h HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).and_then(|value| value.to_str().ok())
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(http::HeaderName::as_str).collect()
    }
}
