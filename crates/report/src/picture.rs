//! Arrays as pictures: a grid of small images, grey or in colour, in one PNG, as a data URI.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, ImageEncoder};

use crate::figures::significant;

/// Pixels between images, which are not painted.
const GAP: usize = 1;

/// The scale by which values become shades of grey.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Shades {
    /// Each image from −m, black, to m, white, m being its own largest magnitude: 0 is the same grey in all of them.
    Symmetric,
    /// All images from the smallest of all values, black, to the largest, white.
    Common,
    /// All images from one number, black, to another, white; what is outside has the shade of the nearer end.
    Between(f64, f64),
}

/// The shape of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// What its values are.
    pub planes: Planes,
    /// Pixels down.
    pub rows: usize,
    /// Pixels across.
    pub columns: usize,
}

/// What the values of an image are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Planes {
    /// Shades of grey.
    Grey,
    /// All of red, then of green, then of blue.
    Color,
}

impl Size {
    /// Of an image in grey.
    pub fn grey(rows: usize, columns: usize) -> Self {
        Self { planes: Planes::Grey, rows, columns }
    }

    /// As written: rows and columns, behind 3 for colour.
    pub fn written(sizes: &[usize]) -> Option<Self> {
        match *sizes {
            [rows, columns] => Some(Self::grey(rows, columns)),
            [3, rows, columns] => Some(Self { planes: Planes::Color, rows, columns }),
            _ => None,
        }
    }

    /// Values of an image.
    pub fn values(self) -> usize {
        self.count().saturating_mul(self.rows).saturating_mul(self.columns)
    }

    fn count(self) -> usize {
        match self.planes {
            Planes::Grey => 1,
            Planes::Color => 3,
        }
    }
}

/// A picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Picture {
    /// The PNG: `data:image/png;base64,…`.
    pub uri: String,
    /// Pixels across.
    pub width: usize,
    /// Pixels down.
    pub height: usize,
    /// The meaning of its shades.
    pub scale: String,
}

/// Images of a size, one after another in `values`, each row-major, in a grid of `across` images, or of
/// about as many across as down. Values that are not finite are not painted, and `scale` says how many they are.
///
/// None where the values do not make whole images, or there is none.
pub fn images(values: &[f64], image: Size, across: Option<usize>, shades: Shades) -> Option<Picture> {
    let Size { rows, columns, .. } = image;
    let area = rows.checked_mul(columns).filter(|&s| s > 0)?;
    let size = area.checked_mul(image.count())?;
    if values.is_empty() || !values.len().is_multiple_of(size) {
        return None;
    }
    let count = values.len() / size;
    let square = ((count as f64 * rows as f64 / columns as f64).sqrt().ceil() as usize).max(1);
    let across = across.unwrap_or(square).clamp(1, count);
    let down = count.div_ceil(across);
    let (width, height) = (across * (columns + GAP) - GAP, down * (rows + GAP) - GAP);
    // Grey or colours, and opacity.
    let bytes = image.count() + 1;
    let mut pixels = vec![0u8; width.checked_mul(height)?.checked_mul(bytes)?];
    let (low, high) = extremes(values);
    for (k, image) in values.chunks_exact(size).enumerate() {
        let (from, to) = match shades {
            Shades::Common => (low, high),
            Shades::Between(from, to) => (from, to),
            Shades::Symmetric => {
                let (low, high) = extremes(image);
                let most = low.abs().max(high.abs());
                (-most, most)
            }
        };
        let (left, top) = (k % across * (columns + GAP), k / across * (rows + GAP));
        for (at, &value) in image.iter().enumerate().filter(|v| v.1.is_finite()) {
            let (plane, y, x) = (at / area, at % area / columns, at % columns);
            let start = ((top + y) * width + left + x) * bytes;
            *pixels.get_mut(start + plane)? = shade(value, from, to);
            *pixels.get_mut(start + bytes - 1)? = 255;
        }
    }
    let color = match image.planes {
        Planes::Grey => ExtendedColorType::La8,
        Planes::Color => ExtendedColorType::Rgba8,
    };
    let mut png = vec![];
    let encoder = PngEncoder::new_with_quality(&mut png, CompressionType::Best, FilterType::Adaptive);
    encoder.write_image(&pixels, width as u32, height as u32, color).ok()?;
    let mut scale = match shades {
        Shades::Symmetric => {
            "each image on its own scale, from −max |value| (black) over 0 (grey) to max |value| (white)".into()
        }
        Shades::Common => format!("black {}, white {}", significant(low, 3), significant(high, 3)),
        Shades::Between(from, to) => {
            format!("black {} and below, white {} and above", significant(from, 3), significant(to, 3))
        }
    };
    let unpainted = values.iter().filter(|v| !v.is_finite()).count();
    if unpainted > 0 {
        scale.push_str(&format!("; {} not finite, left empty", crate::figures::plural(unpainted as u64, "value")));
    }
    Some(Picture { uri: format!("data:image/png;base64,{}", BASE64_STANDARD.encode(png)), width, height, scale })
}

