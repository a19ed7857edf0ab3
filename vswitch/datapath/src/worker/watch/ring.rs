//! From a worker to a reader: bounded, and without waiting.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use crossbeam_queue::ArrayQueue;

/// One worker's ring of one watch.
pub(crate) struct Ring<T> {
    queue: ArrayQueue<T>,
    missed: AtomicU64,
    closed: AtomicBool,
}

impl<T> Ring<T> {
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            queue: ArrayQueue::new(capacity.max(1)),
            missed: AtomicU64::new(0),
            closed: AtomicBool::new(false),
        }
    }

    /// Keeps it, or counts it where there is no room: then it isn't even made.
    pub(super) fn push(&self, make: impl FnOnce() -> T) {
        if self.queue.is_full() || self.queue.push(make()).is_err() {
            self.missed.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }
}

/// The reading end of all workers' rings; looking ends when it is dropped.
pub struct Watch<T>(Vec<Arc<Ring<T>>>);

impl<T> Watch<T> {
    pub(crate) const fn new(rings: Vec<Arc<Ring<T>>>) -> Self {
        Self(rings)
    }

    /// What was seen since this was asked last, worker by worker.
    pub fn take(&self) -> Vec<T> {
        let rings = self.0.iter();
        // No more than fits at once: a writer that goes on can't keep the reader here.
        let some = |ring: &Arc<Ring<T>>| {
            let ring = Arc::clone(ring);
            let most = ring.queue.capacity();
            (0..most).map_while(move |_| ring.queue.pop())
        };
        rings.flat_map(some).collect()
    }

    /// What didn't fit since the start.
    pub fn missed(&self) -> u64 {
        let missed = self
            .0
            .iter()
            .map(|ring| ring.missed.load(Ordering::Relaxed));
        missed.sum()
    }
}

impl<T> Drop for Watch<T> {
    fn drop(&mut self) {
        for ring in &self.0 {
            ring.closed.store(true, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_counted() {
        let ring = Arc::new(Ring::new(2));
        let watch = Watch::new(vec![Arc::clone(&ring)]);
        for n in 0..5 {
            ring.push(|| n);
        }
        assert_eq!((watch.take(), watch.missed()), (vec![0, 1], 3));
        ring.push(|| 9);
        assert_eq!(watch.take(), [9]);
    }

    #[test]
    fn a_ring_without_a_reader_is_closed() {
        let ring = Arc::new(Ring::<u8>::new(2));
        let watch = Watch::new(vec![Arc::clone(&ring)]);
        assert!(!ring.is_closed());
        drop(watch);
        assert!(ring.is_closed());
    }
}
