//! Big-endian reads at an offset that may lie outside the bytes.

/// The `N` bytes at `at`; `None` where they don't all exist.
#[inline]
pub(crate) fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<&[u8; N]> {
    bytes.get(at..)?.first_chunk()
}

/// The `N` bytes at `at`, to write; `None` where they don't all exist.
#[inline]
pub(crate) fn array_mut<const N: usize>(bytes: &mut [u8], at: usize) -> Option<&mut [u8; N]> {
    bytes.get_mut(at..)?.first_chunk_mut()
}

/// The 16-bit number at `at`.
#[inline]
pub(crate) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    array(bytes, at).map(|b| u16::from_be_bytes(*b))
}

/// Writes the 16-bit number at `at`; nothing happens outside the bytes.
#[inline]
pub(crate) fn put_u16(bytes: &mut [u8], at: usize, value: u16) {
    if let Some(slot) = array_mut(bytes, at) {
        *slot = value.to_be_bytes();
    }
}
