//! The workspace of a thread for products: room for copies of operands, and a count of the spikes they met.

/// The part of the summed axis that is taken at once.
pub const DEPTH: usize = 128;

/// Rows of the left operand taken at once.
pub const ROWS: usize = 192;

/// Vectors of the right operand's columns taken at once: with the depth, 512 KiB, which stay in the second cache.
pub const VECTORS: usize = 64;

/// A cache line.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([u8; 64]);

/// A thread's own; without room for any product where it is the default.
#[derive(Default)]
pub struct Workspace {
    right: Vec<Line>,
    left: Vec<Line>,
    /// The columns of the spikes of each row of sampled counts, and the end of each row's list.
    pub places: Vec<u32>,
    pub ends: Vec<u32>,
    /// Entries of sampled counts that products looked at, and how many of them were not 0.
    pub entries: u64,
    pub spikes: u64,
}

impl Workspace {
    /// Room for any product.
    pub fn new() -> Self {
        let lines = |bytes: usize| vec![Line([0; 64]); bytes / 64];
        Self {
            right: lines(DEPTH * VECTORS * 64),
            left: lines(DEPTH * ROWS * size_of::<f64>()),
            places: vec![],
            ends: vec![],
            entries: 0,
            spikes: 0,
        }
    }

    /// Room for the right operand: `DEPTH` rows of `VECTORS` vectors of 64 bytes.
    pub fn right(&mut self) -> *mut u8 {
        self.right.as_mut_ptr().cast()
    }

    /// Room for the left operand: `DEPTH` rows of `ROWS` numbers.
    pub fn left(&mut self) -> *mut u8 {
        self.left.as_mut_ptr().cast()
    }
}
