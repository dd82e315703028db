//! Philox4x32-10 over lanes, and which element each lane is.

use fe_graph::noise::NoiseKey;

const LOW: u64 = 0xffff_ffff;

/// SplitMix64, which mixes a key's parts.
fn mix(z: u64) -> u64 {
    let z = z.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The generator under one key.
pub(super) struct Generator {
    rounds: [[u64; 2]; 10],
}

impl Generator {
    #[inline(always)]
    pub(super) fn new(key: NoiseKey) -> Self {
        let key = mix(mix(mix(key.seed) ^ key.site.0) ^ key.step);
        let (mut low, mut high) = (key as u32, (key >> 32) as u32);
        // A loop, for `map` is a call and would leave the vector code.
        let mut rounds = [[0; 2]; 10];
        for keys in &mut rounds {
            *keys = [u64::from(low), u64::from(high)];
            (low, high) = (low.wrapping_add(0x9e37_79b9), high.wrapping_add(0xbb67_ae85));
        }
        Self { rounds }
    }

    /// The words of the block of this number in the stream of each lane's element. The four counters are kept in u64s
    /// whose high halves mean nothing: one product then gives both halves where they are wanted.
    #[inline(always)]
    pub(super) fn words<const N: usize>(&self, block: &[u64; N], rest: &[u64; N], row: &[u64; N]) -> [[u32; N]; 4] {
        let mut words = [[0; N]; 4];
        let [w0, w1, w2, w3] = &mut words;
        let places = block.iter().zip(rest.iter().zip(row));
        for (((w0, w1), (w2, w3)), (block, (rest, row))) in w0.iter_mut().zip(w1).zip(w2.iter_mut().zip(w3)).zip(places)
        {
            let mut c = [*block, *rest, *row, *row >> 32];
            for [low, high] in self.rounds {
                let [c0, c1, c2, c3] = c;
                let (p, q) = ((c0 & LOW) * 0xd251_1f53, (c2 & LOW) * 0xcd9e_8d57);
                c = [(q >> 32) ^ c1 ^ low, q, (p >> 32) ^ c3 ^ high, p];
            }
            let [c0, c1, c2, c3] = c;
            (*w0, *w1, *w2, *w3) = (c0 as u32, c1 as u32, c2 as u32, c3 as u32);
        }
        words
    }
}

/// Walks the elements of a [row, rest] tensor.
pub(super) struct Places<'a> {
    rows: std::slice::Iter<'a, u64>,
    width: u64,
    row: u64,
    rest: u64,
}

impl<'a> Places<'a> {
    #[inline(always)]
    pub(super) fn new(rows: &'a [u64], width: usize) -> Self {
        let mut rows = rows.iter();
        let row = rows.next().copied().unwrap_or(0);
        Self { rows, width: width.max(1) as u64, row, rest: 0 }
    }

    /// The next elements, row-major. Beyond the last row they mean nothing.
    #[inline(always)]
    pub(super) fn next<const N: usize>(&mut self, rest: &mut [u64; N], row: &mut [u64; N]) {
        if self.rest + N as u64 <= self.width {
            for (k, (rest, row)) in (self.rest..).zip(rest.iter_mut().zip(row)) {
                (*rest, *row) = (k, self.row);
            }
            self.rest += N as u64;
            return;
        }
        for (rest, row) in rest.iter_mut().zip(row) {
            if self.rest >= self.width {
                self.rest = 0;
                self.row = self.rows.next().copied().unwrap_or(0);
            }
            (*rest, *row) = (self.rest, self.row);
            self.rest += 1;
        }
    }
}
