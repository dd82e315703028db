//! Published figures and full data sets: minutes of fitting. Needs `../shared/data`, and says so where it is absent.

use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use flate2::{Compression, write::GzEncoder};

use crate::common::{at, root};
use crate::fits::{Options, Program, document};
use crate::trials::{Tier, Trials};

/// A file of the data that are shared beside the repository; none, said aloud, where it is absent.
fn shared(name: &str) -> Option<PathBuf> {
    let path = root().join("../shared/data").join(name);
    if !path.exists() {
        eprintln!("\n*** SKIPPED: {} is absent ***\n", path.display());
    }
    path.exists().then_some(path)
}

/// The linear Poisson code on 16×16 Kodak patches: D + βR within 2 % of what PyTorch gave with the same closed forms and the
/// same preprocessing, its D = Σ(x − x̂)² and R.
fn kodak16(beta: f64, distortion: f64, rate: f64) {
    if shared("kodak24_gray.npz").is_none() {
        return;
    }
    let fit = document(&Program::named("tests/theory/kodak16"), &Options::default().set(format!("beta={beta}")));
    // The Normal likelihood with sd √½ has the constant (D/2) log π besides.
    let ours = (at(&fit, "distortion") - 128.0 * std::f64::consts::PI.ln(), at(&fit, "rate"));
    let (sum, expected) = (ours.0 + beta * ours.1, distortion + beta * rate);
    eprintln!(
        "β = {beta}: D {:.2} / R {:.2}, D + βR {sum:.2} against {expected:.2} ({:+.2} %); zeros {:.3}, {:.0} s",
        ours.0,
        ours.1,
        100.0 * (sum / expected - 1.0),
        at(&fit, "latents.z.zeros"),
        at(&fit, "seconds"),
    );
    assert!((sum / expected - 1.0).abs() < 0.02, "β = {beta}: {ours:?}, D + βR {sum} against {expected}");
}

/// Writes an array of bytes [images, rows, columns] of an npz as idx.gz, the format of the MNIST files.
fn npz_to_idx(archive: &Path, array: &str, shape: [u32; 3], idx: &Path) {
    let mut archive = zip::ZipArchive::new(File::open(archive).unwrap()).unwrap();
    let mut npy = archive.by_name(&format!("{array}.npy")).unwrap();
    // Version 1 of npy: 8 bytes of magic and version, the length of the header, the header.
    let mut start = [0; 10];
    npy.read_exact(&mut start).unwrap();
    assert_eq!(&start[..8], b"\x93NUMPY\x01\x00");
    let mut header = vec![0; usize::from(u16::from_le_bytes([start[8], start[9]]))];
    npy.read_exact(&mut header).unwrap();
    let header = String::from_utf8(header).unwrap();
    assert!(header.contains("'|u1'") && header.contains("'fortran_order': False"), "{header}");
    let mut out = GzEncoder::new(File::create(idx).unwrap(), Compression::fast());
    // Unsigned bytes, three axes.
    out.write_all(&[0, 0, 8, 3]).unwrap();
    shape.iter().for_each(|n| out.write_all(&n.to_be_bytes()).unwrap());
    let written = std::io::copy(&mut npy, &mut out).unwrap();
    assert_eq!(written, shape.iter().map(|&n| u64::from(n)).product::<u64>());
    out.finish().unwrap();
}

/// `--data x=FILE` puts all of MNIST in the place of the gallery's digits.
fn digits_in_full(program: &str) {
    let Some(archive) = shared("mnist.npz") else { return };
    let folder = tempfile::tempdir().unwrap();
    let idx = folder.path().join("train-images.idx.gz");
    npz_to_idx(&archive, "train_x", [60_000, 28, 28], &idx);
    let data = vec![format!("x={}", idx.display())];
    let options = Options { data, ..Options::default().steps(20) };
    let fit = document(&Program::named(&format!("examples/{program}")), &options);
    assert_eq!((at(&fit, "rows"), at(&fit, "heldout.rows")), (54_000.0, 6000.0));
    let (free_energy, held_out) = (at(&fit, "free_energy"), at(&fit, "heldout.free_energy"));
    eprintln!("{program}, 60,000 digits, 20 steps: F {free_energy:.1}, held out {held_out:.1}");
    // Below a coin for every pixel, 784 log 2 = 543 nats, and the same within and without.
    assert!(free_energy < 250.0, "{free_energy}");
    assert!((held_out / free_energy - 1.0).abs() < 0.02, "{held_out} and {free_energy}");
}

/// Every figure.
pub fn trials(trials: &mut Trials) {
    for (beta, distortion, rate) in [(0.5, 132.6, 86.1), (1.0, 165.8, 42.8), (4.0, 237.2, 3.40)] {
        trials.add(format!("figures::kodak16 at β = {beta}"), Tier::Slow, move || kodak16(beta, distortion, rate));
    }
    for program in ["gaussian_vae", "poisson_vae_mnist"] {
        trials.add(format!("figures::{program} of all digits"), Tier::Slow, move || digits_in_full(program));
    }
}