/// The smallest and the largest of the finite values; 0 and 0 without.
fn extremes(values: &[f64]) -> (f64, f64) {
    let finite = values.iter().filter(|v| v.is_finite());
    let (low, high) = finite.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), &v| (l.min(v), h.max(v)));
    if low <= high { (low, high) } else { (0.0, 0.0) }
}

/// A value as a shade; the middle one where there is no range.
fn shade(value: f64, from: f64, to: f64) -> u8 {
    // Halves first: the range of the largest numbers is none.
    let part = (value / 2.0 - from / 2.0) / (to / 2.0 - from / 2.0);
    if part.is_nan() { 128 } else { (part.clamp(0.0, 1.0) * 255.0).round() as u8 }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Grey and opacity of each pixel.
    fn pixels(picture: &Picture) -> Vec<(u8, u8)> {
        let bytes = BASE64_STANDARD.decode(picture.uri.strip_prefix("data:image/png;base64,").unwrap()).unwrap();
        let image = image::load_from_memory(&bytes).unwrap().into_luma_alpha8();
        assert_eq!((image.width() as usize, image.height() as usize), (picture.width, picture.height));
        image.pixels().map(|p| (p.0[0], p.0[1])).collect()
    }

    #[test]
    fn images_stand_side_by_side_in_shades_of_their_own() {
        let picture = images(&[-2.0, 2.0, 0.5, 0.0], Size::grey(1, 2), Some(2), Shades::Symmetric).unwrap();
        assert_eq!((picture.width, picture.height), (5, 1));
        assert_eq!(pixels(&picture), [(0, 255), (255, 255), (0, 0), (255, 255), (128, 255)]);
    }

    #[test]
    fn a_common_scale_spans_all_images() {
        let picture = images(&[0.0, 1.0, 2.0, 4.0], Size::grey(2, 1), Some(2), Shades::Common).unwrap();
        assert_eq!(pixels(&picture), [(0, 255), (0, 0), (128, 255), (64, 255), (0, 0), (255, 255)]);
        assert_eq!(picture.scale, "black 0, white 4.00");
        let picture = images(&[-1.0, 3.0], Size::grey(1, 1), Some(2), Shades::Between(0.0, 1.0)).unwrap();
        assert_eq!(pixels(&picture), [(0, 255), (0, 0), (255, 255)]);
    }

    #[test]
    fn what_is_not_finite_is_left_empty_and_said() {
        let picture = images(&[f64::NAN, 1.0, 1.0], Size::grey(1, 3), None, Shades::Common).unwrap();
        assert_eq!(pixels(&picture), [(0, 0), (128, 255), (128, 255)]);
        assert!(picture.scale.ends_with("1 value not finite, left empty"));
    }

    #[test]
    fn the_last_line_of_a_grid_may_be_short() {
        let picture = images(&[1.0; 7 * 6], Size::grey(2, 3), None, Shades::Symmetric).unwrap();
        assert_eq!((picture.width, picture.height), (3 * 4 - 1, 3 * 3 - 1));
        assert_eq!(pixels(&picture).iter().filter(|p| p.1 == 255).count(), 7 * 6);
    }

    #[test]
    fn an_image_in_colour_is_a_plane_after_another() {
        let size = Size::written(&[3, 1, 2]).unwrap();
        let picture = images(&[1.0, 0.0, 0.0, 1.0, 0.5, f64::NAN], size, None, Shades::Between(0.0, 1.0)).unwrap();
        let bytes = BASE64_STANDARD.decode(picture.uri.strip_prefix("data:image/png;base64,").unwrap()).unwrap();
        let image = image::load_from_memory(&bytes).unwrap().into_rgba8();
        let pixels: Vec<[u8; 4]> = image.pixels().map(|p| p.0).collect();
        assert_eq!(pixels, [[255, 0, 128, 255], [0, 255, 0, 255]]);
    }

    #[test]
    fn no_picture_of_parts_of_images() {
        assert_eq!(images(&[1.0; 5], Size::grey(2, 2), None, Shades::Common), None);
        assert_eq!(images(&[], Size::grey(2, 2), None, Shades::Common), None);
        assert_eq!(images(&[1.0], Size::grey(0, 2), None, Shades::Common), None);
        assert_eq!(images(&[1.0], Size::grey(usize::MAX, 2), None, Shades::Common), None);
    }
}
