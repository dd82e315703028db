//! Arrays in JSON, as Stan reads them: an object whose fields are numbers or nested arrays.

use std::fmt;
use std::path::Path;

use serde::de::{self, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::error::{DataError, Kind, Place};
use crate::file;
use crate::{Content, Element, Header};

/// Field names kept for a message.
const MAX_NAMES: usize = 1000;

/// Reads `field` of the object in `path`, or the whole file where no field is named. JSON `null`
/// is a missing value; a number is an integer where it is written as one.
pub(crate) fn load(path: &Path, field: Option<&str>) -> Result<Content, DataError> {
    let text = file::text(path)?;
    let mut gather = Gather::new(path, field.unwrap_or("[]"));
    let mut names = Vec::new();
    let mut input = serde_json::Deserializer::from_str(&text);
    let parsed = match field {
        Some(field) => {
            let object = Object { gather: &mut gather, field, names: &mut names };
            input.deserialize_any(object)
        }
        None => Nested { gather: &mut gather, depth: 0 }.deserialize(&mut input),
    };
    if let Some(problem) = gather.problem.take() {
        return Err(problem);
    }
    parsed.and_then(|()| input.end()).map_err(|error| syntax_error(path, &text, &error))?;
    match field {
        Some(field) if !gather.found => Err(file::unknown_name(path, "field", field, &names)),
        _ => gather.finish(),
    }
}

fn syntax_error(path: &Path, text: &str, error: &serde_json::Error) -> DataError {
    let (line, column) = (error.line(), error.column());
    let detail = error.to_string();
    let detail = detail.split(" at line ").next().unwrap_or_default();
    let problem = DataError::file(Kind::Format, path, format!("this is not valid JSON: {detail}"))
        .at(Place::Position { line, column });
    let row = text.lines().nth(line.saturating_sub(1)).unwrap_or_default();
    // Columns count bytes, and point at the last byte read.
    let near = row.bytes().skip(column.saturating_sub(2)).take(10);
    let from: String = near.map(char::from).collect();
    let word = from.trim_start_matches(['-', '+', ' ', '[', ',', ':']);
    if ["NaN", "nan", "Inf", "inf", "NA"].iter().any(|name| word.starts_with(name)) {
        return problem.help("JSON has no NaN, Inf or NA; write null for a missing value");
    }
    if error.is_data() {
        return DataError { message: format!("these are not arrays in JSON: {detail}"), ..problem };
    }
    if error.is_eof() {
        return DataError { kind: Kind::Truncated, ..problem }.help("the file is incomplete");
    }
    problem
}

/// The array being read, and what is known of its shape so far.
struct Gather<'a> {
    path: &'a Path,
    name: &'a str,
    values: Vec<f64>,
    missing: Vec<bool>,
    /// The size of each axis, once the first array at that depth has ended.
    sizes: Vec<Option<usize>>,
    /// The depth of the first number, which all others must share.
    rank: Option<usize>,
    element: Option<Element>,
    /// Where the reader is, as indices.
    index: Vec<usize>,
    found: bool,
    problem: Option<DataError>,
}

impl<'a> Gather<'a> {
    fn new(path: &'a Path, name: &'a str) -> Self {
        Gather {
            path,
            name,
            values: Vec::new(),
            missing: Vec::new(),
            sizes: Vec::new(),
            rank: None,
            element: None,
            index: Vec::new(),
            found: false,
            problem: None,
        }
    }

    /// Records what is wrong with the element being read, and gives the error that stops the parser.
    fn fail<E: de::Error>(&mut self, kind: Kind, message: String, help: &str) -> E {
        let indices: String = self.index.iter().map(|i| format!("[{i}]")).collect();
        let key = match self.name {
            "[]" => {
                if indices.is_empty() {
                    "[]".to_owned()
                } else {
                    indices
                }
            }
            name => format!("{name}{indices}"),
        };
        let problem = DataError::file(kind, self.path, message).at(Place::Key(key)).help(help);
        self.problem = Some(problem);
        E::custom("see the recorded problem")
    }

    fn leaf<E: de::Error>(&mut self, depth: usize, value: Option<f64>, element: Element) -> Result<(), E> {
        if *self.rank.get_or_insert(depth) != depth {
            return Err(self.fail(
                Kind::Ragged,
                "a number stands where an array is due".to_owned(),
                "every element of an array must have the same shape",
            ));
        }
        if let Some(value) = value {
            self.element = match (self.element, element) {
                (None, element) => Some(element),
                (Some(Element::Bool), Element::Bool) => Some(Element::Bool),
                (Some(Element::Bool), _) | (Some(_), Element::Bool) => {
                    return Err(self.fail(
                        Kind::MixedTypes,
                        "numbers and true or false are mixed".to_owned(),
                        "write 0 and 1, or only true and false",
                    ));
                }
                (Some(Element::Integer), Element::Integer) => Some(Element::Integer),
                _ => Some(Element::Real),
            };
            self.values.push(value);
        } else {
            self.values.push(f64::NAN);
        }
        self.missing.push(value.is_none());
        Ok(())
    }

