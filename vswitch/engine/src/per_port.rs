//! Something of each port's, kept beside the configuration.

use crate::port::PortIndex;

/// Values by port, made when first asked for; a new port in a slot starts afresh.
#[derive(Debug)]
pub(crate) struct PerPort<T>(Vec<Option<(PortIndex, T)>>);

impl<T> Default for PerPort<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> PerPort<T> {
    pub(crate) fn get_or(&mut self, port: PortIndex, make: impl FnOnce() -> T) -> &mut T {
        let slot = port.slot();
        if slot >= self.0.len() {
            self.0.resize_with(slot + 1, || None);
        }
        let entry = &mut self.0[slot];
        if entry.as_ref().is_none_or(|(holder, _)| *holder != port) {
            *entry = None;
        }
        &mut entry.get_or_insert_with(|| (port, make())).1
    }

    pub(crate) fn get_mut(&mut self, port: PortIndex) -> Option<&mut T> {
        let entry = self.0.get_mut(port.slot())?.as_mut()?;
        (entry.0 == port).then_some(&mut entry.1)
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (PortIndex, &mut T)> {
        let entries = self.0.iter_mut().flatten();
        entries.map(|(port, value)| (*port, value))
    }

    /// Forgets what is no longer wanted.
    pub(crate) fn retain(&mut self, mut wanted: impl FnMut(PortIndex, &mut T) -> bool) {
        for entry in &mut self.0 {
            if entry
                .as_mut()
                .is_some_and(|(port, value)| !wanted(*port, value))
            {
                *entry = None;
            }
        }
    }
}
