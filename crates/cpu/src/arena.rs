//! The memory of a plan, shared by its threads.

#![allow(unsafe_code)]

use std::cell::UnsafeCell;

use memmap2::MmapMut;

use crate::math::Real;

/// All buffers of a plan in one block, aligned to pages, large ones where the system has them: the rows of a
/// matrix lie on many pages, and to look each up costs more than its numbers.
///
/// Threads read and write it at once. What makes that sound: a plan's buffers do not overlap while they live; within a
/// phase every task writes only the rows, the tile or the buffers that are its own, and reads only those and what
/// earlier phases left; a barrier parts the phases. `fe_graph::plan` builds phases by that rule.
pub struct Arena<T> {
    memory: UnsafeCell<MmapMut>,
    base: *mut T,
    len: usize,
}

// SAFETY: the numbers are plain; access is governed by the rule above.
unsafe impl<T: Real> Sync for Arena<T> {}
// SAFETY: `base` points into `memory`, which moves along with it.
unsafe impl<T: Real> Send for Arena<T> {}

impl<T: Real> Arena<T> {
    /// Elements, at most: 1 TiB of f64.
    pub const MOST: usize = 1 << 37;

    /// A block of zeros, where there is the memory.
    pub fn new(len: usize) -> Option<Self> {
        if len > Self::MOST {
            return None;
        }
        let mut memory = MmapMut::map_anon((len * size_of::<T>()).max(1)).ok()?;
        // Small pages do as well, only slower.
        #[cfg(target_os = "linux")]
        let _ = memory.advise(memmap2::Advice::HugePage);
        // New memory is all zero bytes, which is the number 0; pages are aligned to more than T needs.
        let base = memory.as_mut_ptr().cast::<T>();
        Some(Self { memory: UnsafeCell::new(memory), base, len })
    }

    /// Elements.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Some elements.
    ///
    /// # Safety
    /// No one may write them while the slice lives.
    #[inline(always)]
    pub unsafe fn read(&self, start: usize, len: usize) -> &[T] {
        assert!(start <= self.len && len <= self.len - start, "a plan reads outside of its memory");
        // SAFETY: in bounds by the line above; not written to by the caller's promise.
        unsafe { std::slice::from_raw_parts(self.base.add(start), len) }
    }

    /// Some elements, to be written.
    ///
    /// # Safety
    /// No one else may read or write them while the slice lives.
    #[inline(always)]
    #[allow(clippy::mut_from_ref)]
    pub unsafe fn write(&self, start: usize, len: usize) -> &mut [T] {
        assert!(start <= self.len && len <= self.len - start, "a plan writes outside of its memory");
        // SAFETY: in bounds by the line above; alone by the caller's promise.
        unsafe { std::slice::from_raw_parts_mut(self.base.add(start), len) }
    }

    /// All of it, while no plan runs.
    pub fn all(&mut self) -> &mut [T] {
        let _ = self.memory.get_mut();
        // SAFETY: `&mut self` is the only access.
        unsafe { std::slice::from_raw_parts_mut(self.base, self.len) }
    }

    /// The address of an element, for kernels that take pointers.
    pub fn pointer(&self, start: usize) -> *mut T {
        self.base.wrapping_add(start.min(self.len))
    }
}
