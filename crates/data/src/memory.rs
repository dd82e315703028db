//! Arrays that a caller has in memory already, in the place of a file.

use std::path::Path;

use crate::error::{DataError, Kind};
use crate::{Content, Element, Header, file};

/// An array of the caller's, as a reader would give it.
#[derive(Debug, Clone, PartialEq)]
pub struct InMemory {
    /// Sizes of the axes; empty for a scalar.
    pub shape: Vec<usize>,
    /// The elements, row-major; NaN where missing.
    pub values: Vec<f64>,
    /// What the elements are.
    pub element: Element,
    /// What the indices stand for, where the elements are of [`Element::Text`].
    pub levels: Option<Vec<String>>,
    /// Names along the last axis of a matrix that was made of columns; empty where they have none.
    pub columns: Vec<String>,
}

impl InMemory {
    /// Real numbers of this shape.
    pub fn real(shape: Vec<usize>, values: Vec<f64>) -> Self {
        Self { shape, values, element: Element::Real, levels: None, columns: vec![] }
    }

    /// The array's header.
    ///
    /// # Errors
    /// When the shape has another number of elements than there are, or an index has no level.
    pub(crate) fn header(&self) -> Result<Header, DataError> {
        let wrong = |message: String| Err(DataError::new(Kind::Argument, message));
        let size = self.shape.iter().try_fold(1usize, |size, &extent| size.checked_mul(extent));
        if size != Some(self.values.len()) {
            return wrong(format!("an array of shape {:?} was given {} numbers", self.shape, self.values.len()));
        }
        if self.values.is_empty() {
            return Err(DataError::new(Kind::Empty, "the array holds nothing"));
        }
        match (self.element, &self.levels) {
            (Element::Text, None) => return wrong("an array of text was given without its levels".into()),
            (Element::Text, Some(levels)) => {
                let known = |v: f64| v.is_nan() || (v >= 0.0 && v.fract() == 0.0 && v < levels.len() as f64);
                if let Some(v) = self.values.iter().find(|v| !known(**v)) {
                    return wrong(format!("{v} is the index of no level; there are {}", levels.len()));
                }
            }
            (Element::Real | Element::Integer | Element::Bool, None) => {}
            (_, Some(_)) => return wrong("an array of numbers was given levels".into()),
        }
        if !self.columns.is_empty() && self.shape.get(1) != Some(&self.columns.len()) {
            return wrong(format!(
                "{} names were given for the columns of an array of shape {:?}",
                self.columns.len(),
                self.shape
            ));
        }
        let (levels, columns) = (self.levels.clone(), self.columns.clone());
        Ok(Header { levels, columns, ..Header::new(self.shape.clone(), self.element) })
    }

    /// A copy of the array, as a file would have been decoded.
    pub(crate) fn content(&self) -> Result<Content, DataError> {
        let header = self.header()?;
        let mut values = crate::binary::reserve(Path::new("memory"), self.values.len())?;
        values.extend_from_slice(&self.values);
        Ok(Content { levels: self.levels.clone(), ..Content::new(header, values) })
    }

    /// SHA-256 of the values as little-endian f64, in hexadecimal.
    pub(crate) fn hash(&self) -> String {
        file::hash_values(&self.values)
    }
}
