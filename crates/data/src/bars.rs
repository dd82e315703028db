//! A bar of light that crosses a square field in many directions: the stimulus by which Hubel and Wiesel (1962) found that
//! neurons of visual cortex are tuned to orientation.

use std::f64::consts::TAU;
use std::path::Path;

use crate::binary;
use crate::error::{DataError, Kind};
use crate::{Content, Element, Header};

/// What `bars` asks for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bars {
    /// Side of a frame, pixels.
    pub size: usize,
    /// Directions, at even distances around the circle. The first goes right, the next ones turn toward down.
    pub angles: usize,
    /// Frames in which the bar crosses the field.
    pub frames: usize,
    /// Width of the bar, in sides of the field.
    pub width: f64,
    /// Dark frames before that.
    pub blank: usize,
}

impl Bars {
    fn shape(&self) -> Option<Vec<usize>> {
        let all = self.frames.checked_add(self.blank)?;
        let pixels = self.size.checked_mul(self.size)?;
        let values = self.angles.checked_mul(all)?.checked_mul(pixels)?;
        (1..=binary::MAX_ELEMENTS).contains(&values).then(|| vec![self.angles, all, pixels])
    }

    pub(crate) fn header(&self) -> Result<Header, DataError> {
        if !(self.width > 0.0 && self.width.is_finite()) {
            let message = format!("the width of `bars` is {}; it must be above 0", self.width);
            return Err(DataError::new(Kind::Argument, message).help("it is in sides of the field: 0.2"));
        }
        let Some(shape) = self.shape() else {
            let message = format!(
                "`bars` of {} directions, {} frames and size = {} give no array that can be held",
                self.angles, self.frames, self.size
            );
            let help = format!("angles × (frames + blank) × size² is 1 to {}", binary::MAX_ELEMENTS);
            return Err(DataError::new(Kind::Argument, message).help(help));
        };
        Ok(Header::new(shape, Element::Real))
    }

    /// Levels from 0, dark, to 1: the share of a pixel that the bar covers along its direction. The bar is as long as the field
    /// is in every direction; its middle goes from where its front touches the field's circle to where its back leaves it.
    pub(crate) fn load(&self) -> Result<Content, DataError> {
        let header = self.header()?;
        let pixel = 1.0 / self.size as f64;
        let place = |k: usize| (k as f64 + 0.5) * pixel - 0.5;
        let reach = 0.5f64.sqrt() + 0.5 * self.width;
        let mut values = binary::reserve(Path::new("bars"), header.shape.iter().product())?;
        for angle in 0..self.angles {
            let (sine, cosine) = (TAU * angle as f64 / self.angles as f64).sin_cos();
            values.extend(std::iter::repeat_n(0.0, self.blank * self.size * self.size));
            for frame in 0..self.frames {
                let middle = reach * (2.0 * (frame as f64 + 0.5) / self.frames as f64 - 1.0);
                for row in 0..self.size {
                    for column in 0..self.size {
                        let along = place(column) * cosine + place(row) * sine - middle;
                        values.push(covered(along, self.width, pixel));
                    }
                }
            }
        }
        Ok(Content::new(header, values))
    }
}

/// The share of an interval of this length around `at` that the bar from −width/2 to width/2 covers.
fn covered(at: f64, width: f64, length: f64) -> f64 {
    let (from, to) = ((at - 0.5 * length).max(-0.5 * width), (at + 0.5 * length).min(0.5 * width));
    ((to - from) / length).max(0.0)
}
