//! Strided views of buffers.

use super::BufferId;
use crate::axis::Axis;

/// One dimension of a view.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Dim {
    /// Its axis.
    pub axis: Axis,
    /// Its extent, not 1.
    pub extent: usize,
    /// Elements from one position to the next.
    pub stride: usize,
}

/// Some elements of a buffer, named. Axes of extent 1 and repeated axes are left out.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct View {
    /// The buffer.
    pub buffer: BufferId,
    /// Of the first element, within the buffer.
    pub offset: usize,
    /// In the order of the layout.
    pub dims: Vec<Dim>,
}

impl View {
    /// A whole buffer, row-major.
    pub fn contiguous(buffer: BufferId, axes: &[(Axis, usize)]) -> Self {
        let mut dims: Vec<Dim> = vec![];
        let mut stride = 1;
        for &(axis, extent) in axes.iter().rev() {
            dims.push(Dim { axis, extent, stride });
            stride = stride.saturating_mul(extent);
        }
        dims.reverse();
        Self { buffer, offset: 0, dims }
    }

    /// Elements.
    pub fn size(&self) -> usize {
        self.dims.iter().fold(1, |n, d| n.saturating_mul(d.extent))
    }

    /// The dimension of an axis.
    pub fn dim(&self, axis: Axis) -> Option<&Dim> {
        self.dims.iter().find(|d| d.axis == axis)
    }

    /// The stride along an axis; 0 where the view lacks it.
    pub fn stride(&self, axis: Axis) -> usize {
        self.dim(axis).map_or(0, |d| d.stride)
    }

    /// Whether the elements, in the order of these axes, follow one another without a gap.
    pub fn follows(&self, axes: &[(Axis, usize)]) -> bool {
        let mut stride = 1;
        for &(axis, extent) in axes.iter().rev() {
            if self.stride(axis) != stride {
                return false;
            }
            stride = stride.saturating_mul(extent);
        }
        self.dims.len() == axes.len()
    }

    /// The view at some positions of an axis.
    #[must_use]
    pub fn range(&self, axis: Axis, range: &std::ops::Range<usize>) -> Self {
        let mut view = self.clone();
        for d in &mut view.dims {
            if d.axis == axis {
                view.offset += d.stride * range.start;
                d.extent = range.len();
            }
        }
        view
    }

    /// The view at one position of an axis, without it.
    #[must_use]
    pub fn at(&self, axis: Axis, position: usize) -> Self {
        let mut view = self.clone();
        view.offset += self.stride(axis) * position;
        view.dims.retain(|d| d.axis != axis);
        view
    }

    /// The elements at position k along one axis and `start` + k along another, which goes.
    #[must_use]
    pub fn diagonal(&self, along: Axis, across: Axis, start: usize) -> Self {
        let step = self.stride(across);
        let mut view = self.at(across, start);
        for d in view.dims.iter_mut().filter(|d| d.axis == along) {
            d.stride += step;
        }
        view
    }

    /// A dimension walked by other axes (their extents and steps), from `start` on.
    #[must_use]
    pub fn stepped(&self, axis: Axis, steps: &[(Axis, usize, usize)], start: usize) -> Self {
        let stride = self.stride(axis);
        let mut view = self.at(axis, start);
        let walked = steps.iter().filter(|s| s.1 > 1);
        view.dims.extend(walked.map(|&(axis, extent, step)| Dim { axis, extent, stride: stride * step }));
        view
    }

    /// Whether no element is there twice.
    pub fn is_injective(&self) -> bool {
        let mut dims: Vec<&Dim> = self.dims.iter().collect();
        dims.sort_by_key(|d| d.stride);
        let mut reach = 0;
        dims.iter().all(|d| {
            let apart = d.stride > reach;
            reach += d.stride * (d.extent - 1);
            apart
        })
    }

    /// The same elements under other names.
    #[must_use]
    pub fn renamed(&self, pairs: &[(Axis, Axis)]) -> Self {
        let mut view = self.clone();
        for d in &mut view.dims {
            if let Some(&(_, to)) = pairs.iter().find(|p| p.0 == d.axis) {
                d.axis = to;
            }
        }
        view
    }

    /// The elements over the axes `from`, laid out over `to`, where that is a view.
    pub fn reshaped(&self, from: &[(Axis, usize)], to: &[(Axis, usize)]) -> Option<Self> {
        // The axes that go must lie in this order at one common stride.
        let kept: Vec<(Axis, usize)> = from.iter().copied().filter(|f| f.1 > 1).collect();
        let mut stride = kept.last().map(|&(a, _)| self.stride(a)).unwrap_or(1);
        let step = stride;
        for &(axis, extent) in kept.iter().rev() {
            if self.stride(axis) != stride {
                return None;
            }
            stride = stride.saturating_mul(extent);
        }
        let mut dims: Vec<Dim> = self.dims.iter().copied().filter(|d| !kept.iter().any(|k| k.0 == d.axis)).collect();
        let mut stride = step;
        let mut new = vec![];
        for &(axis, extent) in to.iter().rev() {
            if extent > 1 {
                new.push(Dim { axis, extent, stride });
            }
            stride = stride.saturating_mul(extent);
        }
        new.reverse();
        dims.extend(new);
        Some(Self { buffer: self.buffer, offset: self.offset, dims })
    }
}
