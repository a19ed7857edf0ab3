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
                at
            }
            None => {
                self.keys.push(key);
                self.keys.len() as u32 - 1
            }
        };
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
