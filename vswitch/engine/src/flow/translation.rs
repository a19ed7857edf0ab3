//! How translated flows look on the wire. Few flows are translated, so this lies beside them.

use super::key::FlowKey;

/// No translation.
const NIL: u32 = u32::MAX;

/// The outside keys of translated flows, by the flow's place in the table.
#[derive(Debug, Default)]
pub(super) struct Translations {
    /// By flow; shorter than the table while the rest has none.
    of: Vec<u32>,
    keys: Vec<FlowKey>,
    /// Ticks that the flow may be idle, where that isn't as usual; 0 where it is.
    idle: Vec<u32>,
    free: Vec<u32>,
}

impl Translations {
    #[inline]
    pub(super) fn get(&self, flow: usize) -> Option<&FlowKey> {
        let at = *self.of.get(flow)?;
        self.keys.get(at as usize)
    }

    pub(super) fn set(&mut self, flow: usize, key: FlowKey) {
        self.clear(flow);
        if flow >= self.of.len() {
            self.of.resize(flow + 1, NIL);
        }
        self.of[flow] = match self.free.pop() {
            Some(at) => {
                self.keys[at as usize] = key;
                self.idle[at as usize] = 0;
                at
            }
            None => {
                self.keys.push(key);
                self.idle.push(0);
                self.keys.len() as u32 - 1
            }
        };
    }

    #[inline]
    pub(super) fn idle(&self, flow: usize) -> Option<u32> {
        let at = *self.of.get(flow)?;
        let ticks = *self.idle.get(at as usize)?;
        (ticks > 0).then_some(ticks)
    }

    pub(super) fn set_idle(&mut self, flow: usize, ticks: u32) {
        let at = self.of.get(flow).copied().unwrap_or(NIL);
        if let Some(idle) = self.idle.get_mut(at as usize) {
            *idle = ticks;
        }
    }

    /// The key that the flow had.
    pub(super) fn clear(&mut self, flow: usize) -> Option<FlowKey> {
        let at = std::mem::replace(self.of.get_mut(flow)?, NIL);
        let key = self.keys.get(at as usize).copied();
        if key.is_some() {
            self.free.push(at);
        }
        key
    }
}
