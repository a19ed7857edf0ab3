//! A page of metrics, written at each scrape from what is counted anyway.

use std::fmt;

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric as _},
    metrics::{
        MetricType,
        counter::ConstCounter,
        gauge::ConstGauge,
        histogram::{Histogram, exponential_buckets},
    },
};

/// A label's name and value.
pub type Label = (&'static str, String);

/// What has something to tell at a scrape.
pub trait Source: fmt::Debug + Send + Sync + 'static {
    /// Writes its families, each once, whether there are rows or not: who draws a graph finds the
    /// name before it first counts. Runs on a thread that may wait for milliseconds.
    ///
    /// # Errors
    /// When the page takes no more.
    fn write(&self, page: &mut Page<'_>) -> fmt::Result;
}

/// What is written at a scrape. Names have their unit and no `_total`, which counters get.
#[derive(Debug)]
pub struct Page<'a>(DescriptorEncoder<'a>);

impl Page<'_> {
    /// A count that only grows.
    ///
    /// # Errors
    /// When the page takes no more; so below.
    pub fn counter(&mut self, name: &str, help: &str, count: u64) -> fmt::Result {
        self.counters(name, help, [([], count)])
    }

    /// Counts that only grow, by labels.
    ///
    /// # Errors
    /// As above.
    pub fn counters<const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        rows: impl IntoIterator<Item = ([Label; N], u64)>,
    ) -> fmt::Result {
        let kind = MetricType::Counter;
        let mut family = self.0.encode_descriptor(name, help, None, kind)?;
        for (labels, count) in rows {
            let row = family.encode_family(&labels)?;
            ConstCounter::new(count).encode(row)?;
        }
        Ok(())
    }

    /// A number that comes and goes.
    ///
    /// # Errors
    /// As above.
    pub fn gauge(&mut self, name: &str, help: &str, value: f64) -> fmt::Result {
        self.gauges(name, help, [([], value)])
    }

    /// Numbers that come and go, by labels.
    ///
    /// # Errors
    /// As above.
    pub fn gauges<const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        rows: impl IntoIterator<Item = ([Label; N], f64)>,
    ) -> fmt::Result {
        let kind = MetricType::Gauge;
        let mut family = self.0.encode_descriptor(name, help, None, kind)?;
        for (labels, value) in rows {
            let row = family.encode_family(&labels)?;
            ConstGauge::new(value).encode(row)?;
        }
        Ok(())
    }

    /// How often a value fell into which bucket.
    ///
    /// # Errors
    /// As above.
    pub fn histogram(&mut self, name: &str, help: &str, histogram: &Histogram) -> fmt::Result {
        self.histograms(name, help, [([], histogram)])
    }

    /// The same, by labels.
    ///
    /// # Errors
    /// As above.
    pub fn histograms<'h, const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        rows: impl IntoIterator<Item = ([Label; N], &'h Histogram)>,
    ) -> fmt::Result {
        let kind = MetricType::Histogram;
        let mut family = self.0.encode_descriptor(name, help, None, kind)?;
        for (labels, histogram) in rows {
            histogram.encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

/// A histogram for times in seconds, from 50 µs to 13 s by factors of four: ten buckets tell a
/// stall from a flush to disk and a flush from a lookup.
pub fn latencies() -> Histogram {
    Histogram::new(exponential_buckets(50e-6, 4.0, 10))
}

/// A source as the library asks it.
#[derive(Debug)]
pub(crate) struct Adapter(pub(crate) Box<dyn Source>);

impl Collector for Adapter {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        self.0.write(&mut Page(encoder))
    }
}
