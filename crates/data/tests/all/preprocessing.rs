//! Patches, whitening, standardization and draws.

use std::path::{Path, PathBuf};

use crate::common::*;
use fe_data::{Channels, Options, Reader, Source, Stage, Statistic, header, load, load_with};

fn kodak() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/data/natural/*.png")
}

fn seeded(pattern: PathBuf, size: usize, count: usize, seed: u64, border: usize) -> Source {
    let channels = Channels::Grey;
    source(Reader::Patches { pattern, array: None, images: None, channels, size, count, seed, border, moving: None })
}

#[test]
fn patches_are_cut_from_the_images_at_uniform_places() {
    let folder = Folder::new();
    // The level tells image, row and column: images of 12 × 20 and 10 × 10 pixels.
    folder.write("p/a.png", png(12, 20, |row, column| (row * 20 + column) as u8));
    let array = load(&seeded(folder.path("p/a.png"), 3, 20_000, 1, 1)).unwrap();
    assert_eq!(array.shape, [20_000, 9]);
    let mut places = vec![0usize; 12 * 20];
    for patch in array.values.chunks_exact(9) {
        let levels: Vec<i64> = patch.iter().map(|x| (x * 255.0).round() as i64).collect();
        let corner = levels[0];
        let expected: Vec<i64> = (0..9).map(|i| corner + (i / 3) * 20 + i % 3).collect();
        assert_eq!(levels, expected);
        places[corner as usize] += 1;
    }
    // Corners lie in rows 1..=8 and columns 1..=16: 128 places of 156 patches on average.
    let used: Vec<usize> = places.iter().copied().filter(|count| *count > 0).collect();
    assert_eq!(used.len(), 128);
    assert!((1..=8).all(|row| (1..=16).all(|column| places[row * 20 + column] > 0)));
    let expected = 20_000.0 / 128.0;
    let chi_square: f64 = used.iter().map(|n| (*n as f64 - expected).powi(2) / expected).sum();
    // 127 degrees of freedom: mean 127, sd 16.
    assert!((60.0..200.0).contains(&chi_square), "{chi_square}");
}

/// Red tells the row, green the column, blue neither.
fn colored(height: u32, width: u32) -> image::RgbImage {
    image::RgbImage::from_fn(width, height, |x, y| image::Rgb([y as u8, x as u8, 200]))
}

#[test]
fn patches_of_colour_are_a_plane_after_another() {
    let folder = Folder::new();
    let image = colored(12, 20);
    let rgb = encode(&image::DynamicImage::ImageRgb8(image.clone()), image::ImageFormat::Png);
    let file = folder.write("c.png", &rgb);
    let array = folder.write("c.npy", npy_of("|u1", "(1, 12, 20, 3)", image.as_raw()));
    let wanted = |pattern: PathBuf| {
        let (array, images, channels) = (None, None, Channels::Color);
        source(Reader::Patches {
            pattern,
            array,
            images,
            channels,
            size: 3,
            count: 50,
            seed: 1,
            border: 0,
            moving: None,
        })
    };
    assert_eq!(header(&wanted(file.clone())).unwrap().shape, [50, 3, 9]);
    let found = load(&wanted(file.clone())).unwrap();
    assert_eq!(found.values, load(&wanted(array)).unwrap().values);
    for patch in found.values.chunks_exact(27) {
        let level = |k: usize| (patch[k] * 255.0).round() as usize;
        let (top, left) = (level(0), level(9));
        for k in 0..9 {
            assert_eq!([level(k), level(9 + k), level(18 + k)], [top + k / 3, left + k % 3, 200]);
        }
    }
    let whole = source(Reader::Images { pattern: file.clone(), channels: Channels::Color });
    let whole = load(&whole).unwrap();
    assert_eq!(whole.shape, [1, 3, 12, 20]);
    assert_eq!((whole.values[20], whole.values[240 + 1], whole.values[480]), (1.0 / 255.0, 1.0 / 255.0, 200.0 / 255.0));
    // Whitened channel by channel.
    let white = load(&staged(wanted(kodak()).reader, &[Stage::Whiten])).unwrap();
    for patch in white.values.chunks_exact(27) {
        let (mean, square) = patch[..9].iter().fold((0.0, 0.0), |(m, s), x| (m + x / 9.0, s + x * x / 9.0));
        assert!(mean.abs() < 1e-12 && (square - 1.0).abs() < 1e-12, "{mean} {square}");
        // A grey image has three channels of one kind.
        assert_eq!(patch[..9], patch[9..18]);
    }
}

#[test]
fn images_are_drawn_equally_often_whatever_their_size() {
    let folder = Folder::new();
    folder.write("p/a.png", png(40, 40, |_, _| 255));
    folder.write("p/b.png", png(4, 4, |_, _| 0));
    let array = load(&seeded(folder.path("p/*.png"), 4, 10_000, 5, 0)).unwrap();
    let white = array.values.iter().step_by(16).sum::<f64>();
    // Binomial, sd 50.
    assert!((white - 5000.0).abs() < 200.0, "{white}");
}

#[test]
fn the_same_seed_gives_the_same_patches_and_more_go_on() {
    let few = load(&staged(seeded(kodak(), 8, 50, 7, 0).reader, &[Stage::Whiten])).unwrap();
    let more = load(&staged(seeded(kodak(), 8, 200, 7, 0).reader, &[Stage::Whiten])).unwrap();
    let other = load(&staged(seeded(kodak(), 8, 50, 8, 0).reader, &[Stage::Whiten])).unwrap();
    assert_eq!(few.values, more.values[..50 * 64]);
    assert_ne!(few.values, other.values);
    assert_eq!(few.sha256, other.sha256);
}

/// Fixed numbers, so that a change of the generator or of its use is seen.
#[test]
fn places_are_stable_across_versions() {
    let folder = Folder::new();
    let path = folder.write("a.png", png(15, 17, |row, column| (row * 17 + column) as u8));
    let array = load(&seeded(path, 1, 8, 0, 0)).unwrap();
    let places: Vec<u32> = array.values.iter().map(|x| (x * 255.0).round() as u32).collect();
    insta::assert_snapshot!(format!("{places:?}"));
    let draws = source(Reader::NormalDraws { mean: 0.0, sd: 1.0, count: 4, seed: 0 });
    insta::assert_snapshot!(format!("{:.12?}", load(&draws).unwrap().values));
}

#[test]
fn whitened_patches_have_mean_0_sd_1_and_a_flat_spectrum() {
    let wanted = staged(patches(kodak(), 16, 4000).reader, &[Stage::Whiten]);
    assert_eq!(header(&wanted).unwrap().shape, [4000, 256]);
    let array = load(&wanted).unwrap();
    for patch in array.values.chunks_exact(256) {
        let mean = patch.iter().sum::<f64>() / 256.0;
        let square = patch.iter().map(|x| x * x).sum::<f64>() / 256.0;
        assert!(mean.abs() < 1e-12 && (square - 1.0).abs() < 1e-12);
    }
    assert_eq!(array.redrawn, 0);
    // Neighbouring pixels correlate by .9 or more in photographs, and far less once whitened.
    let raw = load(&patches(kodak(), 16, 4000)).unwrap();
    let correlation = |values: &[f64]| {
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let (mut product, mut square) = (0.0, 0.0);
        for pair in values.chunks_exact(2) {
            product += (pair[0] - mean) * (pair[1] - mean);
            square += ((pair[0] - mean).powi(2) + (pair[1] - mean).powi(2)) / 2.0;
        }
        product / square
    };
    assert!(correlation(&raw.values) > 0.9);
    assert!(correlation(&array.values) < 0.5);
}

#[test]
fn whitening_is_filter_then_crop_then_cut() {
    // A grating stays a grating: every patch of it is the grating, standardized.
    let folder = Folder::new();
    let grating = |column: u32| (128.0 + 100.0 * (column as f64 * std::f64::consts::TAU / 8.0).cos()).round() as u8;
    let path = folder.write("g.png", png(40, 40, |_, column| grating(column)));
    let array = load(&staged(patches(path.clone(), 8, 50).reader, &[Stage::Whiten])).unwrap();
    for patch in array.values.chunks_exact(64) {
        let first = &patch[..8];
        assert!(patch.chunks_exact(8).all(|row| row.iter().zip(first).all(|(a, b)| (a - b).abs() < 1e-9)));
        // Opposite phases: the period is 8 pixels.
        assert!((0..4).all(|i| (first[i] + first[i + 4]).abs() < 1e-9));
    }
    let whole = load(&staged(images(path).reader, &[Stage::Whiten])).unwrap();
    assert_eq!(whole.shape, [1, 32, 32]);
}

#[test]
fn flat_patches_are_drawn_again() {
    let folder = Folder::new();
    folder.write("p/a.png", png(40, 40, |_, _| 90));
    folder.write("p/b.png", png(40, 40, texture));
    let array = load(&staged(patches(folder.path("p/*.png"), 8, 1000).reader, &[Stage::Whiten])).unwrap();
    // Each draw fails with probability ½, so 1000 ± 45 draws fail for 1000 patches.
    assert!((750..1250).contains(&array.redrawn), "{}", array.redrawn);
}

#[test]
fn patches_from_arrays_equal_patches_from_images() {
    let folder = Folder::new();
    let levels: Vec<u8> = (0..30 * 30).map(|i| texture(i / 30, i % 30)).collect();
    let path = folder.write("a.png", png(30, 30, texture));
    let from_png = load(&patches(path, 8, 40)).unwrap().values;
    let bytes = npy_of("|u1", "(1, 30, 30)", &levels);
    let real: Vec<f64> = levels.iter().map(|x| f64::from(*x) / 255.0).collect();
    let real = npy_of("<f8", "(30, 30)", &f64_bytes(&real));
    let archive = zip_bytes(&[("x.npy", &bytes)], true);
    for (name, bytes) in [("a.npy", bytes), ("b.npy", real), ("c.npz", archive)] {
        let source = patches(folder.write(name, bytes), 8, 40);
        assert_eq!(header(&source).unwrap().shape, [40, 64]);
        assert_eq!(load(&source).unwrap().values, from_png);
    }
}

#[test]
fn standardize_columns_over_rows() {
    let folder = Folder::new();
    let path = folder.write("t.csv", "a,b\n1,10\n2,30\n3,50\n10,10\n");
    let wanted = staged(csv(path, &["a", "b"]).reader, &[Stage::Standardize]);
    let first_three = Options { rows: Some(vec![0, 1, 2]), ..Options::default() };
    let array = load_with(&wanted, &first_three).unwrap();
    assert_eq!(array.statistics, [Statistic { mean: 2.0, sd: 1.0 }, Statistic { mean: 30.0, sd: 20.0 }]);
    assert_eq!(array.values, [-1.0, -1.0, 0.0, 0.0, 1.0, 1.0, 8.0, -1.0]);

    // Statistics that a run has kept are used as they are.
    let kept = Options { statistics: Some(array.statistics.clone()), ..Options::default() };
    assert_eq!(load_with(&wanted, &kept).unwrap().values, array.values);

    let all = load(&wanted).unwrap();
    for column in 0..2 {
        let values: Vec<f64> = all.values.iter().copied().skip(column).step_by(2).collect();
        let mean = values.iter().sum::<f64>() / 4.0;
        let variance = values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 3.0;
        assert!(mean.abs() < 1e-15 && (variance - 1.0).abs() < 1e-15);
    }
}

#[test]
fn missing_cells_stay_out_of_the_statistics() {
    let folder = Folder::new();
    let path = folder.write("t.csv", "a\n1\nNA\n3\n");
    let wanted = staged(csv(path, &["a"]).reader, &[Stage::Standardize]);
    let array = load_with(&wanted, &Options { allow_missing: true, ..Options::default() }).unwrap();
    assert_eq!(array.statistics, [Statistic { mean: 2.0, sd: 2f64.sqrt() }]);
    assert!(array.values[1].is_nan());
}

#[test]
fn normal_draws_have_their_moments() {
    let draws = |seed| source(Reader::NormalDraws { mean: 3.0, sd: 2.0, count: 100_000, seed });
    let array = load(&draws(0)).unwrap();
    assert_eq!(array.shape, header(&draws(0)).unwrap().shape);
    let n = 100_000.0;
    let mean = array.values.iter().sum::<f64>() / n;
    let variance = array.values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n;
    let fourth = array.values.iter().map(|x| (x - mean).powi(4)).sum::<f64>() / n / variance.powi(2);
    // Within four standard errors: 2/√n, 4√(2/n), √(24/n).
    assert!((mean - 3.0).abs() < 4.0 * 2.0 / f64::sqrt(n));
    assert!((variance - 4.0).abs() < 4.0 * 4.0 * f64::sqrt(2.0 / n));
    assert!((fourth - 3.0).abs() < 4.0 * f64::sqrt(24.0 / n));
    assert_eq!(array.values, load(&draws(0)).unwrap().values);
    assert_ne!(array.values, load(&draws(1)).unwrap().values);
}

fn moving(pattern: PathBuf, size: usize, frames: usize, drift: f64) -> Source {
    let (array, images, channels) = (None, None, Channels::Grey);
    let moving = Some(fe_data::Moving { frames, drift });
    source(Reader::Patches { pattern, array, images, channels, size, count: 200, seed: 3, border: 1, moving })
}

/// A level that is affine in row and column is read exactly between pixels, so a frame tells where it is.
#[test]
fn patches_drift_from_where_they_would_rest() {
    let folder = Folder::new();
    let file = folder.write("p/a.png", png(60, 80, |row, column| (2 * row + column) as u8));
    let rest = load(&seeded(file.clone(), 4, 200, 3, 1)).unwrap();
    let found = load(&moving(file.clone(), 4, 30, 0.7)).unwrap();
    assert_eq!(header(&moving(file.clone(), 4, 30, 0.7)).unwrap().shape, [200, 30, 16]);
    assert_eq!(found.shape, [200, 30, 16]);
    let mut steps = vec![];
    for (patch, first) in found.values.chunks_exact(30 * 16).zip(rest.values.chunks_exact(16)) {
        assert_eq!(&patch[..16], first);
        for frame in patch.chunks_exact(16) {
            let corner = frame[0] * 255.0;
            for (k, level) in frame.iter().enumerate() {
                assert!((level * 255.0 - corner - (2 * (k / 4) + k % 4) as f64).abs() < 1e-9);
            }
        }
        let corners: Vec<f64> = patch.chunks_exact(16).map(|f| f[0] * 255.0).collect();
        // Along 2 × row + column; away from the borders it is normal.
        let inside = |c: f64| (30.0..150.0).contains(&c);
        steps.extend(corners.windows(2).filter(|w| inside(w[0])).map(|w| w[1] - w[0]));
        assert!(corners.iter().all(|c| (3.0..=2.0 * 55.0 + 75.0).contains(c)));
    }
    let n = steps.len() as f64;
    let variance = steps.iter().map(|s| s * s).sum::<f64>() / n;
    // 0.7² (2² + 1²), but for the few that were reflected.
    assert!((variance / 2.45 - 1.0).abs() < 4.0 * (2.0 / n).sqrt(), "{variance} of {n}");
    // A larger number of frames continues a smaller one, and none moves without drift.
    let fewer = load(&moving(file.clone(), 4, 10, 0.7)).unwrap();
    assert_eq!(&fewer.values[..160], &found.values[..160]);
    let still = load(&moving(file, 4, 5, 0.0)).unwrap();
    assert!(still.values.chunks_exact(80).all(|p| p.chunks_exact(16).all(|f| f == &p[..16])));
}

#[test]
fn moving_patches_are_whitened_frame_by_frame() {
    let mut wanted = moving(kodak(), 8, 6, 0.7);
    wanted.stages = vec![Stage::Whiten];
    for frame in load(&wanted).unwrap().values.chunks_exact(64) {
        let mean = frame.iter().sum::<f64>() / 64.0;
        let variance = frame.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 64.0;
        assert!(mean.abs() < 1e-12 && (variance - 1.0).abs() < 1e-9);
    }
}

#[test]
fn a_bar_crosses_the_field_in_every_direction() {
    let bars = fe_data::Bars { size: 16, angles: 36, frames: 100, width: 0.2, blank: 60 };
    let found = load(&source(Reader::Bars(bars))).unwrap();
    assert_eq!(found.shape, [36, 160, 256]);
    assert_eq!(header(&source(Reader::Bars(bars))).unwrap().shape, [36, 160, 256]);
    assert!(found.values.iter().all(|v| (0.0..=1.0).contains(v)));
    for (angle, direction) in found.values.chunks_exact(160 * 256).enumerate() {
        assert!(direction[..60 * 256].iter().all(|v| *v == 0.0));
        let frames: Vec<&[f64]> = direction[60 * 256..].chunks_exact(256).collect();
        // Along the direction the light lies where the bar's middle is, near the centre of the field: elsewhere its corners
        // cut more from one side than from the other.
        let (sine, cosine) = (10.0 * angle as f64).to_radians().sin_cos();
        let reach = 16.0 * (0.5f64.sqrt() + 0.1);
        for k in [49, 50] {
            let frame = frames[k];
            let along = |k: usize| ((k % 16) as f64 - 7.5) * cosine + ((k / 16) as f64 - 7.5) * sine;
            let centre = frame.iter().enumerate().map(|(k, v)| v * along(k)).sum::<f64>() / frame.iter().sum::<f64>();
            let middle = reach * (2.0 * (k as f64 + 0.5) / 100.0 - 1.0);
            assert!((centre - middle).abs() < 0.1, "{centre} and {middle} at {angle}");
        }
    }
    // Across, a column of the field is .2 × 16 pixels of light wide.
    let middle = &found.values[(60 + 50) * 256..(60 + 51) * 256];
    assert!((middle.iter().sum::<f64>() / 16.0 - 3.2).abs() < 1e-9);
    let wrong = |bars| load(&source(Reader::Bars(bars))).unwrap_err().message;
    assert!(wrong(fe_data::Bars { width: 0.0, ..bars }).contains("width of `bars`"));
    assert!(wrong(fe_data::Bars { size: 1 << 20, angles: 1 << 20, ..bars }).contains("no array that can be held"));
}
