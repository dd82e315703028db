//! Arrays that JSON holds as nested lists.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeSeq, Serializer};

/// The deepest nesting that is written or read.
const MAX_AXES: usize = 32;

/// An array of f64 in row-major order: a number where it has no axis, else nested lists.
#[derive(Clone, Debug, PartialEq)]
pub struct Nested {
    shape: Vec<usize>,
    values: Vec<f64>,
}

/// A shape that does not belong to the values it came with.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{values} values cannot have the shape {shape:?}")]
pub struct ShapeError {
    shape: Vec<usize>,
    values: usize,
}

impl Nested {
    /// The array of this shape.
    ///
    /// # Errors
    /// When the shape's sizes do not multiply to the number of values, or it has more than 32 axes.
    pub fn new(shape: Vec<usize>, values: Vec<f64>) -> Result<Self, ShapeError> {
        let size = shape.iter().try_fold(1usize, |size, &n| size.checked_mul(n));
        if size != Some(values.len()) || shape.len() > MAX_AXES {
            return Err(ShapeError { shape, values: values.len() });
        }
        // Lists cannot tell the sizes of axes inside an empty one.
        let shape = if values.is_empty() { vec![0] } else { shape };
        Ok(Self { shape, values })
    }

    /// A single number.
    pub fn scalar(value: f64) -> Self {
        Self { shape: Vec::new(), values: vec![value] }
    }

    /// Sizes of the axes, outermost first.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The elements in row-major order.
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// The element's place with the levels of text in the place of their numbers, where an axis has some: `[gentoo, 1]`.
    pub fn named_place(&self, element: usize, axes: &[String], labels: &crate::document::Labels) -> String {
        if !axes.iter().any(|axis| labels.contains_key(axis)) {
            return self.place(element);
        }
        let (mut rest, mut names) = (element, vec![]);
        for (k, &size) in self.shape.iter().enumerate().rev() {
            let index = rest % size.max(1);
            rest /= size.max(1);
            let label = axes.get(k).and_then(|axis| labels.get(axis)?.get(index));
            names.push(label.cloned().unwrap_or_else(|| index.to_string()));
        }
        names.reverse();
        format!("[{}]", names.join(", "))
    }

    /// The element's place as it is written in a program: `[3][1]` is `[3, 1]`; empty for a single number.
    pub(crate) fn place(&self, element: usize) -> String {
        crate::arrays::place(&self.shape, element, ", ")
    }
}

impl Default for Nested {
    fn default() -> Self {
        Self::scalar(f64::NAN)
    }
}

impl From<f64> for Nested {
    fn from(value: f64) -> Self {
        Self::scalar(value)
    }
}

impl From<Vec<f64>> for Nested {
    fn from(values: Vec<f64>) -> Self {
        Self { shape: vec![values.len()], values }
    }
}

impl Serialize for Nested {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Part { shape: &self.shape, values: &self.values }.serialize(serializer)
    }
}

/// The elements below some indices of an array.
struct Part<'a> {
    shape: &'a [usize],
    values: &'a [f64],
}

impl Serialize for Part<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.shape.split_first() {
            None => number::serialize(self.values.first().unwrap_or(&f64::NAN), serializer),
            Some((&size, shape)) => {
                let mut list = serializer.serialize_seq(Some(size))?;
                let stride = (self.values.len() / size.max(1)).max(1);
                for values in self.values.chunks(stride) {
                    list.serialize_element(&Part { shape, values })?;
                }
                list.end()
            }
        }
    }
}

impl<'de> Deserialize<'de> for Nested {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Lists)
    }
}

struct Lists;

impl<'de> Visitor<'de> for Lists {
    type Value = Nested;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a number, or lists of numbers that form an array")
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Nested, E> {
        Ok(Nested::scalar(value))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Nested, E> {
        Ok(Nested::scalar(value as f64))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Nested, E> {
        Ok(Nested::scalar(value as f64))
    }

    fn visit_unit<E: de::Error>(self) -> Result<Nested, E> {
        Ok(Nested::scalar(f64::NAN))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Nested, A::Error> {
        let mut shape: Option<Vec<usize>> = None;
        let mut values = Vec::new();
        let mut size = 0usize;
        while let Some(element) = list.next_element::<Nested>()? {
            if shape.get_or_insert_with(|| element.shape.clone()) != &element.shape {
                return Err(de::Error::custom("the lists are not of one length"));
            }
            values.extend(element.values);
            size = size.saturating_add(1);
        }
        let shape = [vec![size], shape.unwrap_or_default()].concat();
        Nested::new(shape, values).map_err(de::Error::custom)
    }
}

/// Numbers as they are written and read: `null` stands for one that is not finite.
pub(crate) mod number {
    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
        if value.is_finite() { serializer.serialize_f64(*value) } else { serializer.serialize_none() }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
        Ok(Option::<f64>::deserialize(deserializer)?.unwrap_or(f64::NAN))
    }
}
