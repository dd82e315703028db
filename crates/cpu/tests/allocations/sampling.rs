//! Once its scratch has been used, sampling allocates nothing.

use crate::counting::{allocations, alone};
use fe_cpu::isa::Isa;
use fe_cpu::sampling::{ArrivalScratch, arrivals, noise};
use fe_graph::noise::NoiseKey;
use fe_graph::{Indicator, NoiseKind, Site};

#[test]
fn nothing_is_allocated_after_the_first_use() {
    let _turn = alone();
    let (rows, width) = ([3, 5, 8, 13], 300);
    let n = rows.len() * width;
    let log_rate: Vec<f32> = (0..n).map(|k| (k % 12) as f32 - 6.0).collect();
    let (mut a, mut b) = (vec![0.0_f32; n], vec![0.0_f32; n]);
    let mut scratch = ArrivalScratch::default();
    let isa = Isa::detect();
    let mut run = |step| {
        let key = NoiseKey { seed: 1, site: Site::named("z"), step };
        for kind in [NoiseKind::Normal, NoiseKind::Uniform, NoiseKind::Exponential] {
            noise(isa, key, kind, &rows, width, &mut a);
        }
        let outs = &mut [a.as_mut_slice(), b.as_mut_slice()];
        arrivals(isa, key, Indicator::Cubic, &[0, 1], 0.2, &log_rate, &rows, width, outs, &mut scratch);
    };
    run(0);
    let before = allocations();
    (1..20).for_each(&mut run);
    // The test's own thread may print meanwhile; a step that allocated would count 19 or more.
    let counted = allocations() - before;
    assert!(counted < 19, "{counted} allocations");
}