    fn end<E: de::Error>(&mut self, depth: usize, length: usize) -> Result<(), E> {
        if self.sizes.len() <= depth {
            self.sizes.resize(depth + 1, None);
        }
        let known = self.sizes.get(depth).copied().flatten();
        if let Some(size) = known.filter(|size| *size != length) {
            return Err(self.fail(
                Kind::Ragged,
                format!("this array is {length} long, the ones before it {size}"),
                "rows must be equally long; pad with null where values are missing",
            ));
        }
        if let Some(slot) = self.sizes.get_mut(depth) {
            *slot = Some(length);
        }
        Ok(())
    }

    fn finish(self) -> Result<Content, DataError> {
        let shape: Vec<usize> = self.sizes.iter().map(|size| size.unwrap_or(0)).collect();
        if self.values.is_empty() {
            return Err(DataError::file(Kind::Empty, self.path, "the array has no elements")
                .at(Place::Key(self.name.to_owned())));
        }
        // An empty array beside a number, which no comparison of lengths shows.
        if self.rank != Some(shape.len()) || shape.contains(&0) {
            return Err(DataError::file(Kind::Ragged, self.path, "some elements are empty arrays, others not")
                .at(Place::Key(self.name.to_owned()))
                .help("every element of an array must have the same shape"));
        }
        let header = Header::new(shape, self.element.unwrap_or(Element::Real));
        let mut content = Content::new(header, self.values);
        content.name = (self.name != "[]").then(|| self.name.to_owned());
        if self.missing.contains(&true) {
            content.missing = self.missing;
        }
        Ok(content)
    }
}

/// The object at the top: one field is gathered, the others are checked and dropped.
struct Object<'a, 'p> {
    gather: &'a mut Gather<'p>,
    field: &'a str,
    names: &'a mut Vec<String>,
}

impl<'de> Visitor<'de> for Object<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of arrays")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key::<String>()? {
            if name != self.field {
                map.next_value::<IgnoredAny>()?;
                if self.names.len() < MAX_NAMES {
                    self.names.push(name);
                }
                continue;
            }
            if self.gather.found {
                return Err(self.gather.fail(
                    Kind::Ambiguous,
                    "the field is given twice".to_owned(),
                    "keep one of the two",
                ));
            }
            self.gather.found = true;
            map.next_value_seed(Nested { gather: &mut *self.gather, depth: 0 })?;
            self.gather.index.clear();
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<(), A::Error> {
        Err(self.gather.fail(
            Kind::Format,
            "the file holds one array, not an object with fields".to_owned(),
            "read it without naming a field",
        ))
    }
}

/// An array, or a number, at some depth of the field.
struct Nested<'a, 'p> {
    gather: &'a mut Gather<'p>,
    depth: usize,
}

impl<'de> DeserializeSeed<'de> for Nested<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, input: D) -> Result<(), D::Error> {
        input.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Nested<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number or an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let Nested { gather, depth } = self;
        if gather.rank.is_some_and(|rank| rank <= depth) {
            return Err(gather.fail(
                Kind::Ragged,
                "an array stands where a number is due".to_owned(),
                "every element of an array must have the same shape",
            ));
        }
        let mut length = 0;
        loop {
            gather.index.push(length);
            if items.next_element_seed(Nested { gather: &mut *gather, depth: depth + 1 })?.is_none() {
                break;
            }
            gather.index.pop();
            length += 1;
        }
        gather.index.pop();
        gather.end(depth, length)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        if self.gather.name != "[]" || self.depth > 0 {
            return Err(self.gather.fail(
                Kind::ElementType,
                "an object stands where a number or an array is due".to_owned(),
                "only numbers and nested arrays of them are read",
            ));
        }
        let mut names = Vec::new();
        while let Some(name) = map.next_key::<String>()? {
            map.next_value::<IgnoredAny>()?;
            if names.len() < MAX_NAMES {
                names.push(name);
            }
        }
        let help = format!("name one of its fields: {}", file::list(&names));
        let message = "the file holds an object, and no field is named".to_owned();
        Err(self.gather.fail(Kind::Ambiguous, message, &help))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<(), E> {
        let shown: String = text.chars().take(20).collect();
        let not_finite = matches!(text.trim_start_matches(['-', '+']), "NaN" | "Inf" | "Infinity");
        Err(match not_finite {
            true => self.gather.fail(
                Kind::NonFinite,
                format!("the value is \"{shown}\""),
                "every value must be finite; write null for a missing one",
            ),
            false => self.gather.fail(
                Kind::ElementType,
                format!("the text \"{shown}\" stands where a number is due"),
                "text is read from csv columns only; here write indices",
            ),
        })
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<(), E> {
        self.gather.leaf(self.depth, Some(f64::from(u8::from(value))), Element::Bool)
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<(), E> {
        self.gather.leaf(self.depth, Some(value as f64), Element::Integer)
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<(), E> {
        self.gather.leaf(self.depth, Some(value as f64), Element::Integer)
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<(), E> {
        self.gather.leaf(self.depth, Some(value), Element::Real)
    }

    fn visit_unit<E: de::Error>(self) -> Result<(), E> {
        self.gather.leaf(self.depth, None, Element::Real)
    }
}
